//! From an image's logits to probabilities, a loss and an answer.

use std::ops::AddAssign;

use num_traits::Float;

/// The class of the largest of an image's `logits [C]`, the first of equal ones.
pub fn largest<T: PartialOrd>(logits: &[T]) -> usize {
    (1..logits.len()).fold(0, |best, class| if logits[class] > logits[best] { class } else { best })
}

/// Writes the probabilities `p [C]` of one image's `logits [C]`, and returns the two numbers that make its cross-entropies:
/// with `[largest, log]`, `−ln p[c]` is `log − (logits[c] − largest)`, in nats.
///
/// Shifted by the largest logit, so that no exponential overflows; a cross-entropy is finite even where the probability rounds
/// to 0.
pub fn softmax<T: Float + AddAssign>(logits: &[T], p: &mut [T]) -> [T; 2] {
    let largest = logits.iter().fold(logits[0], |largest, &logit| if logit > largest { logit } else { largest });
    let mut sum = T::zero();
    for (p, &logit) in p.iter_mut().zip(logits) {
        *p = (logit - largest).exp();
        sum += *p;
    }
    for p in p.iter_mut() {
        *p = *p / sum;
    }
    [largest, sum.ln()]
}

/// The logarithms of the probabilities of one image's `logits [C]`, finite even where a probability rounds to 0.
pub fn log_softmax(logits: &[f32]) -> impl Iterator<Item = f64> {
    let largest = f64::from(logits[largest(logits)]);
    let sum: f64 = logits.iter().map(|&logit| (f64::from(logit) - largest).exp()).sum();
    let sum = sum.ln();
    logits.iter().map(move |&logit| f64::from(logit) - largest - sum)
}
