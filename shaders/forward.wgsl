// A layer's product:
//
//   z[b][n] = Σ_d x[b][d] · W1[d][n]
//
// Of the first layer x are the images (`inputs`), of a later one what leaves the layer before (`activations`). On the way back
// W1 is the transpose of a layer's weights (`transposed`), else it is as it lies (`weights`).
//
// Reads: x (pixels, standardisation, rates), w1. Writes: z (partials).
//
// The hidden units of M models stand side by side: column n = m·HP + h, HP being H rounded up to a multiple of 4.
// The order of summation depends on D alone: slices of 32 inputs, each summed in the order of d; groups of 16 slices; then
// the groups. A partial is a slice (GROUP = 1: many workgroups, for few models) or a group (GROUP = 16: little to write,
// for many columns or rows); `head` does the rest of the sum.
// A workgroup owns 8·THREAD_ROWS rows × 4·QUADS·THREAD_COLUMNS columns of a partial, an invocation 8 × 4·QUADS of them: with
// one quad, three reads of workgroup memory serve 32 products; with two, four serve 64, in twice the registers.

override D: u32 = 3072u;             // inputs
override N: u32 = 52u;               // M · HP, columns of W1
override BATCH_COLUMNS: u32 = 52u;   // columns that see the same batch: N, or HP when every model has its own shuffle
override GROUP: u32 = 1u;            // slices of a partial
override THREAD_ROWS: u32 = 8u;
override THREAD_COLUMNS: u32 = 16u;
override QUADS: u32 = 1u;            // 1 or 2: columns of an invocation, in fours
override WORKGROUP: u32 = 128u;      // THREAD_ROWS · THREAD_COLUMNS
// Here and not in the parts that use them, because naga panics at an override that is declared behind an array sized by one.
override M: u32 = 1u;                // models
override ROWS: u32 = 0u;             // of `transposed`: units of the layer before
const LAYER = 0u;                    // of dropout of the inputs, see `dropout`
override BELOW: u32 = 0u;
override KEPT: f32 = 1.0;

const SLICE = 32u;

@group(0) @binding(3) var<storage, read_write> partials: array<vec4<f32>>;   // [⌈D/32/GROUP⌉][B][N/4]

var<workgroup> x: array<vec4<f32>, 64u * THREAD_ROWS>;             // [SLICE][2·THREAD_ROWS], four rows each
var<workgroup> w: array<vec4<f32>, 32u * QUADS * THREAD_COLUMNS>;  // [SLICE][QUADS][THREAD_COLUMNS], four columns each

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let width = 4u * QUADS * THREAD_COLUMNS;
    let tiles = (BATCH_COLUMNS + width - 1u) / width;
    let batch = group.x / tiles;
    let first_column = batch * BATCH_COLUMNS + group.x % tiles * width;
    let end_column = (batch + 1u) * BATCH_COLUMNS;
    let first_row = group.y * 8u * THREAD_ROWS;
    let my_rows = thread / THREAD_COLUMNS * 2u;
    let my_column = thread % THREAD_COLUMNS;
    let row = first_row + 4u * my_rows;
    // The first of its columns; quads stand THREAD_COLUMNS apart, so that neighbours read neighbours.
    let column = first_column + 4u * my_column;

    var sums = array<vec4<f32>, 16>();
    for (var slice = group.z * GROUP; slice < min((D + SLICE - 1u) / SLICE, (group.z + 1u) * GROUP); slice++) {
        // 4 rows × 4 inputs at a time, turned in registers: every write to workgroup memory is a whole vec4.
        for (var i = thread; i < 16u * THREAD_ROWS; i += WORKGROUP) {
            let rows = i % (2u * THREAD_ROWS);
            let quad = slice * 8u + i / (2u * THREAD_ROWS);
            let b = first_row + 4u * rows;
            var words = array<Word, 4>();
            for (var k = 0u; k < 4u; k++) {
                words[k] = word(image(batch, b + k), b + k < step.rows, quad);
            }
            let four = turned(words, b, step.rows, statistics(quad), step.rate * M + batch, quad);
            let to = i / (2u * THREAD_ROWS) * 8u * THREAD_ROWS + rows;
            for (var k = 0u; k < 4u; k++) {
                x[to + k * 2u * THREAD_ROWS] = four[k];
            }
        }
        bring_weights(thread, slice, batch, first_column, end_column);
        workgroupBarrier();
        // Of 100 rows, the last 28 of two tiles are none: one warp in eight has nothing to do.
        if (row < step.rows) {
            var slice_sums = array<vec4<f32>, 16>();
            // Fours of a constant length, which every compiler unrolls; some leave all 32 a loop.
            for (var four = 0u; four < SLICE; four += 4u) {
                for (var i = 0u; i < 4u; i++) {
                    let d = four + i;
                    let a = x[d * 2u * THREAD_ROWS + my_rows];
                    let b = x[d * 2u * THREAD_ROWS + my_rows + 1u];
                    for (var q = 0u; q < QUADS; q++) {
                        let c = w[(d * QUADS + q) * THREAD_COLUMNS + my_column];
                        slice_sums[8u * q] += a.x * c;
                        slice_sums[8u * q + 1u] += a.y * c;
                        slice_sums[8u * q + 2u] += a.z * c;
                        slice_sums[8u * q + 3u] += a.w * c;
                        slice_sums[8u * q + 4u] += b.x * c;
                        slice_sums[8u * q + 5u] += b.y * c;
                        slice_sums[8u * q + 6u] += b.z * c;
                        slice_sums[8u * q + 7u] += b.w * c;
                    }
                }
            }
            for (var i = 0u; i < 8u * QUADS; i++) {
                sums[i] += slice_sums[i];
            }
        }
        workgroupBarrier();
    }

    for (var q = 0u; q < QUADS; q++) {
        let place = column + 4u * THREAD_COLUMNS * q;
        for (var i = 0u; i < 8u; i++) {
            if (row + i < step.rows && place < end_column) {
                partials[((group.z * step.rows + row + i) * N + place) / 4u] = sums[8u * q + i];
            }
        }
    }
}
