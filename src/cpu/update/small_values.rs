//! The gradients `hiddenᵀ·dlogits + decay·W2`, `Σ dhidden` and `Σ dlogits`, the sums over the batch, what a step makes of W2, b1
//! and b2, and the batch's loss. Biases are not penalised. The shader's twin: `shaders/update/small_values.wgsl`.

use crate::cpu::product::{Matrix, product};
use crate::cpu::real::Real;
use crate::cpu::small::Small;
use crate::cpu::update::moved::{Rates, moved};

/// A step on the `small` tensors, from `hidden [B, H]`, `dhidden [B, H]` and `dlogits [B, C]`. `sums` over the batch are scratch.
pub(in crate::cpu) fn update<T: Real>(
    hidden: &[T],
    dhidden: &[T],
    dlogits: &[T],
    rates: &Rates<T>,
    small: &mut Small<T>,
    moments: &mut [Small<T>],
    sums: &mut Small<T>,
) {
    let (units, classes) = (small.b1.len(), small.b2.len());
    if classes > 0 {
        product(Matrix::new(hidden, units).transposed(), Matrix::new(dlogits, classes), &mut sums.w2);
    }
    moved(rates, &sums.w2, true, &mut small.w2, &mut each(moments, |small| &mut small.w2));
    update_bias(&mut small.b1, dhidden, rates, &mut each(moments, |small| &mut small.b1), &mut sums.b1);
    update_bias(&mut small.b2, dlogits, rates, &mut each(moments, |small| &mut small.b2), &mut sums.b2);
}

/// Of each kind of moments, a tensor.
fn each<T>(moments: &mut [Small<T>], tensor: impl Fn(&mut Small<T>) -> &mut Vec<T>) -> Vec<&mut [T]> {
    moments.iter_mut().map(|small| &mut tensor(small)[..]).collect()
}

/// A step on a bias `[N]`, from its layer's gradients `dz [B, N]`. `sums` over the batch are scratch.
pub fn update_bias<T: Real>(bias: &mut [T], dz: &[T], rates: &Rates<T>, moments: &mut [&mut [T]], sums: &mut Vec<T>) {
    sums.resize(bias.len(), T::ZERO);
    sum_rows(dz, sums);
    moved(rates, sums, false, bias, moments);
}

/// The mean of a batch's losses, from its `scores [B]`.
pub(in crate::cpu) fn loss<T: Real>(scores: &[(T, bool)]) -> T {
    let mut sum = T::ZERO;
    for &(loss, _) in scores {
        sum += loss;
    }
    sum / <T as From<f32>>::from(scores.len() as f32)
}

/// `sums [N] ← Σ rows [B, N]`, row after row.
fn sum_rows<T: Real>(rows: &[T], sums: &mut [T]) {
    sums.fill(T::ZERO);
    for row in rows.chunks_exact(sums.len().max(1)) {
        for (sum, &value) in sums.iter_mut().zip(row) {
            *sum += value;
        }
    }
}
