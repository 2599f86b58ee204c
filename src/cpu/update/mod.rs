//! A step of SGD on every tensor. The shader's twin: `shaders/update.wgsl`. Here is W1's, and the first layer's product of
//! the next step; [`small_values`] has the rest.
//!
//! ```text
//! W1 ← W1 − rate·(Xᵀ·dhidden + decay·W1)
//! ```
//!
//! The sums of a tile, units by inputs, stay in registers until the weights that they belong to have been moved. They are not
//! fused into `(1 − rate·decay)·W1 − rate·Xᵀ·dhidden`: in f32 that factor rounds to 1 below rate·decay = 3e-8, and the
//! penalty would vanish.

pub(super) mod moved;
pub(super) mod small_values;

use std::ops::Range;

use pulp::{Arch, Simd, WithSimd};

use super::forward::{UNITS, forward};
use super::inputs::Inputs;
use super::real::Real;
use super::rows::Rows;

/// `w1 ← w1 − rate·(Xᵀ·dhidden + decay·w1)` of some units, the `first` of the `H` and those after it, from `x [B, D]`,
/// `dhidden [B, H]` and `rates`, the learning rate and the decay; `w1` is their rows of W1ᵀ `[H, D]`, which lie as those of a
/// [`Rows`]. Then, if there is a `next` step, their `z` of its images.
///
/// # Panics
///
/// When the shapes do not fit each other.
pub(super) fn update<T: Real>(
    x: Inputs<'_, T>,
    dhidden: &[T],
    rates: (T, T),
    next: Option<Inputs<'_, T>>,
    first: usize,
    w1: &mut [T],
    z: &mut [T],
) {
    step(Arch::new(), x, dhidden, rates, first, w1);
    if let Some(next) = next {
        forward(next, w1, z);
    }
}

fn step<T: Real>(arch: Arch, x: Inputs<'_, T>, dhidden: &[T], rates: (T, T), first: usize, w1: &mut [T]) {
    let stride = x.stride();
    assert!(x.rows() > 0 && dhidden.len().is_multiple_of(x.rows()), "gradients of whole images");
    let units = dhidden.len() / x.rows();
    assert!(w1.len().is_multiple_of(stride) && first + w1.len() / stride <= units, "weights of units with gradients");
    arch.dispatch(Step { x, dhidden, first, units, stride, rates, w1 });
}

/// A step on some units' weights.
struct Step<'a, T> {
    x: Inputs<'a, T>,
    dhidden: &'a [T],
    first: usize,
    units: usize,
    stride: usize,
    rates: (T, T),
    w1: &'a mut [T],
}

impl<T: Real> WithSimd for Step<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        // Registers of inputs: 4, 5 units' sums of each and a slope are 25 of AVX-512's 32; 2, 13 of AVX2's 16.
        if S::REGISTER_COUNT < 32 { self.run::<S, 2>(simd) } else { self.run::<S, 4>(simd) }
    }
}

impl<T: Real> Step<'_, T> {
    #[inline(always)]
    fn run<S: Simd, const REGISTERS: usize>(mut self, simd: S) {
        let lanes = size_of::<T::Lanes<S>>() / size_of::<T>();
        let width = self.x.width();
        let whole = width - width % (REGISTERS * lanes);
        let (slopes, mut scratch) = (self.slopes(), Rows::zeros(0, REGISTERS * lanes));
        for input in (0..whole).step_by(REGISTERS * lanes) {
            self.column::<S, REGISTERS>(simd, input, &slopes, &mut scratch);
        }
        for input in (whole..width).step_by(lanes) {
            self.column::<S, 1>(simd, input, &slopes, &mut scratch);
        }
    }

    /// `dhidden` of the units, tile after tile, each `[B, units]`. Where a layer is wide, what a tile takes of `dhidden` lies on as
    /// many pages of memory as there are images, and each of its columns of inputs takes it again: of 500 of 500 units a step with
    /// 256 images took 10.0 ms on one thread of a Zen 3, and takes 8.6; with 100, 3.5 and 3.4.
    fn slopes(&self) -> Vec<T> {
        let (images, units) = (self.x.rows(), self.w1.len() / self.stride);
        let mut slopes = vec![T::ZERO; units * images];
        for tile in tiles(units) {
            let to = &mut slopes[tile.start * images..tile.end * images];
            let from = self.dhidden[self.first + tile.start..].chunks(self.units);
            if tile.len() == UNITS {
                // Of constant length, without a call each.
                let to = to.as_chunks_mut::<UNITS>().0;
                to.iter_mut().zip(from).for_each(|(to, from)| to.copy_from_slice(&from[..UNITS]));
            } else {
                to.iter_mut().zip(from).for_each(|(to, from)| *to = from[0]);
            }
        }
        slopes
    }

    /// A step of all units' weights of some registers full of inputs.
    #[inline(always)]
    fn column<S: Simd, const REGISTERS: usize>(&mut self, simd: S, input: usize, slopes: &[T], scratch: &mut Rows<T>) {
        let inputs = input..input + REGISTERS * size_of::<T::Lanes<S>>() / size_of::<T>();
        let x = self.x;
        let panel = x.panel(simd, 0..x.rows(), inputs, scratch);
        for tile in tiles(self.w1.len() / self.stride) {
            let slopes = &slopes[tile.start * x.rows()..tile.end * x.rows()];
            if tile.len() == UNITS {
                self.tile::<S, REGISTERS, UNITS>(simd, panel, slopes, tile.start, input);
            } else {
                self.tile::<S, REGISTERS, 1>(simd, panel, slopes, tile.start, input);
            }
        }
    }

    /// The same of some units.
    #[inline(always)]
    fn tile<S: Simd, const REGISTERS: usize, const COUNT: usize>(
        &mut self,
        simd: S,
        (x, x_stride): (&[T], usize),
        slopes: &[T],
        unit: usize,
        input: usize,
    ) {
        let zero = T::ZERO.splat(simd);
        let mut sums = [[zero; REGISTERS]; COUNT];
        for (x, slopes) in x.chunks(x_stride).zip(slopes.chunks_exact(COUNT)) {
            let x = &T::lanes::<S>(x)[..REGISTERS];
            for (sums, &slope) in sums.iter_mut().zip(slopes) {
                let slope = slope.splat(simd);
                for (sum, &x) in sums.iter_mut().zip(x) {
                    *sum = T::fma(simd, slope, x, *sum);
                }
            }
        }

        let (rate, decay) = self.rates;
        let (rate, decay) = ((-rate).splat(simd), decay.splat(simd));
        for (sums, w1) in sums.into_iter().zip(self.w1[unit * self.stride..].chunks_mut(self.stride)) {
            for (sum, weight) in sums.into_iter().zip(T::lanes_mut::<S>(&mut w1[input..])) {
                *weight = T::fma(simd, rate, T::fma(simd, decay, *weight, sum), *weight);
            }
        }
    }
}

/// Tiles of units: [`UNITS`] as far as there are so many, then each by itself.
fn tiles(units: usize) -> impl Iterator<Item = Range<usize>> {
    let whole = units - units % UNITS;
    (0..whole).step_by(UNITS).map(|unit| unit..unit + UNITS).chain((whole..units).map(|unit| unit..unit + 1))
}

#[cfg(test)]
mod tests {
    use super::super::product::{Matrix, product};
    use super::super::testing::{Images, integers, levels};
    use super::*;

    fn equals_the_librarys<T: Real>() {
        // On both sides of the tiles: 5 units, and of f32 and f64, 64 and 32 inputs of AVX-512, 16 and 8 of AVX2.
        for (b, d, h) in [(1, 1, 1), (3, 31, 4), (7, 64, 5), (2, 65, 6), (11, 200, 13), (4, 127, 11)] {
            let images = Images::<T>::new(b, d);
            let (dhidden, w1) = (integers::<T>(1, b * h), integers::<T>(2, d * h));
            // Powers of two: what they multiply stays exact.
            let (rate, decay) = (<T as From<f32>>::from(0.25), <T as From<f32>>::from(0.5));
            let mut slopes = vec![T::ZERO; d * h];
            product(Matrix::new(&images.x, d).transposed(), Matrix::new(&dhidden, h), &mut slopes);
            let moved: Vec<T> =
                w1.iter().zip(&slopes).map(|(&weight, &slope)| weight - rate * (slope + decay * weight)).collect();
            for (arch, x) in levels().into_iter().flat_map(|arch| images.inputs().map(|x| (arch, x))) {
                let mut found = Rows::transposed(&w1, h);
                // As two threads would.
                let (stride, part) = (found.stride(), h.div_ceil(2));
                for (part, w1) in (0..h).step_by(part).zip(found.values_mut().chunks_mut(part * stride)) {
                    step(arch, x, &dhidden, (rate, decay), part, w1);
                }
                assert_eq!(found.untransposed(), moved, "{} {b} x {d} x {h} on {arch:?}, {x:?}", T::NAME);
                let between = found.values().chunks(found.stride()).flat_map(|row| &row[d..]);
                assert!(between.into_iter().all(|&value| value == T::ZERO), "zeros stay between the rows");
            }
        }
    }

    #[test]
    fn the_step_is_that_of_the_librarys_product_on_every_level_of_instructions() {
        equals_the_librarys::<f32>();
        equals_the_librarys::<f64>();
    }

    #[test]
    #[should_panic(expected = "weights of units with gradients")]
    fn units_without_gradients_are_refused() {
        update(Inputs::Values(&Rows::<f32>::zeros(2, 16)), &[0.0; 6], (0.0, 0.0), None, 1, &mut [0.0; 48], &mut []);
    }
}
