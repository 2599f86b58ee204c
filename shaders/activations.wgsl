// In the place of `inputs`, for the layers behind the first: what leaves the layer before, or on the way back the gradient of
// what leaves this one. Every model has its own. Zeros are declared, not constructed: naga would define what makes a zero
// vec4 in each function, and HLSL refuses the second.

alias Word = vec4<f32>;

@group(0) @binding(0) var<storage, read> activations: array<vec4<f32>>;  // [B][M][⌈D/4⌉]

// The row of image `b` of a model.
fn image(batch: u32, b: u32) -> u32 {
    return b * M + batch;
}

// Four neighbouring inputs; zero where there is no image.
fn word(row: u32, inside: bool, quad: u32) -> Word {
    let quads = (D + 3u) / 4u;
    var word: Word;
    if (inside && quad < quads) {
        word = activations[row * quads + quad];
    }
    return word;
}

// Nothing is standardised.
fn statistics(quad: u32) -> array<vec4<f32>, 2> {
    var nothing: array<vec4<f32>, 2>;
    return nothing;
}

fn inputs(word: Word, inside: bool, standard: array<vec4<f32>, 2>, at: u32, b: u32, quad: u32) -> vec4<f32> {
    return word;
}

// Four inputs of four images, turned: a column an input.
fn turned(
    words: array<Word, 4>,
    b: u32,
    rows: u32,
    standard: array<vec4<f32>, 2>,
    at: u32,
    quad: u32,
) -> mat4x4<f32> {
    return transpose(mat4x4<f32>(words[0], words[1], words[2], words[3]));
}
