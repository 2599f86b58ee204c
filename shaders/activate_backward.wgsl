// On the way back through a hidden layer's ReLUs, for four units of an image an invocation:
//
//   dhidden[b][n] = [hidden[b][n] > 0] · KEPT · Σ_p partial[p][b][n]
//
// Units that dropout left out are 0 like those that are not active; the others counted KEPT times.
//
// Reads: z (partials), hidden. Writes: dhidden.

override N: u32 = 52u;        // columns of all models
override PARTIALS: u32 = 1u;  // partial sums of a value
override KEPT: f32 = 1.0;     // of dropout

@group(0) @binding(0) var<storage, read> partials: array<vec4<f32>>;       // [PARTIALS][B][N/4]
@group(0) @binding(1) var<storage, read> hidden: array<vec4<f32>>;         // [B][N/4]
@group(0) @binding(2) var<storage, read_write> dhidden: array<vec4<f32>>;  // [B][N/4]

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let column = 4u * (group.y * 64u + thread);
    let b = group.x;
    if (column < N) {
        var sum = vec4<f32>();
        for (var p = 0u; p < PARTIALS; p++) {
            sum += partials[((p * step.rows + b) * N + column) / 4u];
        }
        let i = (b * N + column) / 4u;
        // A unit that is NaN lets it through.
        dhidden[i] = select(sum, vec4<f32>(), hidden[i] <= vec4<f32>()) * KEPT;
    }
}
