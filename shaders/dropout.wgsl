// Dropout: the factors of four neighbouring units of an image of the batch,
//
//   mask = 0 where word < BELOW, else KEPT     BELOW = P · 2³², KEPT = 1/(1 − P), a word for each unit
//
// The words are a counter's, by pcg4d (Jarzynski and Olano, Hash Functions for GPU Rendering, JCGT 9 (3), 2020). The kernel has
// BELOW, KEPT and the LAYER. The host's twin: `Dropout` in `src/model/regularise.rs`.

fn pcg4d_round(v: vec4<u32>) -> vec4<u32> {
    let x = v.x + v.y * v.w;
    let y = v.y + v.z * x;
    let z = v.z + x * y;
    return vec4<u32>(x, y, z, v.w + y * z);
}

// Of units 4·quad to 4·quad + 3 of image `b`; `at` is the place in the table of the step and the model.
fn masks(at: u32, b: u32, quad: u32) -> vec4<f32> {
    if (BELOW == 0u) {
        return vec4<f32>(1.0, 1.0, 1.0, 1.0);
    }
    let key = rates[at].zw;
    let counter = vec4<u32>(key.x, key.y + LAYER, b, quad);
    let once = pcg4d_round(counter * 1664525u + 1013904223u);
    let words = pcg4d_round(once ^ (once >> vec4<u32>(16u, 16u, 16u, 16u)));
    let dropped = words < vec4<u32>(BELOW, BELOW, BELOW, BELOW);
    return select(vec4<f32>(KEPT, KEPT, KEPT, KEPT), vec4<f32>(0.0, 0.0, 0.0, 0.0), dropped);
}
