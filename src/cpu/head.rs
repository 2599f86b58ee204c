//! From what enters the hidden layer to the loss, and back to the hidden layer's gradient. The shader's twin:
//! `shaders/head.wgsl`.
//!
//! ```text
//! hidden  = max(0, z + b1)                     logits = hidden·W2 + b2          p = softmax(logits)
//! loss    = −ln p[label]
//! dlogits = (p − onehot(label)) / B            dhidden = dlogits·W2ᵀ where hidden > 0, else 0
//! ```

use super::product::{Matrix, product};
use super::real::Real;
use super::small::Small;
use crate::model::softmax::softmax;

/// Fills `hidden [B, H]` and `logits [B, C]` from `z`, which is `(X·W1)ᵀ [H, B]`. Without hidden layers `z` are the logits
/// but for their bias.
pub(super) fn logits<T: Real>(z: &[T], small: &Small<T>, hidden: &mut Vec<T>, logits: &mut Vec<T>) {
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
/// `logits [B, C]` and `labels [B]`.
pub(super) fn scores<T: Real>(logits: &[T], labels: &[u8], p: &mut Vec<T>, scores: &mut Vec<(T, bool)>) {
    p.resize(logits.len(), T::ZERO);
    scores.clear();
    let classes = logits.len() / labels.len();
    for ((logits, p), &label) in logits.chunks_exact(classes).zip(p.chunks_exact_mut(classes)).zip(labels) {
        // The label's logit is the first largest one. Both comparisons are false for a NaN, which is never right.
        let (before, from) = logits.split_at(usize::from(label));
        let right = before.iter().all(|&other| other < from[0]) && from.iter().all(|&other| other <= from[0]);
        scores.push((softmax(logits, label, p), right));
    }
}

/// Turns the probabilities of a batch into `dlogits [B, C]`, and fills `dhidden [B, H]`; without hidden layers that is the
/// same.
pub(super) fn gradients<T: Real>(
    labels: &[u8],
    small: &Small<T>,
    hidden: &[T],
    dlogits: &mut [T],
    dhidden: &mut Vec<T>,
) {
    let classes = dlogits.len() / labels.len();
    let images = <T as From<f32>>::from(labels.len() as f32);
    for (dlogits, &label) in dlogits.chunks_exact_mut(classes).zip(labels) {
        dlogits[usize::from(label)] -= T::ONE;
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
}
