// First layer's product:
//
//   z[b][n] = Σ_d x[b][d] · W1[d][n],   x[b][d] = (pixel[b][d] − mean[d]) · scale[d]
//
// The hidden units of M models stand side by side: column n = m·HP + h, HP being H rounded up to a multiple of 4.
// The order of summation depends on D alone: slices of 32 inputs, each summed in the order of d; groups of 16 slices; then
// the groups. A partial is a slice (GROUP = 1: many workgroups, for few models) or a group (GROUP = 16: little to write,
// for many columns or rows); `head` does the rest of the sum.
// A workgroup owns 8·THREAD_ROWS rows × 4·THREAD_COLUMNS columns of a partial, an invocation 8 × 4 of them.

override D: u32 = 3072u;             // inputs
override N: u32 = 52u;               // M · HP, columns of W1
override BATCH_COLUMNS: u32 = 52u;   // columns that see the same batch: N, or HP when every model has its own shuffle
override GROUP: u32 = 1u;            // slices of a partial
override THREAD_ROWS: u32 = 8u;
override THREAD_COLUMNS: u32 = 16u;
override WORKGROUP: u32 = 128u;      // THREAD_ROWS · THREAD_COLUMNS

const SLICE = 32u;
const SHIFTS = vec4<u32>(0u, 8u, 16u, 24u);

struct Step {
    row: u32,        // first row of the step in the chunk
    rows: u32,       // B of this step
    rate: u32,       // the step's place in the table of learning rates
    loss: u32,       // the step's place in the table of losses
    next_row: u32,   // first row of the next step
    next_rows: u32,  // B of the next step
}

var<immediate> step: Step;
@group(0) @binding(0) var<storage, read> pixels: array<u32>;                 // [rows of the chunk][⌈D/4⌉], 4 pixels each
@group(0) @binding(1) var<storage, read> standardisation: array<vec4<f32>>;  // [2][⌈D/4⌉]: means, scales
@group(0) @binding(2) var<storage, read> w1: array<vec4<f32>>;               // [D][N/4]
@group(0) @binding(3) var<storage, read_write> partials: array<vec4<f32>>;   // [⌈D/32/GROUP⌉][B][N/4]

var<workgroup> x: array<vec4<f32>, 64u * THREAD_ROWS>;     // [SLICE][2·THREAD_ROWS], four rows each
var<workgroup> w: array<vec4<f32>, 32u * THREAD_COLUMNS>;  // [SLICE][THREAD_COLUMNS], four columns each

// Four neighbouring inputs of image `b` of the batch; zero outside the batch or the image.
fn inputs(b: u32, first: u32, quad: u32) -> vec4<f32> {
    let quads = (D + 3u) / 4u;
    if (b >= step.rows || quad >= quads) {
        return vec4<f32>();
    }
    let bytes = (vec4<u32>(pixels[(first + b) * quads + quad]) >> SHIFTS) & vec4<u32>(255u);
    return (vec4<f32>(bytes) - standardisation[quad]) * standardisation[quads + quad];
}

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let tiles = (BATCH_COLUMNS + 4u * THREAD_COLUMNS - 1u) / (4u * THREAD_COLUMNS);
    let batch = group.x / tiles;
    let first_column = batch * BATCH_COLUMNS + group.x % tiles * 4u * THREAD_COLUMNS;
    let end_column = (batch + 1u) * BATCH_COLUMNS;
    let first_row = group.y * 8u * THREAD_ROWS;
    let batch_row = step.row + batch * step.rows;
    let my_rows = thread / THREAD_COLUMNS * 2u;
    let my_column = thread % THREAD_COLUMNS;
    let row = first_row + 4u * my_rows;

    var sums = array<vec4<f32>, 8>();
    for (var slice = group.z * GROUP; slice < min((D + SLICE - 1u) / SLICE, (group.z + 1u) * GROUP); slice++) {
        // 4 rows × 4 inputs at a time, turned in registers: every write to workgroup memory is a whole vec4.
        for (var i = thread; i < 16u * THREAD_ROWS; i += WORKGROUP) {
            let rows = i % (2u * THREAD_ROWS);
            let quad = i / (2u * THREAD_ROWS);
            let b = first_row + 4u * rows;
            let r0 = inputs(b, batch_row, slice * 8u + quad);
            let r1 = inputs(b + 1u, batch_row, slice * 8u + quad);
            let r2 = inputs(b + 2u, batch_row, slice * 8u + quad);
            let r3 = inputs(b + 3u, batch_row, slice * 8u + quad);
            let to = quad * 8u * THREAD_ROWS + rows;
            x[to] = vec4<f32>(r0.x, r1.x, r2.x, r3.x);
            x[to + 2u * THREAD_ROWS] = vec4<f32>(r0.y, r1.y, r2.y, r3.y);
            x[to + 4u * THREAD_ROWS] = vec4<f32>(r0.z, r1.z, r2.z, r3.z);
            x[to + 6u * THREAD_ROWS] = vec4<f32>(r0.w, r1.w, r2.w, r3.w);
        }
        for (var i = thread; i < 32u * THREAD_COLUMNS; i += WORKGROUP) {
            let d = slice * SLICE + i / THREAD_COLUMNS;
            let n = first_column + i % THREAD_COLUMNS * 4u;
            w[i] = vec4<f32>();
            if (d < D && n < end_column) {
                w[i] = w1[(d * N + n) / 4u];
            }
        }
        workgroupBarrier();
        // Of 100 rows, the last 28 of two tiles are none: one warp in eight has nothing to do.
        if (row < step.rows) {
            var slice_sums = array<vec4<f32>, 8>();
            for (var d = 0u; d < SLICE; d++) {
                let a = x[d * 2u * THREAD_ROWS + my_rows];
                let b = x[d * 2u * THREAD_ROWS + my_rows + 1u];
                let c = w[d * THREAD_COLUMNS + my_column];
                slice_sums[0] += a.x * c;
                slice_sums[1] += a.y * c;
                slice_sums[2] += a.z * c;
                slice_sums[3] += a.w * c;
                slice_sums[4] += b.x * c;
                slice_sums[5] += b.y * c;
                slice_sums[6] += b.z * c;
                slice_sums[7] += b.w * c;
            }
            for (var i = 0u; i < 8u; i++) {
                sums[i] += slice_sums[i];
            }
        }
        workgroupBarrier();
    }

    let column = first_column + 4u * my_column;
    if (column < end_column) {
        for (var i = 0u; i < 8u; i++) {
            if (row + i < step.rows) {
                partials[((group.z * step.rows + row + i) * N + column) / 4u] = sums[i];
            }
        }
    }
}
