// A step of the optimizer (`moved`) on a layer's tensors and on the output layer's, then, if FUSED, the first layer's product of the next step with the new weights:
//
//   W1[d][n]: g = Σ_b x[b][d] · dhidden[b][n] + decay · W1[d][n]         even images, then odd ones, then their sum
//   W2[h][c]: g = Σ_b hidden[b][h] · dlogit[b][c] + decay · W2[h][c]     eight lanes, every eighth image each
//   b2[c]:    g = Σ_b dlogit[b][c],   b1[h]: g = Σ_b dhidden[b][h],   losses = Σ_b loss[b] / B     likewise
//   partial[slice][b][n] = Σ_{d in slice} next x[b][d] · W1[d][n]               as `forward` with GROUP = 1
//
// Of a later layer than the first, x is what leaves the layer before (`activations`).
//
// Reads: x (pixels, standardisation, rates), next (pixels, standardisation, rates), hidden, dhidden, dlogits,
// scores (dlogits), rates.
// Writes: w1, small, moments (w1, small), loss (losses), z (partials).
//
// The first workgroups each own SLICES slices of 32 inputs × 64 columns of W1: an invocation sums 4 inputs of each × 4
// columns over every other image, then, if FUSED, 4 images × 4 columns. The last ones own 32 small values of a model each.
// What the next stage needs from memory is loaded before a stage computes: with few models the kernel waits, not works.

override D: u32 = 3072u;            // inputs
override H: u32 = 50u;              // hidden units
override HP: u32 = 52u;             // H rounded up to a multiple of 4
override C: u32 = 10u;              // classes
override OUTPUTS: u32 = 510u;       // H·C + C, values of the output layer behind this one; 0 if there is another between
override LOSS: bool = true;         // whether this is the last of a step's updates to see the losses
override M: u32 = 1u;               // models
override BATCH_COLUMNS: u32 = 52u;  // columns that see the same batch: M·HP, or HP when every model has its own shuffle
override FUSED: bool = false;
// With two, three reads of the tile serve 32 products, with one two serve 16; the next product has room beside one alone.
override SLICES: u32 = 2u;          // 1 if FUSED, else 2
override BELOW: u32 = 0u;           // of dropout of the inputs, see `dropout`
override KEPT: f32 = 1.0;

const LAYER = 0u;
const SLICE = 32u;

@group(0) @binding(2) var<storage, read> hidden: array<f32>;                 // [B][M·HP]
@group(0) @binding(3) var<storage, read> dhidden: array<vec4<f32>>;          // [B][M·HP/4]
@group(0) @binding(4) var<storage, read> dlogits: array<f32>;                // [B][M·(C+1)], the loss last
@group(0) @binding(6) var<storage, read_write> w1: array<vec4<f32>>;         // [D][M·HP/4]
@group(0) @binding(7) var<storage, read_write> small: array<f32>;            // [M][OUTPUTS + H]: W2, b2, b1
@group(0) @binding(8) var<storage, read_write> losses: array<f32>;           // [steps][M]
@group(0) @binding(9) var<storage, read_write> partials: array<vec4<f32>>;   // [⌈D/32⌉][B][M·HP/4]

var<workgroup> tile: array<vec4<f32>, 1024>;

fn gradient(b: u32, column: u32, end_column: u32) -> vec4<f32> {
    if (b < step.rows && column < end_column) {
        return dhidden[(b * M * HP + column) / 4u];
    }
    return vec4<f32>();
}

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let batch_tiles = (BATCH_COLUMNS + 63u) / 64u;
    let tiles = batch_tiles * (M * HP / BATCH_COLUMNS);
    let slices = (D + SLICES * SLICE - 1u) / (SLICES * SLICE);
    // The small values come first: they take as long as the others, and would be all that still runs at the end.
    let parts = (OUTPUTS + H + 1u + 31u) / 32u;
    // A dimension of the grid ends at 65,535 workgroups.
    let index = group.y * 32768u + group.x;
    let place = index - M * parts;
    // No early return: FXC would take the barriers for ones that not all invocations reach.
    if (index < M * parts) {
        small_values(index / parts, index % parts * 32u, thread);
    } else if (place < tiles * slices) {
        weights(place % tiles / batch_tiles, place % batch_tiles * 64u, place / tiles * SLICES, thread);
    }
}

// 64 columns of a batch from its `first` on, SLICES slices from `slice` on.
fn weights(batch: u32, first: u32, slice: u32, thread: u32) {
    let first_column = batch * BATCH_COLUMNS + first;
    let end_column = (batch + 1u) * BATCH_COLUMNS;

    // This invocation's part of the gradient: inputs 4·quad … of a slice, its column, images of its parity; of the weights:
    // two inputs of a slice. Neighbours take one column and two quads by turns, which a multiprocessor's memory serves at
    // once, and 32 of them 8 columns × 4 quads.
    let parity = thread / 128u;
    let across = thread / 32u % 2u * 8u + thread % 16u / 2u;
    let quad = thread % 128u / 64u * 4u + thread % 32u / 16u * 2u + thread % 2u;
    let column = first_column + across * 4u;
    let first_d = slice * SLICE + 4u * quad + 2u * parity;
    var w = array<vec4<f32>, 4>();
    for (var i = 0u; i < 2u * SLICES; i++) {
        let d = first_d + i / 2u * SLICE + i % 2u;
        if (d < D && column < end_column) {
            w[i] = w1[(d * M * HP + column) / 4u];
        }
    }
    let rate = rate_of(min(column, end_column - 1u) / HP);
    // What this invocation brings for all: pixels of image thread / 8, gradients of images thread / 16 and 16 further, and
    // the next batch's pixels of 4 images.
    let my_image = thread / 8u;
    var x: array<Word, 2>;
    var standard: array<array<vec4<f32>, 2>, 2>;
    for (var s = 0u; s < SLICES; s++) {
        let x_quad = (slice + s) * 8u + thread % 8u;
        x[s] = word(image(batch, my_image), my_image < step.rows, x_quad);
        standard[s] = statistics(x_quad);
    }
    let g_column = first_column + thread % 16u * 4u;
    var g: array<vec4<f32>, 2>;
    for (var i = 0u; i < 2u; i++) {
        g[i] = gradient(thread / 16u + 16u * i, g_column, end_column);
    }
    let next_quad = slice * 8u + thread / 16u;
    let next_standard = statistics(next_quad);
    let next = next_words(batch, thread % 16u * 4u, FUSED && thread < 128u, next_quad);

    var sums = array<vec4<f32>, 8>();
    for (var block = 0u; block < step.rows; block += 32u) {
        for (var s = 0u; s < SLICES; s++) {
            let b = block + my_image;
            let x_quad = (slice + s) * 8u + thread % 8u;
            tile[256u * s + thread] = inputs(x[s], b < step.rows, standard[s], step.rate * M + batch, b, x_quad);
        }
        tile[512u + thread] = g[0];
        tile[768u + thread] = g[1];
        workgroupBarrier();
        let b = block + 32u + my_image;
        for (var s = 0u; s < SLICES; s++) {
            x[s] = word(image(batch, b), b < step.rows, (slice + s) * 8u + thread % 8u);
        }
        for (var i = 0u; i < 2u; i++) {
            g[i] = gradient(block + 32u + thread / 16u + 16u * i, g_column, end_column);
        }
        // Whole eights, so that a compiler unrolls the four of a parity: 100 images take 104, not the 128 of four blocks.
        for (var eight = parity; eight < min(32u, step.rows - block); eight += 8u) {
            for (var pair = 0u; pair < 4u; pair++) {
                let k = eight + 2u * pair;
                let c = tile[512u + k * 16u + across];
                for (var s = 0u; s < SLICES; s++) {
                    let a = tile[256u * s + k * 8u + quad];
                    sums[4u * s] += a.x * c;
                    sums[4u * s + 1u] += a.y * c;
                    sums[4u * s + 2u] += a.z * c;
                    sums[4u * s + 3u] += a.w * c;
                }
            }
        }
        workgroupBarrier();
    }

    // Each parity keeps two inputs of a slice and hands the others to its partner.
    let even = parity == 0u;
    for (var i = 0u; i < 2u * SLICES; i++) {
        let mine = i / 2u * 4u + i % 2u;
        tile[256u * i + thread] = select(sums[mine], sums[mine + 2u], even);
    }
    workgroupBarrier();
    for (var i = 0u; i < 2u * SLICES; i++) {
        let mine = i / 2u * 4u + i % 2u;
        let sum = select(sums[mine + 2u], sums[mine], even) + tile[256u * i + (thread ^ 128u)];
        let d = first_d + i / 2u * SLICE + i % 2u;
        let inside = d < D && column < end_column;
        w[i] = moved_weights(w[i], sum + rate.y * w[i], rate.x, (d * M * HP + column) / 4u, inside);
    }

    if (FUSED) {
        workgroupBarrier();
        for (var i = 0u; i < 2u; i++) {
            tile[(4u * quad + 2u * parity + i) * 16u + across] = w[i];
        }
        next_product(thread, slice, batch, column, end_column, across, next, next_standard);
    }
}
