//! What the kernels' tests share.

use pulp::Arch;
use rand::RngExt;

use super::real::Real;
use crate::util::random::{Purpose, stream};

/// Integers in −3..3: sums of their products are below 2²⁴, and so exact whatever their order.
pub(super) fn integers<T: Real>(tensor: u64, len: usize) -> Vec<T> {
    let mut generator = stream(0, Purpose::Check, tensor);
    (0..len).map(|_| <T as From<f32>>::from(generator.random_range(0..7) as f32 - 3.0)).collect()
}

/// The processor's instructions, and older ones that it has too: they have fewer and narrower registers.
pub(super) fn levels() -> Vec<Arch> {
    let mut levels = vec![Arch::Scalar, Arch::new()];
    #[cfg(target_arch = "x86_64")]
    levels.extend(pulp::x86::V3::try_new().map(Arch::V3));
    levels
}
