// What leaves a hidden layer that is not the last, for four units of an image an invocation:
//
//   hidden[b][n] = mask[b][n] · max(0, Σ_g Σ_{p in group g} partial[p][b][n] + b[n])
//
// Reads: z (partials), b (small), masks (rates). Writes: hidden.

override H: u32 = 50u;        // units of the layer
override HP: u32 = 52u;       // H rounded up to a multiple of 4
override N: u32 = 52u;        // M · HP
override PARTIALS: u32 = 1u;  // partial sums of a value: slices or groups of the inputs
override GROUP: u32 = 1u;     // partial sums of a group
override GROUPS: u32 = 1u;    // ⌈PARTIALS / GROUP⌉
override M: u32 = 1u;         // models
override LAYER: u32 = 1u;     // of dropout, see `dropout`
override BELOW: u32 = 0u;
override KEPT: f32 = 1.0;

@group(0) @binding(0) var<storage, read> partials: array<vec4<f32>>;      // [PARTIALS][B][N/4]
@group(0) @binding(1) var<storage, read> small: array<f32>;               // [M][H]
@group(0) @binding(2) var<storage, read_write> hidden: array<vec4<f32>>;  // [B][N/4]

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let column = 4u * (group.y * 64u + thread);
    let b = group.x;
    if (column < N) {
        var z = vec4<f32>();
        for (var g = 0u; g < GROUPS; g++) {
            var sum = vec4<f32>();
            for (var p = g * GROUP; p < min(PARTIALS, (g + 1u) * GROUP); p++) {
                sum += partials[((p * step.rows + b) * N + column) / 4u];
            }
            z += sum;
        }
        for (var i = 0u; i < 4u; i++) {
            let unit = column % HP + i;
            if (unit < H) {
                z[i] += small[column / HP * H + unit];
            }
        }
        // Not max(z, 0): that would turn a NaN into 0 and hide it.
        let mask = masks(step.rate * M + column / HP, b, column % HP / 4u);
        hidden[(b * N + column) / 4u] = select(z, vec4<f32>(), z <= vec4<f32>()) * mask;
    }
}
