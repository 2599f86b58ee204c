// What a step is told of each model: its learning rate and decay, and the key of its masks (`dropout`).

@group(0) @binding(10) var<storage, read> rates: array<vec4<u32>>;  // [steps of the chunk][M], (rate, decay, key, key)

// Rate and decay of a model.
fn rate_of(m: u32) -> vec2<f32> {
    return bitcast<vec2<f32>>(rates[step.rate * M + m].xy);
}
