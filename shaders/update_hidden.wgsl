// A step of SGD on the first layer's weights:
//
//   W1[d][n] −= rate · (Σ_b x[b][d] · dhidden[b][n] + decay · W1[d][n]),   x[b][d] = (pixel[b][d] − mean[d]) · scale[d]
//
// A workgroup owns 32 inputs × 64 columns, an invocation 2 × 4 of them, summed in the order of b.

override D: u32 = 3072u;            // inputs
override HP: u32 = 52u;             // H rounded up to a multiple of 4
override M: u32 = 1u;               // models
override BATCH_COLUMNS: u32 = 52u;  // columns that see the same batch: M·HP, or HP when every model has its own shuffle

const BLOCK = 32u;     // images held in workgroup memory at once
const INPUTS = 32u;    // inputs of a workgroup
const COLUMNS = 64u;   // columns of a workgroup
const SHIFTS = vec4<u32>(0u, 8u, 16u, 24u);

struct Step {
    row: u32,
    rows: u32,
    rate: u32,
    loss: u32,
}

var<immediate> step: Step;
@group(0) @binding(0) var<storage, read> pixels: array<u32>;                 // [rows of the chunk][⌈D/4⌉], 4 pixels each
@group(0) @binding(1) var<storage, read> standardisation: array<vec4<f32>>;  // [2][⌈D/4⌉]: means, scales
@group(0) @binding(2) var<storage, read> dhidden: array<vec4<f32>>;          // [B][M·HP/4]
@group(0) @binding(3) var<storage, read> rates: array<f32>;                  // [steps of the chunk][M]
@group(0) @binding(4) var<storage, read> decay: array<f32>;                  // [M]
@group(0) @binding(5) var<storage, read_write> w1: array<vec4<f32>>;         // [D][M·HP/4]

var<workgroup> x: array<vec4<f32>, 256>;   // [BLOCK][INPUTS/4]
var<workgroup> g: array<vec4<f32>, 512>;   // [BLOCK][COLUMNS/4]

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let tiles = (BATCH_COLUMNS + COLUMNS - 1u) / COLUMNS;
    let batch = group.x / tiles;
    let first_column = batch * BATCH_COLUMNS + group.x % tiles * COLUMNS;
    let end_column = (batch + 1u) * BATCH_COLUMNS;
    let first_input = group.y * INPUTS;
    let quads = (D + 3u) / 4u;
    let batch_row = step.row + batch * step.rows;

    // 256 invocations load 32 rows × 8 words of pixels: each stays with its four inputs for all rows.
    let quad = first_input / 4u + thread % 8u;
    var mean = vec4<f32>();
    var scale = vec4<f32>();
    if (quad < quads) {
        mean = standardisation[quad];
        scale = standardisation[quads + quad];
    }

    var sum0 = vec4<f32>();
    var sum1 = vec4<f32>();
    for (var block = 0u; block < step.rows; block += BLOCK) {
        let b = block + thread / 8u;
        var values = vec4<f32>();
        if (b < step.rows && quad < quads) {
            let bytes = (vec4<u32>(pixels[(batch_row + b) * quads + quad]) >> SHIFTS) & vec4<u32>(255u);
            values = (vec4<f32>(bytes) - mean) * scale;
        }
        x[thread] = values;
        for (var i = thread; i < 512u; i += 256u) {
            let n = first_column + i % 16u * 4u;
            g[i] = vec4<f32>();
            if (block + i / 16u < step.rows && n < end_column) {
                g[i] = dhidden[((block + i / 16u) * M * HP + n) / 4u];
            }
        }
        workgroupBarrier();
        for (var k = 0u; k < BLOCK; k++) {
            let c = g[k * 16u + thread % 16u];
            let four = x[k * 8u + thread / 32u];
            let two = select(four.xy, four.zw, thread / 16u % 2u == 1u);
            sum0 += two.x * c;
            sum1 += two.y * c;
        }
        workgroupBarrier();
    }

    let column = first_column + thread % 16u * 4u;
    if (column < end_column) {
        let m = column / HP;
        let rate = rates[step.rate * M + m];
        let d = first_input + thread / 16u * 2u;
        if (d < D) {
            let i = (d * M * HP + column) / 4u;
            w1[i] -= rate * (sum0 + decay[m] * w1[i]);
        }
        if (d + 1u < D) {
            let i = ((d + 1u) * M * HP + column) / 4u;
            w1[i] -= rate * (sum1 + decay[m] * w1[i]);
        }
    }
}
