// Inputs from pixels, for kernels that have D:
//
//   x[b][d] = (pixel[b][d] − mean[d]) · scale[d] · mask[b][d]

@group(0) @binding(0) var<storage, read> pixels: array<u32>;                 // [rows of the chunk][⌈D/4⌉], 4 pixels each
@group(0) @binding(1) var<storage, read> standardisation: array<vec4<f32>>;  // [2][⌈D/4⌉]: means, scales

alias Word = u32;

const SHIFTS = vec4<u32>(0u, 8u, 16u, 24u);

// The row in the chunk of image `b` of a batch.
fn image(batch: u32, b: u32) -> u32 {
    return step.row + batch * step.rows + b;
}

// Four neighbouring pixels of an image of the chunk. Made inputs only later, so that nothing waits for one load before the
// next is on its way.
fn word(row: u32, inside: bool, quad: u32) -> Word {
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

// Inputs from pixels of image `b`, masked by what the step is told `at` its place; zero where there is no image.
fn inputs(word: Word, inside: bool, standard: array<vec4<f32>, 2>, at: u32, b: u32, quad: u32) -> vec4<f32> {
    let bytes = (vec4<u32>(word) >> SHIFTS) & vec4<u32>(255u);
    let x = (vec4<f32>(bytes) - standard[0]) * standard[1];
    return select(vec4<f32>(), x * masks(at, b, quad), inside);
}

// Four inputs of the four images from `b` on, of `rows`, turned: a column an input.
fn turned(
    words: array<Word, 4>,
    b: u32,
    rows: u32,
    standard: array<vec4<f32>, 2>,
    at: u32,
    quad: u32,
) -> mat4x4<f32> {
    return transpose(mat4x4<f32>(
        inputs(words[0], b < rows, standard, at, b, quad),
        inputs(words[1], b + 1u < rows, standard, at, b + 1u, quad),
        inputs(words[2], b + 2u < rows, standard, at, b + 2u, quad),
        inputs(words[3], b + 3u < rows, standard, at, b + 3u, quad),
    ));
}
