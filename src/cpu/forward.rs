//! `X ← (pixels − mean)·scale`, `partials ← X·W1`, slice by slice of the inputs. The shader's twin: `shaders/forward.wgsl`.
//!
//! A partial sum covers [`SLICE`] of the `D` inputs; [`super::head`] adds them up, in order. The slices are what the
//! threads share, and their size is fixed, so the order of summation depends on `D` alone.

use rayon::prelude::*;

use super::network::Network;
use super::product::{Matrix, product};
use super::real::Real;
use crate::spec::ModelSpec;

/// Inputs of a partial sum. 256 cuts 3,072 inputs into 12 equal tasks; 128 costs 3 % (766 against 746 µs of products a step
/// on one thread), and 512 saves 1 % but leaves 6 tasks, too few for many cores. At most 512, where gemm would itself cut.
pub const SLICE: usize = 256;

/// `S`: partial sums of an element of `X·W1`.
pub fn slices(spec: &ModelSpec) -> usize {
    spec.inputs.div_ceil(SLICE)
}

/// Standardises images: `x [B, D]` from `pixels [B, D]`, `mean [D]` and `scale [D]`.
///
/// # Panics
///
/// When there is not an input for each pixel.
pub fn standardise<T: Real>(pixels: &[u8], mean: &[f32], scale: &[f32], x: &mut [T]) {
    assert_eq!(pixels.len(), x.len(), "an input for each pixel");
    for (pixels, x) in pixels.chunks_exact(mean.len()).zip(x.chunks_exact_mut(mean.len())) {
        for (((x, &pixel), &mean), &scale) in x.iter_mut().zip(pixels).zip(mean).zip(scale) {
            *x = (<T as From<u8>>::from(pixel) - <T as From<f32>>::from(mean)) * <T as From<f32>>::from(scale);
        }
    }
}

/// `partials [S, B, H]`, slice s of which is `X[.., s]·W1[s, ..]`, from `x [B, D]`.
///
/// # Panics
///
/// When the shapes do not fit each other.
pub fn forward<T: Real>(x: &[T], network: &Network<T>, partials: &mut [T]) {
    let ModelSpec { inputs, hidden, .. } = network.spec;
    let x = Matrix::new(x, inputs);
    let partial = partials.len() / slices(&network.spec);
    assert_eq!(partial * slices(&network.spec), partials.len(), "partial sums of one size");
    let w1 = network.w1.par_chunks(SLICE * hidden);
    partials.par_chunks_exact_mut(partial).zip(w1).enumerate().for_each(|(slice, (partial, w1))| {
        let first = slice * SLICE;
        product(x.columns(first, inputs.min(first + SLICE)), Matrix::new(w1, hidden), partial);
    });
}
