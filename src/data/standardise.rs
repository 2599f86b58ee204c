//! Mean and standard deviation of each input, or of each colour channel, over the training images.

use rayon::prelude::*;

use super::dataset::Dataset;
use super::spec::Standardise;
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
    /// Mean and population standard deviation (`numpy.std`) of each input over `rows`, or of all inputs of its channel.
    ///
    /// `Σx` and `Σx²` are exact integers, so neither the order of the rows nor the number of threads matters; only the
    /// final division and square root round, in f64 and then to f32.
    pub fn of(dataset: &Dataset, rows: &[u32], per: Standardise) -> Result<Self> {
        if rows.is_empty() {
            return Err(Error::Internal("standardisation needs at least one image".into()));
        }
        let together = match per {
            Standardise::Dimension => 1,
            Standardise::Channel => dataset.planes_for("--standardise channel")?.plane(),
        };
        let zero = || vec![(0u64, 0u64); dataset.inputs];
        let sums = rows.par_chunks(ROWS_PER_TASK).map(|rows| sums(dataset, rows)).reduce(zero, |mut left, right| {
            for (left, right) in left.iter_mut().zip(right) {
                *left = (left.0 + right.0, left.1 + right.1);
            }
            left
        });
        let n = (rows.len() * together) as u128;
        let moments = sums.chunks_exact(together).flat_map(|sums| {
            let (sum, squares) = sums.iter().fold((0, 0), |sum, more| (sum.0 + more.0, sum.1 + more.1));
            // n²·variance, exact: at most 2⁶⁴·255² in u128. A constant input gives exactly 0.
            let spread = n * u128::from(squares) - u128::from(sum).pow(2);
            let deviation = (spread as f64).sqrt() / n as f64;
            let scale = if spread == 0 { 0.0 } else { 1.0 / deviation };
            std::iter::repeat_n(((sum as f64 / n as f64) as f32, scale as f32), together)
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

    use super::super::moves::Planes;
    use super::*;
    use crate::util::random::{Purpose, stream};

    /// 2,500 images of 7 pixels, dimension 3 constant, 5 differing in one image only.
    fn dataset() -> Dataset {
        images(7)
    }

    fn images(inputs: usize) -> Dataset {
        let images = 2_500;
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
        let standardisation = Standardisation::of(&dataset, &rows, Standardise::Dimension).unwrap();
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
        let rows: Vec<_> = (0..2_400).collect();
        let standardisation = Standardisation::of(&dataset(), &rows, Standardise::Dimension).unwrap();
        assert_eq!((standardisation.mean[3], standardisation.scale[3]), (200.0, 0.0));
        assert_eq!(standardisation.constant(), 1);
    }

    #[test]
    fn the_order_of_the_rows_does_not_change_a_bit() {
        let forward: Vec<u32> = (0..2_400).collect();
        let backward: Vec<u32> = forward.iter().rev().copied().collect();
        let dataset = dataset();
        let of = |rows: &[u32]| Standardisation::of(&dataset, rows, Standardise::Dimension).unwrap();
        assert_eq!(of(&forward), of(&backward));
    }

    #[test]
    fn no_images_are_refused() {
        assert_eq!(Standardisation::of(&dataset(), &[], Standardise::Dimension).unwrap_err().exit_code(), 70);
    }

    #[test]
    fn a_channels_inputs_share_their_mean_and_deviation() {
        let (channels, plane) = (3, 2);
        let mut dataset = images(6);
        dataset.planes = Some(Planes { channels, height: 1, width: plane });
        let rows: Vec<_> = (0..2_400).collect();
        let found = Standardisation::of(&dataset, &rows, Standardise::Channel).unwrap();
        for channel in 0..channels {
            let inputs = channel * plane..(channel + 1) * plane;
            let values: Vec<f64> =
                rows.iter().flat_map(|&row| &dataset.image(row)[inputs.clone()]).copied().map(f64::from).collect();
            let mean = values.iter().sum::<f64>() / values.len() as f64;
            let variance = values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / values.len() as f64;
            for d in inputs {
                approx::assert_relative_eq!(f64::from(found.mean[d]), mean, max_relative = 1e-7);
                approx::assert_relative_eq!(f64::from(found.scale[d]), 1.0 / variance.sqrt(), max_relative = 1e-7);
            }
        }
        dataset.planes = None;
        let error = Standardisation::of(&dataset, &rows, Standardise::Channel).unwrap_err();
        assert!(error.exit_code() == 2 && error.to_string().starts_with("--standardise channel: "), "{error}");
    }
}
