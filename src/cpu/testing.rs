//! What the kernels' tests share.

use pulp::Arch;
use rand::RngExt;

use super::inputs::Inputs;
use super::real::Real;
use super::rows::Rows;
use crate::util::random::{Purpose, stream};

/// Integers in −3..3: sums of their products are below 2²⁴, and so exact whatever their order.
pub(super) fn integers<T: Real>(tensor: u64, len: usize) -> Vec<T> {
    let mut generator = stream(0, Purpose::Check, tensor);
    (0..len).map(|_| <T as From<f32>>::from(generator.random_range(0..7) as f32 - 3.0)).collect()
}

/// Images `[B, D]` as bytes, whose inputs are small integers too.
pub(super) struct Images<T> {
    pub(super) x: Vec<T>,
    values: Rows<T>,
    pixels: Rows<u8>,
    statistics: Rows<T>,
}

impl<T: Real> Images<T> {
    pub(super) fn new(images: usize, inputs: usize) -> Self {
        let pixels: Vec<u8> = integers::<f32>(0, images * inputs).iter().map(|value| (value + 3.0) as u8).collect();
        // No two neighbours have the same mean and scale.
        let statistics: Vec<T> =
            (0..inputs).map(|d| (d % 5) as u8).chain((0..inputs).map(|d| (d % 3) as u8 + 1)).map(Into::into).collect();
        let (mean, scale) = statistics.split_at(inputs);
        let x: Vec<T> = pixels
            .iter()
            .enumerate()
            .map(|(i, &pixel)| (<T as From<u8>>::from(pixel) - mean[i % inputs]) * scale[i % inputs])
            .collect();
        Self {
            values: Rows::new(&x, inputs),
            x,
            pixels: Rows::new(&pixels, inputs),
            statistics: Rows::new(&statistics, inputs),
        }
    }

    /// The same inputs, standardised ahead and not.
    pub(super) fn inputs(&self) -> [Inputs<'_, T>; 2] {
        [Inputs::Values(&self.values), Inputs::Pixels(&self.pixels, &self.statistics)]
    }
}

/// The processor's instructions, and older ones that it has too: they have fewer and narrower registers.
pub(super) fn levels() -> Vec<Arch> {
    let mut levels = vec![Arch::Scalar, Arch::new()];
    #[cfg(target_arch = "x86_64")]
    levels.extend(pulp::x86::V3::try_new().map(Arch::V3));
    levels
}
