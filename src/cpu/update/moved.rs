//! What a step makes of weights, from their gradient and, of all optimizers but plain SGD, from its moments. The shader's twin:
//! `shaders/update/moved.wgsl`.

use num_traits::NumCast;

use crate::cpu::real::Real;
use crate::model::optimizer::{BETAS, EPS, Optimizer};

/// What a step is taken with.
#[derive(Clone, Copy, Debug)]
pub struct Rates<T> {
    /// Which optimizer.
    pub optimizer: Optimizer,
    /// The learning rate.
    pub rate: T,
    /// The factor of `W` in the gradient.
    pub decay: T,
    /// [`Optimizer::corrections`].
    pub corrections: [T; 2],
}

/// Moves `w` by `gradients` of the loss, to which the penalty's is added; `moments` are the optimizer's of these weights, or,
/// without `is_weight`, biases, which neither have a penalty nor decay.
pub fn moved<T: Real>(rates: &Rates<T>, gradients: &[T], is_weight: bool, w: &mut [T], moments: &mut [&mut [T]]) {
    let Rates { optimizer, rate, corrections: [correction1, correction2], .. } = *rates;
    let decay = if is_weight { rates.decay } else { T::ZERO };
    let real = |number: f64| <T as NumCast>::from(number).unwrap_or(T::ZERO);
    match (optimizer, moments) {
        (Optimizer::Sgd { momentum, nesterov }, [velocity]) => {
            let momentum = <T as From<f32>>::from(momentum);
            for ((w, &g), v) in w.iter_mut().zip(gradients).zip(&mut **velocity) {
                let g = g + decay * *w;
                *v = momentum * *v + g;
                *w -= rate * if nesterov { g + momentum * *v } else { *v };
            }
        }
        (Optimizer::Adamw { weight_decay }, [first, second]) => {
            let [beta1, beta2] = BETAS.map(real);
            // In f32, 1 − 0.999 would be wrong by 1.3e-5 of itself.
            let [rest1, rest2] = BETAS.map(|beta| real(1.0 - beta));
            let weight_decay = if is_weight { <T as From<f32>>::from(weight_decay) } else { T::ZERO };
            let moments = first.iter_mut().zip(&mut **second);
            for ((w, &g), (m, v)) in w.iter_mut().zip(gradients).zip(moments) {
                let g = g + decay * *w;
                *m = beta1 * *m + rest1 * g;
                *v = beta2 * *v + rest2 * g * g;
                *w -= rate * weight_decay * *w;
                *w -= rate * correction1 * *m / (v.sqrt() * correction2 + real(EPS));
            }
        }
        (_, _) => {
            for (w, &g) in w.iter_mut().zip(gradients) {
                *w -= rate * (g + decay * *w);
            }
        }
    }
}
