//! `ΣW1² + ΣW2²`, what the penalty multiplies. The shader's twin: `shaders/squares.wgsl`.

use super::network::Network;
use super::real::Real;

/// The sum of the weights' squares in f64; biases do not count.
pub fn squares<T: Real>(network: &Network<T>) -> f64 {
    network.w1.iter().chain(&network.w2).map(|&weight| weight.into() * weight.into()).sum()
}
