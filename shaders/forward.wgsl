// First layer's product, one slice of the inputs at a time:
//
//   partial[s][b][n] = Σ_{d in slice s} x[b][d] · W1[d][n],   x[b][d] = (pixel[b][d] − mean[d]) · scale[d]
//
// The hidden units of M models stand side by side: column n = m·HP + h, HP being H rounded up to a multiple of 4.
// A workgroup owns 64 rows × 64 columns of one slice; an invocation owns 4 × 4 of them, summed in the order of d.
// No sum crosses a slice here: `head` adds the slices in their order, so a result depends on D and SLICE alone.

override D: u32 = 3072u;            // inputs
override N: u32 = 52u;              // M · HP, columns of W1
override BATCH_COLUMNS: u32 = 52u;  // columns that see the same batch: N, or HP when every model has its own shuffle
override SLICE: u32 = 32u;          // inputs of a slice, a multiple of BLOCK

const BLOCK = 32u;  // inputs held in workgroup memory at once: 2 × 8 KiB
const TILE = 64u;   // rows and columns of a workgroup
const SHIFTS = vec4<u32>(0u, 8u, 16u, 24u);

struct Step {
    row: u32,   // first row of the step in the chunk
    rows: u32,  // B of this step
    rate: u32,  // the step's place in the table of learning rates
    loss: u32,  // the step's place in the table of losses
}

var<immediate> step: Step;
@group(0) @binding(0) var<storage, read> pixels: array<u32>;                 // [rows of the chunk][⌈D/4⌉], 4 pixels each
@group(0) @binding(1) var<storage, read> standardisation: array<vec4<f32>>;  // [2][⌈D/4⌉]: means, scales
@group(0) @binding(2) var<storage, read> w1: array<vec4<f32>>;               // [D][N/4]
@group(0) @binding(3) var<storage, read_write> partials: array<vec4<f32>>;   // [slices][B][N/4]

var<workgroup> x: array<vec4<f32>, 512>;  // [BLOCK][TILE/4], four rows each
var<workgroup> w: array<vec4<f32>, 512>;  // [BLOCK][TILE/4], four columns each

// Four neighbouring inputs of one image; zero outside the batch or the image.
fn inputs(b: u32, first: u32, quad: u32) -> vec4<f32> {
    let quads = (D + 3u) / 4u;
    if (b >= step.rows || quad >= quads) {
        return vec4<f32>();
    }
    let bytes = (vec4<u32>(pixels[(first + b) * quads + quad]) >> SHIFTS) & vec4<u32>(255u);
    return (vec4<f32>(bytes) - standardisation[quad]) * standardisation[quads + quad];
}

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let tiles = (BATCH_COLUMNS + TILE - 1u) / TILE;
    let batch = group.x / tiles;
    let first_column = batch * BATCH_COLUMNS + group.x % tiles * TILE;
    let end_column = (batch + 1u) * BATCH_COLUMNS;
    let first_row = group.y * TILE;
    let batch_row = step.row + batch * step.rows;
    let slice = group.z;

    let column = first_column + thread % 16u * 4u;
    let row = first_row + thread / 16u * 4u;
    var sums = array<vec4<f32>, 4>();

    for (var block = slice * SLICE; block < min(D, (slice + 1u) * SLICE); block += BLOCK) {
        // 4 rows × 4 inputs an invocation, turned in registers: then every write to workgroup memory is a whole vec4.
        if (thread < 128u) {
            let b = first_row + thread % 16u * 4u;
            let quad = block / 4u + thread / 16u;
            let r0 = inputs(b, batch_row, quad);
            let r1 = inputs(b + 1u, batch_row, quad);
            let r2 = inputs(b + 2u, batch_row, quad);
            let r3 = inputs(b + 3u, batch_row, quad);
            let i = thread / 16u * 64u + thread % 16u;
            x[i] = vec4<f32>(r0.x, r1.x, r2.x, r3.x);
            x[i + 16u] = vec4<f32>(r0.y, r1.y, r2.y, r3.y);
            x[i + 32u] = vec4<f32>(r0.z, r1.z, r2.z, r3.z);
            x[i + 48u] = vec4<f32>(r0.w, r1.w, r2.w, r3.w);
        }
        for (var i = thread; i < 512u; i += 256u) {
            let d = block + i / 16u;
            let n = first_column + i % 16u * 4u;
            w[i] = vec4<f32>();
            if (d < D && n < end_column) {
                w[i] = w1[(d * N + n) / 4u];
            }
        }
        workgroupBarrier();
        for (var d = 0u; d < BLOCK; d++) {
            let a = x[d * 16u + thread / 16u];
            let c = w[d * 16u + thread % 16u];
            sums[0] += a.x * c;
            sums[1] += a.y * c;
            sums[2] += a.z * c;
            sums[3] += a.w * c;
        }
        workgroupBarrier();
    }

    if (column < end_column) {
        for (var i = 0u; i < 4u; i++) {
            if (row + i < step.rows) {
                partials[((slice * step.rows + row + i) * N + column) / 4u] = sums[i];
            }
        }
    }
}
