//! `ΣW²` of all layers, what the penalty multiplies. The shader's twin: `shaders/squares.wgsl`.

use super::real::Real;

/// The sum of the squares of `layers` of weights in f64, in their order; biases do not count.
pub(super) fn squares<'a, T: Real>(layers: impl Iterator<Item = &'a [T]>) -> f64 {
    layers.flatten().map(|&weight| weight.into() * weight.into()).sum()
}
