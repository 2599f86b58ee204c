// A step of SGD on every tensor, then, if FUSED, the first layer's product of the next step with the new weights:
//
//   W1[d][n] −= rate · (Σ_b x[b][d] · dhidden[b][n] + decay · W1[d][n])         even images, then odd ones, then their sum
//   W2[h][c] −= rate · (Σ_b hidden[b][h] · dlogit[b][c] + decay · W2[h][c])     eight lanes, every eighth image each
//   b2[c]    −= rate · Σ_b dlogit[b][c],   b1[h] −= rate · Σ_b dhidden[b][h],   losses = Σ_b loss[b] / B     likewise
//   partial[slice][b][n] = Σ_{d in slice} next x[b][d] · W1[d][n]               as `forward` with GROUP = 1
//
// The first workgroups each own SLICES slices of 32 inputs × 64 columns of W1: an invocation sums 4 inputs of each × 4
// columns over every other image, then, if FUSED, 4 images × 4 columns. The last ones own 32 small values of a model each.
// What the next stage needs from memory is loaded before a stage computes: with few models the kernel waits, not works.

override D: u32 = 3072u;            // inputs
override H: u32 = 50u;              // hidden units
override HP: u32 = 52u;             // H rounded up to a multiple of 4
override C: u32 = 10u;              // classes
override M: u32 = 1u;               // models
override BATCH_COLUMNS: u32 = 52u;  // columns that see the same batch: M·HP, or HP when every model has its own shuffle
override FUSED: bool = false;
// With two, three reads of the tile serve 32 products, with one two serve 16; the next product has room beside one alone.
override SLICES: u32 = 2u;          // 1 if FUSED, else 2

const SLICE = 32u;
const SHIFTS = vec4<u32>(0u, 8u, 16u, 24u);

struct Step {
    row: u32,
    rows: u32,
    rate: u32,
    loss: u32,
    next_row: u32,
    next_rows: u32,
}

var<immediate> step: Step;
@group(0) @binding(0) var<storage, read> pixels: array<u32>;                 // [rows of the chunk][⌈D/4⌉], 4 pixels each
@group(0) @binding(1) var<storage, read> standardisation: array<vec4<f32>>;  // [2][⌈D/4⌉]: means, scales
@group(0) @binding(2) var<storage, read> hidden: array<f32>;                 // [B][M·HP]
@group(0) @binding(3) var<storage, read> dhidden: array<vec4<f32>>;          // [B][M·HP/4]
@group(0) @binding(4) var<storage, read> dlogits: array<f32>;                // [B][M·(C+1)], the loss last
@group(0) @binding(5) var<storage, read> rates: array<vec2<f32>>;            // [steps of the chunk][M], (rate, decay)
@group(0) @binding(6) var<storage, read_write> w1: array<vec4<f32>>;         // [D][M·HP/4]
@group(0) @binding(7) var<storage, read_write> small: array<f32>;            // [M][H·C + C + H]: W2, b2, b1
@group(0) @binding(8) var<storage, read_write> losses: array<f32>;           // [steps][M]
@group(0) @binding(9) var<storage, read_write> partials: array<vec4<f32>>;   // [⌈D/32⌉][B][M·HP/4]

var<workgroup> tile: array<vec4<f32>, 1024>;

// Four neighbouring pixels of an image of the chunk. Made inputs only later, so that nothing waits for one load before the
// next is on its way.
fn word(row: u32, inside: bool, quad: u32) -> u32 {
    let quads = (D + 3u) / 4u;
    var word = 0u;
    if (inside && quad < quads) {
        word = pixels[row * quads + quad];
    }
    return word;
}

// Mean and scale of four inputs; zero past the last.
fn statistics(quad: u32) -> array<vec4<f32>, 2> {
    let quads = (D + 3u) / 4u;
    var standard = array<vec4<f32>, 2>();
    if (quad < quads) {
        standard[0] = standardisation[quad];
        standard[1] = standardisation[quads + quad];
    }
    return standard;
}

// Inputs from pixels; zero where there is no image.
fn inputs(word: u32, inside: bool, standard: array<vec4<f32>, 2>) -> vec4<f32> {
    let bytes = (vec4<u32>(word) >> SHIFTS) & vec4<u32>(255u);
    return select(vec4<f32>(), (vec4<f32>(bytes) - standard[0]) * standard[1], inside);
}

fn gradient(b: u32, column: u32, end_column: u32) -> vec4<f32> {
    if (b < step.rows && column < end_column) {
        return dhidden[(b * M * HP + column) / 4u];
    }
    return vec4<f32>();
}

fn small_values(m: u32, first: u32, thread: u32) {
    let value = first + thread / 8u;
    let lane = thread % 8u;
    let b2 = H * C;
    let b1 = b2 + C;
    let loss = b1 + H;
    var sum = 0.0;
    // A loop each, not cases in one: that way a compiler sends out several images' loads together.
    if (value < b2) {
        for (var b = lane; b < step.rows; b += 8u) {
            sum += hidden[(b * M + m) * HP + value / C] * dlogits[(b * M + m) * (C + 1u) + value % C];
        }
    } else if (value >= b1 && value < loss) {
        let unit = value - b1;
        for (var b = lane; b < step.rows; b += 8u) {
            sum += dhidden[((b * M + m) * HP + unit) / 4u][unit % 4u];
        }
    } else if (value <= loss) {
        let column = min(value - b2, C);
        for (var b = lane; b < step.rows; b += 8u) {
            sum += dlogits[(b * M + m) * (C + 1u) + column];
        }
    }
    tile[thread].x = sum;
    workgroupBarrier();
    if (lane == 0u && value <= loss) {
        var total = 0.0;
        for (var i = 0u; i < 8u; i++) {
            total += tile[thread + i].x;
        }
        let rate = rates[step.rate * M + m];
        let i = m * loss + value;
        if (value == loss) {
            losses[step.loss * M + m] = total / f32(step.rows);
        } else if (value < b2) {
            small[i] -= rate.x * (total + rate.y * small[i]);
        } else {
            small[i] -= rate.x * total;
        }
    }
}

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let batch_tiles = (BATCH_COLUMNS + 63u) / 64u;
    let tiles = batch_tiles * (M * HP / BATCH_COLUMNS);
    let slices = (D + SLICES * SLICE - 1u) / (SLICES * SLICE);
    // The small values come first: they take as long as the others, and would be all that still runs at the end.
    let parts = (H * C + C + H + 1u + 31u) / 32u;
    // A dimension of the grid ends at 65,535 workgroups.
    var index = group.y * 32768u + group.x;
    if (index < M * parts) {
        small_values(index / parts, index % parts * 32u, thread);
        return;
    }
    index -= M * parts;
    if (index >= tiles * slices) {
        return;
    }
    let batch = index % tiles / batch_tiles;
    let slice = index / tiles * SLICES;
    let first_column = batch * BATCH_COLUMNS + index % batch_tiles * 64u;
    let end_column = (batch + 1u) * BATCH_COLUMNS;
    let batch_row = step.row + batch * step.rows;
    let next_row = step.next_row + batch * step.next_rows;

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
    let rate = rates[step.rate * M + min(column, end_column - 1u) / HP];
    // What this invocation brings for all: pixels of image thread / 8, gradients of images thread / 16 and 16 further, and
    // the next batch's pixels of 4 images, of which 128 invocations bring 64 images × 32 inputs.
    let image = thread / 8u;
    var x = array<u32, 2>();
    var standard = array<array<vec4<f32>, 2>, 2>();
    for (var s = 0u; s < SLICES; s++) {
        let x_quad = (slice + s) * 8u + thread % 8u;
        x[s] = word(batch_row + image, image < step.rows, x_quad);
        standard[s] = statistics(x_quad);
    }
    let g_column = first_column + thread % 16u * 4u;
    var g = array<vec4<f32>, 2>();
    for (var i = 0u; i < 2u; i++) {
        g[i] = gradient(thread / 16u + 16u * i, g_column, end_column);
    }
    let next_quad = slice * 8u + thread / 16u;
    let next_image = thread % 16u * 4u;
    let next_standard = statistics(next_quad);
    var next = array<u32, 4>();
    for (var i = 0u; i < 4u; i++) {
        let b = next_image + i;
        next[i] = word(next_row + b, FUSED && thread < 128u && b < step.next_rows, next_quad);
    }

    var sums = array<vec4<f32>, 8>();
    for (var block = 0u; block < step.rows; block += 32u) {
        for (var s = 0u; s < SLICES; s++) {
            tile[256u * s + thread] = inputs(x[s], block + image < step.rows, standard[s]);
        }
        tile[512u + thread] = g[0];
        tile[768u + thread] = g[1];
        workgroupBarrier();
        let b = block + 32u + image;
        for (var s = 0u; s < SLICES; s++) {
            x[s] = word(batch_row + b, b < step.rows, (slice + s) * 8u + thread % 8u);
        }
        for (var i = 0u; i < 2u; i++) {
            g[i] = gradient(block + 32u + thread / 16u + 16u * i, g_column, end_column);
        }
        // Whole eights, so that a compiler unrolls the four of a parity: 100 images take 104, not the 128 of four blocks.
        for (var eight = parity; eight < min(32u, step.rows - block); eight += 8u) {
            for (var k = eight; k < eight + 8u; k += 2u) {
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
        w[i] -= rate.x * (sum + rate.y * w[i]);
        let d = first_d + i / 2u * SLICE + i % 2u;
        if (d < D && column < end_column) {
            w1[(d * M * HP + column) / 4u] = w[i];
        }
    }

    if (FUSED) {
        let below = thread / 64u * 4u + thread % 32u / 16u * 2u + thread % 2u;
        workgroupBarrier();
        for (var i = 0u; i < 2u; i++) {
            tile[(4u * quad + 2u * parity + i) * 16u + across] = w[i];
        }
        for (var first_row = 0u; first_row < step.next_rows; first_row += 64u) {
            if (thread < 128u) {
                var r = array<vec4<f32>, 4>();
                for (var i = 0u; i < 4u; i++) {
                    r[i] = inputs(next[i], first_row + next_image + i < step.next_rows, next_standard);
                }
                let to = 512u + thread / 16u * 64u + thread % 16u;
                tile[to] = vec4<f32>(r[0].x, r[1].x, r[2].x, r[3].x);
                tile[to + 16u] = vec4<f32>(r[0].y, r[1].y, r[2].y, r[3].y);
                tile[to + 32u] = vec4<f32>(r[0].z, r[1].z, r[2].z, r[3].z);
                tile[to + 48u] = vec4<f32>(r[0].w, r[1].w, r[2].w, r[3].w);
            }
            workgroupBarrier();
            for (var i = 0u; i < 4u; i++) {
                let b = first_row + 64u + next_image + i;
                next[i] = word(next_row + b, thread < 128u && b < step.next_rows, next_quad);
            }
            var partial = array<vec4<f32>, 4>();
            let row = first_row + below * 4u;
            // Of 100 images, the last 28 of two blocks are none: a warp in eight has nothing to do.
            if (row < step.next_rows) {
                for (var k = 0u; k < SLICE; k++) {
                    let a = tile[512u + k * 16u + below];
                    let c = tile[k * 16u + across];
                    partial[0] += a.x * c;
                    partial[1] += a.y * c;
                    partial[2] += a.z * c;
                    partial[3] += a.w * c;
                }
            }
            for (var i = 0u; i < 4u; i++) {
                if (row + i < step.next_rows && column < end_column) {
                    partials[((slice * step.next_rows + row + i) * M * HP + column) / 4u] = partial[i];
                }
            }
            workgroupBarrier();
        }
    }
}
