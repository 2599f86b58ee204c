//! From what enters the hidden layer to the loss, and back to the hidden layer's gradient. The shader's twin:
//! `shaders/head.wgsl`.
//!
//! ```text
//! hidden  = max(0, z + b1)                     logits = hidden·W2 + b2          p = softmax(logits)
//! loss    = mean over the batch of −ln p[label]
//! dlogits = (p − onehot(label)) / B            dhidden = dlogits·W2ᵀ where hidden > 0, else 0
//! ```

use super::network::Network;
use super::product::{Matrix, product};
use super::real::Real;
use crate::model::ModelSpec;

/// What a batch of `B` images leaves in one model.
#[derive(Clone, Debug, Default)]
pub struct Activations<T> {
    /// `[B, H]`, after the `ReLU`.
    pub hidden: Vec<T>,
    /// `[B, C]`.
    pub logits: Vec<T>,
    /// The loss's gradient with respect to the logits, `[B, C]`.
    pub dlogits: Vec<T>,
    /// The loss's gradient with respect to what enters the `ReLU`, `[B, H]`.
    pub dhidden: Vec<T>,
}

/// Fills `hidden` and `logits` from `z`, which is `(X·W1)ᵀ [H, B]`.
pub fn logits<T: Real, W1>(z: &[T], network: &Network<T, W1>, activations: &mut Activations<T>) {
    let ModelSpec { hidden: units, classes, .. } = network.spec;
    let images = z.len() / units;
    let Activations { hidden, logits, .. } = activations;
    hidden.resize(z.len(), T::ZERO);
    for (unit, z) in z.chunks_exact(images).enumerate() {
        for (hidden, &z) in hidden[unit..].iter_mut().step_by(units).zip(z) {
            *hidden = z;
        }
    }
    for row in hidden.chunks_exact_mut(units) {
        for (z, &bias) in row.iter_mut().zip(&network.b1) {
            *z += bias;
            // Not max(z, 0), which would turn a NaN into 0 and hide it.
            *z = if *z <= T::ZERO { T::ZERO } else { *z };
        }
    }
    logits.resize(images * classes, T::ZERO);
    product(Matrix::new(hidden, units), Matrix::new(&network.w2, classes), logits);
    for row in logits.chunks_exact_mut(classes) {
        for (logit, &bias) in row.iter_mut().zip(&network.b2) {
            *logit += bias;
        }
    }
}

/// The class of the largest of an image's `logits [C]`, the first of equal ones.
pub fn largest<T: PartialOrd>(logits: &[T]) -> usize {
    (1..logits.len()).fold(0, |best, class| if logits[class] > logits[best] { class } else { best })
}

/// Writes the probabilities `p [C]` of one image's `logits [C]`, and returns its cross-entropy, `−ln p[label]`, in nats.
///
/// Shifted by the largest logit, so that no exponential overflows; the loss is `ln Σ − (logit − largest)`, finite even
/// where the probability rounds to 0.
pub fn softmax<T: Real>(logits: &[T], label: u8, p: &mut [T]) -> T {
    let largest = logits.iter().fold(logits[0], |largest, &logit| if logit > largest { logit } else { largest });
    let mut sum = T::ZERO;
    for (p, &logit) in p.iter_mut().zip(logits) {
        *p = (logit - largest).exp();
        sum += *p;
    }
    for p in p.iter_mut() {
        *p = *p / sum;
    }
    sum.ln() - (logits[usize::from(label)] - largest)
}

/// Fills `dlogits` and `dhidden` of the batch whose `labels [B]` are given, after [`logits`]; returns its mean loss.
pub fn gradients<T: Real, W1>(labels: &[u8], network: &Network<T, W1>, activations: &mut Activations<T>) -> T {
    let ModelSpec { hidden: units, classes, .. } = network.spec;
    let Activations { hidden, logits, dlogits, dhidden } = activations;
    let images = <T as From<f32>>::from(labels.len() as f32);
    let mut loss = T::ZERO;
    dlogits.resize(labels.len() * classes, T::ZERO);
    for ((logits, dlogits), &label) in logits.chunks_exact(classes).zip(dlogits.chunks_exact_mut(classes)).zip(labels) {
        loss += softmax(logits, label, dlogits);
        dlogits[usize::from(label)] -= T::ONE;
        for slope in dlogits {
            *slope = *slope / images;
        }
    }
    dhidden.resize(labels.len() * units, T::ZERO);
    product(Matrix::new(dlogits, classes), Matrix::new(&network.w2, classes).transposed(), dhidden);
    for (slope, &hidden) in dhidden.iter_mut().zip(hidden.iter()) {
        if hidden <= T::ZERO {
            *slope = T::ZERO;
        }
    }
    loss / images
}
