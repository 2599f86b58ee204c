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

use pulp::{Arch, Simd, WithSimd};

use super::forward::{UNITS, forward};
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
    x: &Rows<T>,
    dhidden: &[T],
    rates: (T, T),
    next: Option<&Rows<T>>,
    first: usize,
    w1: &mut [T],
    z: &mut [T],
) {
    step(Arch::new(), x, dhidden, rates, first, w1);
    if let Some(next) = next {
        forward(next, w1, z);
    }
}

fn step<T: Real>(arch: Arch, x: &Rows<T>, dhidden: &[T], rates: (T, T), first: usize, w1: &mut [T]) {
    let (width, stride) = (x.width(), x.stride());
    assert!(x.rows() > 0 && dhidden.len().is_multiple_of(x.rows()), "gradients of whole images");
    let units = dhidden.len() / x.rows();
    assert!(w1.len().is_multiple_of(stride) && first + w1.len() / stride <= units, "weights of units with gradients");
    arch.dispatch(Step { x: x.values(), dhidden, first, units, width, stride, rates, w1 });
}

/// A step on some units' weights.
struct Step<'a, T> {
    x: &'a [T],
    dhidden: &'a [T],
    first: usize,
    units: usize,
    width: usize,
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
        let units = self.w1.len() / self.stride;
        let whole = self.width - self.width % (REGISTERS * lanes);
        for input in (0..whole).step_by(REGISTERS * lanes) {
            for unit in (0..units).step_by(UNITS) {
                self.tile::<S, REGISTERS>(simd, units, unit, input);
            }
        }
        for input in (whole..self.width).step_by(lanes) {
            for unit in (0..units).step_by(UNITS) {
                self.tile::<S, 1>(simd, units, unit, input);
            }
        }
    }

    /// A step of [`UNITS`] units' weights of some registers full of inputs, or of fewer where the units end.
    #[inline(always)]
    fn tile<S: Simd, const REGISTERS: usize>(&mut self, simd: S, units: usize, unit: usize, input: usize) {
        let mut of = [0; UNITS];
        for (of, unit) in of.iter_mut().zip(unit..) {
            *of = self.first + unit.min(units - 1);
        }
        let zero = T::ZERO.splat(simd);
        let mut sums = [[zero; REGISTERS]; UNITS];
        for (x, dhidden) in self.x.chunks_exact(self.stride).zip(self.dhidden.chunks_exact(self.units)) {
            let x = &T::lanes::<S>(&x[input..])[..REGISTERS];
            for (sums, &unit) in sums.iter_mut().zip(&of) {
                let slope = dhidden[unit].splat(simd);
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

#[cfg(test)]
mod tests {
    use super::super::product::{Matrix, product};
    use super::super::testing::{integers, levels};
    use super::*;

    fn equals_the_librarys<T: Real>() {
        // On both sides of the tiles: 5 units, and of f32 and f64, 64 and 32 inputs of AVX-512, 16 and 8 of AVX2.
        for (b, d, h) in [(1, 1, 1), (3, 31, 4), (7, 64, 5), (2, 65, 6), (11, 200, 13), (4, 127, 11)] {
            let (x, dhidden, w1) = (integers::<T>(0, b * d), integers::<T>(1, b * h), integers::<T>(2, d * h));
            // Powers of two: what they multiply stays exact.
            let (rate, decay) = (<T as From<f32>>::from(0.25), <T as From<f32>>::from(0.5));
            let mut slopes = vec![T::ZERO; d * h];
            product(Matrix::new(&x, d).transposed(), Matrix::new(&dhidden, h), &mut slopes);
            let moved: Vec<T> =
                w1.iter().zip(&slopes).map(|(&weight, &slope)| weight - rate * (slope + decay * weight)).collect();
            for arch in levels() {
                let mut found = Rows::transposed(&w1, h);
                // As two threads would.
                let (stride, part) = (found.stride(), h.div_ceil(2));
                for (part, w1) in (0..h).step_by(part).zip(found.values_mut().chunks_mut(part * stride)) {
                    step(arch, &Rows::new(&x, d), &dhidden, (rate, decay), part, w1);
                }
                assert_eq!(found.untransposed(), moved, "{} {b} x {d} x {h} on {arch:?}", T::NAME);
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
        update(&Rows::<f32>::zeros(2, 16), &[0.0; 6], (0.0, 0.0), None, 1, &mut [0.0; 48], &mut []);
    }
}
