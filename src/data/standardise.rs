//! Mean and standard deviation of each input over the training images.

use rayon::prelude::*;

use super::dataset::Dataset;
use crate::error::{Error, Result};

/// Maps a pixel to an input of the network: `(pixel − mean[d]) · scale[d]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Standardisation {
    /// Mean of each of the `D` inputs over the training images.
    pub mean: Vec<f32>,
    /// 1 / standard deviation of each input; 0 for a constant one.
    pub scale: Vec<f32>,
}

/// Images that one task sums in u32: 255² times this stays below 2³².
const ROWS_PER_TASK: usize = 1024;

impl Standardisation {
    /// Mean and population standard deviation (`numpy.std`) of each input over `rows`.
    ///
    /// `Σx` and `Σx²` are exact integers, so neither the order of the rows nor the number of threads matters; only the
    /// final division and square root round, in f64 and then to f32.
    pub fn of(dataset: &Dataset, rows: &[u32]) -> Result<Self> {
        if rows.is_empty() {
            return Err(Error::Internal("standardisation needs at least one image".into()));
        }
        let zero = || vec![(0u64, 0u64); dataset.inputs];
        let sums = rows.par_chunks(ROWS_PER_TASK).map(|rows| sums(dataset, rows)).reduce(zero, |mut left, right| {
            for (left, right) in left.iter_mut().zip(right) {
                *left = (left.0 + right.0, left.1 + right.1);
            }
            left
        });
        let n = rows.len() as u128;
        let moments = sums.into_iter().map(|(sum, squares)| {
            // n²·variance, exact: at most 2⁶⁴·255² in u128. A constant input gives exactly 0.
            let spread = n * u128::from(squares) - u128::from(sum).pow(2);
            let deviation = (spread as f64).sqrt() / n as f64;
            let scale = if spread == 0 { 0.0 } else { 1.0 / deviation };
            ((sum as f64 / n as f64) as f32, scale as f32)
        });
        let (mean, scale) = moments.unzip();
        Ok(Self { mean, scale })
    }

    /// `[2, D rounded up to a multiple of 4]`: means, then scales, as the kernels read them. The padding is 0, so that
    /// padded pixels do not count, whatever they are.
    pub fn padded(&self) -> Vec<f32> {
        let padding = self.mean.len().next_multiple_of(4) - self.mean.len();
        let pad = || std::iter::repeat_n(0.0, padding);
        self.mean.iter().copied().chain(pad()).chain(self.scale.iter().copied()).chain(pad()).collect()
    }

    /// Inputs that are constant over the training images. They become 0 and carry no information.
    pub fn constant(&self) -> usize {
        self.scale.iter().filter(|&&scale| scale == 0.0).count()
    }
}

/// `Σx` and `Σx²` of each dimension over at most [`ROWS_PER_TASK`] rows.
fn sums(dataset: &Dataset, rows: &[u32]) -> Vec<(u64, u64)> {
    let mut sums = vec![0u32; dataset.inputs];
    let mut squares = vec![0u32; dataset.inputs];
    for &row in rows {
        for ((sum, square), &pixel) in sums.iter_mut().zip(&mut squares).zip(dataset.image(row)) {
            let pixel = u32::from(pixel);
            *sum += pixel;
            *square += pixel * pixel;
        }
    }
    sums.into_iter().zip(squares).map(|(sum, square)| (sum.into(), square.into())).collect()
}

#[cfg(test)]
mod tests {
    use rand::Rng;

    use super::*;
    use crate::util::random::{Purpose, stream};

    /// 2,500 images of 7 pixels, dimension 3 constant, 5 differing in one image only.
    fn dataset() -> Dataset {
        let (images, inputs) = (2_500, 7);
        let mut pixels = vec![0; images * inputs];
        stream(0, Purpose::Check, 0).fill_bytes(&mut pixels);
        for image in pixels.chunks_exact_mut(inputs) {
            image[3] = 200;
            image[5] = 255;
        }
        pixels[5] = 254;
        Dataset::in_memory("random", vec!["a".into(), "b".into()], inputs, pixels, vec![0; images], 2_400)
    }

    #[test]
    fn equals_a_plain_loop_in_f64() {
        let dataset = dataset();
        let rows: Vec<u32> = (0..2_400).filter(|row| row % 5 != 1).collect();
        let standardisation = Standardisation::of(&dataset, &rows).unwrap();
        for d in 0..dataset.inputs {
            let values: Vec<f64> = rows.iter().map(|&row| f64::from(dataset.image(row)[d])).collect();
            let mean = values.iter().sum::<f64>() / values.len() as f64;
            let variance = values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / values.len() as f64;
            let expected = if d == 3 { 0.0 } else { 1.0 / variance.sqrt() };
            // A rounding to f32 is 6e-8; the loop's own roundings are far below.
            approx::assert_relative_eq!(f64::from(standardisation.mean[d]), mean, max_relative = 1e-7);
            approx::assert_relative_eq!(f64::from(standardisation.scale[d]), expected, max_relative = 1e-7);
        }
    }

    #[test]
    fn a_constant_input_has_scale_zero_and_is_counted() {
        let standardisation = Standardisation::of(&dataset(), &(0..2_400).collect::<Vec<_>>()).unwrap();
        assert_eq!((standardisation.mean[3], standardisation.scale[3]), (200.0, 0.0));
        assert_eq!(standardisation.constant(), 1);
    }

    #[test]
    fn the_order_of_the_rows_does_not_change_a_bit() {
        let forward: Vec<u32> = (0..2_400).collect();
        let backward: Vec<u32> = forward.iter().rev().copied().collect();
        let dataset = dataset();
        assert_eq!(Standardisation::of(&dataset, &forward).unwrap(), Standardisation::of(&dataset, &backward).unwrap());
    }

    #[test]
    fn no_images_are_refused() {
        assert_eq!(Standardisation::of(&dataset(), &[]).unwrap_err().exit_code(), 70);
    }
}
