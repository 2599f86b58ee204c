//! Sums for an evaluation. The shader's twin: `shaders/tally.wgsl`.

use super::head::softmax;
use super::real::Real;
use crate::engine::Tally;

/// Losses and right answers of the images whose `logits [B, C]` and `labels [B]` are given. `p [C]` is scratch.
pub fn tally<T: Real>(logits: &[T], labels: &[u8], p: &mut [T]) -> Tally {
    let mut tally = Tally { images: labels.len() as u64, ..Tally::default() };
    for (logits, &label) in logits.chunks_exact(p.len()).zip(labels) {
        tally.loss += softmax(logits, label, p).into();
        // The label's logit is the first largest one. Both comparisons are false for a NaN, which is never right.
        let (before, from) = logits.split_at(usize::from(label));
        let right = before.iter().all(|&other| other < from[0]) && from.iter().all(|&other| other <= from[0]);
        tally.correct += u64::from(right);
    }
    tally
}
