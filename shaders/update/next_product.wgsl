// The next step's product of a slice with its new weights, which are in the first half of `tile`. The next batch goes through
// the second half, 64 images × 32 inputs at a time: 128 invocations bring 4 × 4 of them each, and all have a part of 4 × 4.

// Pixels of the next batch's four images from `b` on, if this invocation brings any.
fn next_words(batch: u32, b: u32, brings: bool, quad: u32) -> array<Word, 4> {
    let next_row = step.next_row + batch * step.next_rows;
    // Not constructed: see `activations`.
    var words: array<Word, 4>;
    for (var k = 0u; k < 4u; k++) {
        words[k] = word(next_row + b + k, brings && b + k < step.next_rows, quad);
    }
    return words;
}

fn next_product(
    thread: u32,
    slice: u32,
    batch: u32,
    column: u32,
    end_column: u32,
    across: u32,
    first_words: array<Word, 4>,
    standard: array<vec4<f32>, 2>,
) {
    let at = (step.rate + 1u) * M + batch;
    let image = thread % 16u * 4u;
    let quad = thread / 16u;
    let below = thread / 64u * 4u + thread % 32u / 16u * 2u + thread % 2u;
    var words = first_words;
    for (var first_row = 0u; first_row < step.next_rows; first_row += 64u) {
        if (thread < 128u) {
            let four = turned(words, first_row + image, step.next_rows, standard, at, slice * 8u + quad);
            for (var k = 0u; k < 4u; k++) {
                tile[512u + (4u * quad + k) * 16u + image / 4u] = four[k];
            }
        }
        workgroupBarrier();
        words = next_words(batch, first_row + 64u + image, thread < 128u, slice * 8u + quad);
        var sums = array<vec4<f32>, 4>();
        let row = first_row + below * 4u;
        // Of 100 images, the last 28 of two blocks are none: a warp in eight has nothing to do.
        if (row < step.next_rows) {
            for (var k = 0u; k < SLICE; k++) {
                let a = tile[512u + k * 16u + below];
                let c = tile[k * 16u + across];
                sums[0] += a.x * c;
                sums[1] += a.y * c;
                sums[2] += a.z * c;
                sums[3] += a.w * c;
            }
        }
        for (var i = 0u; i < 4u; i++) {
            if (row + i < step.next_rows && column < end_column) {
                partials[((slice * step.next_rows + row + i) * M * HP + column) / 4u] = sums[i];
            }
        }
        workgroupBarrier();
    }
}
