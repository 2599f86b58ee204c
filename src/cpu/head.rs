//! From what enters the hidden layer to the loss, and back to the hidden layer's gradient. The shader's twin:
//! `shaders/head.wgsl`.
//!
//! ```text
//! hidden  = mask · max(0, z + b1)              logits = hidden·W2 + b2          p = softmax(logits)
//! loss    = −Σ_c t[c] · ln p[c]                t the targets
//! dlogits = (p − t) / B                        dhidden = mask · dlogits·W2ᵀ where hidden > 0, else 0
//! ```

use num_traits::NumCast;

use super::dropout::{drop_units, scale_units};
use super::product::{Matrix, product};
use super::real::Real;
use super::small::Small;
use crate::model::regularise::{Dropout, Target};
use crate::model::softmax::softmax;

/// Fills `hidden [B, H]` and `logits [B, C]` from `z`, which is `(X·W1)ᵀ [H, B]`; a step's `masks` are those of its dropout.
/// Without hidden layers `z` are the logits but for their bias.
pub(super) fn logits<T: Real>(
    z: &[T],
    small: &Small<T>,
    masks: Option<Dropout>,
    hidden: &mut Vec<T>,
    logits: &mut Vec<T>,
) {
    let (units, classes) = (small.b1.len(), small.b2.len());
    let images = z.len() / units;
    hidden.resize(z.len(), T::ZERO);
    for (unit, z) in z.chunks_exact(images).enumerate() {
        for (hidden, &z) in hidden[unit..].iter_mut().step_by(units).zip(z) {
            *hidden = z;
        }
    }
    if classes == 0 {
        std::mem::swap(hidden, logits);
        return add_rows(logits, &small.b1);
    }
    for row in hidden.chunks_exact_mut(units) {
        for (z, &bias) in row.iter_mut().zip(&small.b1) {
            *z += bias;
            // Not max(z, 0), which would turn a NaN into 0 and hide it.
            *z = if *z <= T::ZERO { T::ZERO } else { *z };
        }
    }
    drop_units(masks, hidden, units, units);
    logits.resize(images * classes, T::ZERO);
    product(Matrix::new(hidden, units), Matrix::new(&small.w2, classes), logits);
    add_rows(logits, &small.b2);
}

/// Adds `bias [N]` to each row of `z [B, N]`.
fn add_rows<T: Real>(z: &mut [T], bias: &[T]) {
    for row in z.chunks_exact_mut(bias.len()) {
        for (z, &bias) in row.iter_mut().zip(bias) {
            *z += bias;
        }
    }
}

/// Fills the probabilities `p [B, C]` and the `scores [B]`, each image's loss and whether its answer is right, from
/// `logits [B, C]` and `targets [B]`, `smoothing` of which goes to all classes alike.
pub(super) fn scores<T: Real>(
    logits: &[T],
    targets: &[Target],
    smoothing: f32,
    p: &mut Vec<T>,
    scores: &mut Vec<(T, bool)>,
) {
    p.resize(logits.len(), T::ZERO);
    scores.clear();
    let classes = logits.len() / targets.len();
    for ((logits, p), &target) in logits.chunks_exact(classes).zip(p.chunks_exact_mut(classes)).zip(targets) {
        // The label's logit is the first largest one. Both comparisons are false for a NaN, which is never right.
        let label: usize = target.label.into();
        let (before, from) = logits.split_at(label);
        let right = before.iter().all(|&other| other < from[0]) && from.iter().all(|&other| other <= from[0]);
        let [largest, log] = softmax(logits, p);
        let of = |class: usize| log - (logits[class] - largest);
        let mut loss = of(label);
        if target.is_shared(smoothing) {
            loss = T::ZERO;
            (0..classes).for_each(|class| loss += probability::<T>(target, class, classes, smoothing) * of(class));
        }
        scores.push((loss, right));
    }
}

fn probability<T: Real>(target: Target, class: usize, classes: usize, smoothing: f32) -> T {
    <T as NumCast>::from(target.probability(class, classes, smoothing)).unwrap_or(T::ZERO)
}

/// Turns the probabilities of a batch into `dlogits [B, C]`, and fills `dhidden [B, H]`; without hidden layers that is the
/// same.
pub(super) fn gradients<T: Real>(
    targets: &[Target],
    smoothing: f32,
    small: &Small<T>,
    masks: Option<Dropout>,
    hidden: &[T],
    dlogits: &mut [T],
    dhidden: &mut Vec<T>,
) {
    let classes = dlogits.len() / targets.len();
    let images = <T as From<f32>>::from(targets.len() as f32);
    for (dlogits, &target) in dlogits.chunks_exact_mut(classes).zip(targets) {
        if target.is_shared(smoothing) {
            let slopes = dlogits.iter_mut().enumerate();
            slopes.for_each(|(class, slope)| *slope -= probability(target, class, classes, smoothing));
        } else {
            let label: usize = target.label.into();
            dlogits[label] -= T::ONE;
        }
        for slope in dlogits {
            *slope = *slope / images;
        }
    }
    if small.b2.is_empty() {
        dhidden.clear();
        dhidden.extend_from_slice(dlogits);
        return;
    }
    dhidden.resize(hidden.len(), T::ZERO);
    product(Matrix::new(dlogits, classes), Matrix::new(&small.w2, classes).transposed(), dhidden);
    for (slope, &hidden) in dhidden.iter_mut().zip(hidden) {
        if hidden <= T::ZERO {
            *slope = T::ZERO;
        }
    }
    scale_units(masks, dhidden);
}
