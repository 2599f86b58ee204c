//! Sums for an evaluation. The shader's twin: `shaders/tally.wgsl`.

use super::real::Real;
use crate::engine::Tally;

/// Losses and right answers of the images with these `scores [B]`.
pub(super) fn tally<T: Real>(scores: &[(T, bool)]) -> Tally {
    let mut tally = Tally { images: scores.len() as u64, ..Tally::default() };
    for &(loss, right) in scores {
        tally.loss += loss.into();
        tally.correct += u64::from(right);
    }
    tally
}
