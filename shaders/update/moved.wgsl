// What a step makes of a weight, by OPTIMIZER, from its gradient and, of all but plain SGD, from its moments, which stand behind
// all weights of a buffer:
//
//   0, SGD             w − rate · g
//   1, with momentum   v ← MOMENTUM·v + g;                                     w − rate · v
//   2, Nesterov's      likewise;                                               w − rate · (g + MOMENTUM·v)
//   3, AdamW           m ← β₁·m + (1 − β₁)·g,  v ← β₂·v + (1 − β₂)·g²;         w − rate·WEIGHT_DECAY·w, then
//                      − rate·correction₁ · m / (√v·correction₂ + ε)           the corrections are those of the step

override OPTIMIZER: u32 = 0u;
override MOMENTUM: f32 = 0.0;
override WEIGHT_DECAY: f32 = 0.0;

const BETA1 = 0.9;
const BETA2 = 0.999;
const EPS = 1e-8;

fn moved(
    w: vec4<f32>,
    gradient: vec4<f32>,
    rate: f32,
    weight_decay: f32,
    first: ptr<function, vec4<f32>>,
    second: ptr<function, vec4<f32>>,
) -> vec4<f32> {
    var result = w;
    if (OPTIMIZER == 0u) {
        result -= rate * gradient;
    } else if (OPTIMIZER < 3u) {
        let velocity = MOMENTUM * *first + gradient;
        *first = velocity;
        result -= rate * select(velocity, gradient + MOMENTUM * velocity, OPTIMIZER == 2u);
    } else {
        *first = BETA1 * *first + (1.0 - BETA1) * gradient;
        *second = BETA2 * *second + (1.0 - BETA2) * gradient * gradient;
        result -= rate * weight_decay * w;
        result -= rate * step.correction1 * *first / (sqrt(*second) * step.correction2 + EPS);
    }
    return result;
}

// The same of four weights of `w1` at `at`, unless they are outside.
fn moved_weights(w: vec4<f32>, gradient: vec4<f32>, rate: f32, at: u32, inside: bool) -> vec4<f32> {
    let count = D * M * HP / 4u;
    var first = vec4<f32>();
    var second = vec4<f32>();
    if (OPTIMIZER > 0u && inside) {
        first = w1[count + at];
        if (OPTIMIZER == 3u) {
            second = w1[2u * count + at];
        }
    }
    let result = moved(w, gradient, rate, WEIGHT_DECAY, &first, &second);
    if (inside) {
        w1[at] = result;
        if (OPTIMIZER > 0u) {
            w1[count + at] = first;
        }
        if (OPTIMIZER == 3u) {
            w1[2u * count + at] = second;
        }
    }
    return result;
}

// The same of a value of `small`, a weight or a bias.
fn move_small(gradient: f32, rate: f32, is_weight: bool, at: u32) {
    let count = M * (OUTPUTS + H);
    var first = vec4<f32>();
    var second = vec4<f32>();
    if (OPTIMIZER > 0u) {
        first.x = small[count + at];
    }
    if (OPTIMIZER == 3u) {
        second.x = small[2u * count + at];
    }
    let w = vec4<f32>(small[at], 0.0, 0.0, 0.0);
    let g = vec4<f32>(gradient, 0.0, 0.0, 0.0);
    small[at] = moved(w, g, rate, select(0.0, WEIGHT_DECAY, is_weight), &first, &second).x;
    if (OPTIMIZER > 0u) {
        small[count + at] = first.x;
    }
    if (OPTIMIZER == 3u) {
        small[2u * count + at] = second.x;
    }
}
