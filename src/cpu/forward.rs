//! `z ← X·W1`. The shader's twin: `shaders/forward.wgsl`.
//!
//! Both matrices lie along their `D` inputs, so an element of `z` is the product of two rows, summed register by register,
//! then over a register's lanes. Tiles of images and units save loads, and threads share the units; neither changes the
//! order of an element's sum.

use std::ops::Range;

use pulp::{Arch, Simd, WithSimd};

use super::inputs::Inputs;
use super::real::Real;
use super::rows::Rows;

/// Units of a tile. The report's 50 are ten of them.
pub(super) const UNITS: usize = 5;

/// Bytes of a row that all tiles take before they go on to the next ones: 5 rows of each matrix are 40 KiB, of 48 in a
/// Zen 5's nearest cache. Less means more sums over lanes, more means misses: 2 KiB took 7 %, 6 KiB 17 % longer.
const SLICE: usize = 4096;

/// Images that a tile's units meet one after the other, so that their weights come from the second cache once for all: with 4
/// in place of 20 the product took 10 % longer on AVX2, whose tiles have 2 images.
const PANEL: usize = 20;

/// As many of more units than [`MANY`], whose weights come from memory: 60 slices are 240 KiB, of 512 in a Zen 3's second
/// cache. There the product of 500 units with 100 images took one thread 3.7 ms with panels of 60, 4.4 of 20, and 3.9 to 4.3
/// with panels of 20 when all images met a block of 100 units before the next one.
const WIDE_PANEL: usize = 60;

/// Units whose slices, 400 KiB, stay in a second cache from panel to panel.
const MANY: usize = 100;

/// `z ← (X·W1)ᵀ [H, B]` of some units, from `x [B, D]` and their rows of W1ᵀ `[H, D]`, which lie as those of a [`Rows`].
pub(crate) fn forward<T: Real>(x: Inputs<'_, T>, w1: &[T], z: &mut [T]) {
    forward_with(Arch::new(), x, w1, z);
}

fn forward_with<T: Real>(arch: Arch, x: Inputs<'_, T>, w1: &[T], z: &mut [T]) {
    let stride = x.stride();
    let (images, units) = (x.rows(), w1.len() / stride);
    assert_eq!(units * stride, w1.len(), "weights of whole units");
    assert_eq!(z.len(), images * units, "an element for each image and unit");
    arch.dispatch(Product { x, w1, stride, images, units, z });
}

/// `z ← (x·w1ᵀ)ᵀ`.
struct Product<'a, T> {
    x: Inputs<'a, T>,
    w1: &'a [T],
    stride: usize,
    images: usize,
    units: usize,
    z: &'a mut [T],
}

impl<T: Real> WithSimd for Product<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        // 25 sums, 5 weights and a pixel are 31 of AVX-512's registers; 10, 5 and one, all 16 of AVX2's.
        if S::REGISTER_COUNT < 32 { self.run::<S, 2>(simd) } else { self.run::<S, 5>(simd) }
    }
}

impl<T: Real> Product<'_, T> {
    #[inline(always)]
    fn run<S: Simd, const IMAGES: usize>(mut self, simd: S) {
        // A tile across two panels would add to some elements twice.
        const { assert!(PANEL.is_multiple_of(IMAGES) && WIDE_PANEL.is_multiple_of(IMAGES)) };
        let (width, slice) = (self.x.width(), SLICE / size_of::<T>());
        let panel = if self.units > MANY { WIDE_PANEL } else { PANEL };
        let mut scratch = Rows::zeros(0, slice);
        for first in (0..width).step_by(slice) {
            let inputs = first..width.min(first + slice);
            for image in (0..self.images).step_by(panel) {
                let images = image..self.images.min(image + panel);
                let x = self.x;
                let panel = x.panel(simd, images.clone(), inputs.clone(), &mut scratch);
                for unit in (0..self.units).step_by(UNITS) {
                    for first in (0..images.len()).step_by(IMAGES) {
                        self.tile::<S, IMAGES>(simd, panel, first, images.clone(), unit, inputs.clone());
                    }
                }
            }
        }
    }

    /// Adds the products over some inputs to the elements of a tile that begins at the panel's image `first` and at a unit.
    /// Where it goes beyond the last one it takes that again, and leaves the result.
    #[inline(always)]
    fn tile<S: Simd, const IMAGES: usize>(
        &mut self,
        simd: S,
        (x, x_stride): (&[T], usize),
        first: usize,
        panel: Range<usize>,
        unit: usize,
        inputs: Range<usize>,
    ) {
        let Self { w1, stride, images, units, .. } = *self;
        // All as long as each other, so that no index needs a check.
        let length = inputs.len();
        let mut x_rows: [&[T::Lanes<S>]; IMAGES] = [&[]; IMAGES];
        for (row, image) in x_rows.iter_mut().zip(first..) {
            *row = T::lanes::<S>(&x[image.min(panel.len() - 1) * x_stride..][..length]);
        }
        let mut w_rows: [&[T::Lanes<S>]; UNITS] = [&[]; UNITS];
        for (row, unit) in w_rows.iter_mut().zip(unit..) {
            *row = T::lanes::<S>(&w1[unit.min(units - 1) * stride + inputs.start..][..length]);
        }

        let zero = T::ZERO.splat(simd);
        let mut sums = [[zero; UNITS]; IMAGES];
        for lanes in 0..x_rows[0].len() {
            let mut weights = [zero; UNITS];
            for (weight, row) in weights.iter_mut().zip(&w_rows) {
                *weight = row[lanes];
            }
            for (sums, row) in sums.iter_mut().zip(&x_rows) {
                for (sum, weight) in sums.iter_mut().zip(weights) {
                    *sum = T::fma(simd, row[lanes], weight, *sum);
                }
            }
        }

        for (sums, image) in sums.into_iter().zip(panel.start + first..panel.end) {
            for (sum, unit) in sums.into_iter().zip(unit..units) {
                let sum = T::sum(simd, sum);
                let z = &mut self.z[unit * images + image];
                *z = if inputs.start == 0 { sum } else { *z + sum };
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::product::{Matrix, product};
    use super::super::testing::{Images, integers, levels};
    use super::*;

    fn equals_the_librarys<T: Real>() {
        // On both sides of the tiles (2 and 5), of a line (16 and 8), of the slices (1,024 and 512), of the panels (20, and
        // beyond 100 units 60).
        let small = [(1, 1, 1), (2, 15, 4), (5, 16, 5), (7, 33, 3)];
        let large = [(11, 1024, 6), (4, 1041, 13), (3, 2050, 2), (61, 1041, 101), (43, 2050, 7)];
        for (b, d, h) in small.into_iter().chain(large) {
            let (images, w1) = (Images::<T>::new(b, d), integers::<T>(1, d * h));
            let mut expected = vec![T::ZERO; h * b];
            product(Matrix::new(&w1, h).transposed(), Matrix::new(&images.x, d).transposed(), &mut expected);
            for (arch, x) in levels().into_iter().flat_map(|arch| images.inputs().map(|x| (arch, x))) {
                // What z held must not matter.
                let mut z = vec![<T as From<f32>>::from(f32::NAN); h * b];
                forward_with(arch, x, Rows::transposed(&w1, h).values(), &mut z);
                assert_eq!(z, expected, "{} {b} x {d} x {h} on {arch:?}, {x:?}", T::NAME);
            }
        }
    }

    #[test]
    fn the_product_is_the_librarys_on_every_level_of_instructions() {
        equals_the_librarys::<f32>();
        equals_the_librarys::<f64>();
    }

    #[test]
    #[should_panic(expected = "weights of whole units")]
    fn half_a_row_of_weights_is_refused() {
        forward(Inputs::Values(&Rows::<f32>::zeros(2, 17)), &[0.0; 49], &mut [0.0; 2]);
    }
}
