//! `W1 ← W1 − rate·(Xᵀ·dhidden + decay·W1)`.
//!
//! The product is not fused into the update as `(1 − rate·decay)·W1 − rate·Xᵀ·dhidden`: in f32 that factor rounds to 1
//! below rate·decay = 3e-8, and the penalty would vanish. Keeping the gradient costs 4 % of a step's products.

use rayon::prelude::*;

use super::super::forward::SLICE;
use super::super::network::{Network, descend};
use super::super::product::{Matrix, product};
use super::super::real::Real;

/// `gradient.w1 [D, H] ← Xᵀ·dhidden + decay·W1`, from `x [B, D]` and `dhidden [B, H]`.
pub fn gradient<T: Real>(x: &[T], dhidden: &[T], network: &Network<T>, decay: T, gradient: &mut Network<T>) {
    let slice = SLICE * network.spec.hidden;
    let slices = network.w1.par_chunks(slice).zip(gradient.w1.par_chunks_mut(slice));
    slices.enumerate().for_each(|(slice, (w1, gradient))| {
        slice_gradient(x, dhidden, network.spec.inputs, slice, w1, decay, gradient);
    });
}

/// [`gradient`], then `W1 ← W1 − rate·gradient`.
pub fn update<T: Real>(x: &[T], dhidden: &[T], network: &mut Network<T>, decay: T, rate: T, gradient: &mut Network<T>) {
    let slice = SLICE * network.spec.hidden;
    let inputs = network.spec.inputs;
    let slices = network.w1.par_chunks_mut(slice).zip(gradient.w1.par_chunks_mut(slice));
    slices.enumerate().for_each(|(slice, (w1, gradient))| {
        slice_gradient(x, dhidden, inputs, slice, w1, decay, gradient);
        descend(w1, gradient, rate);
    });
}

/// The rows of the gradient that belong to inputs `slice·SLICE ..`, from those rows of W1.
fn slice_gradient<T: Real>(
    x: &[T],
    dhidden: &[T],
    inputs: usize,
    slice: usize,
    w1: &[T],
    decay: T,
    gradient: &mut [T],
) {
    let first = slice * SLICE;
    let hidden = w1.len() / (inputs.min(first + SLICE) - first);
    let x = Matrix::new(x, inputs).columns(first, inputs.min(first + SLICE));
    product(x.transposed(), Matrix::new(dhidden, hidden), gradient);
    for (slope, &weight) in gradient.iter_mut().zip(w1) {
        *slope += decay * weight;
    }
}
