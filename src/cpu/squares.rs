//! `ΣW1² + ΣW2²`, what the penalty multiplies. The shader's twin: `shaders/squares.wgsl`.

use super::real::Real;

/// The sum of the weights' squares in f64, W1's before W2's; biases do not count.
pub(super) fn squares<T: Real>(w1: &[T], w2: &[T]) -> f64 {
    w1.iter().chain(w2).map(|&weight| weight.into() * weight.into()).sum()
}
