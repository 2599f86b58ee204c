//! `W2 ← W2 − rate·(hiddenᵀ·dlogits + decay·W2)`, `b1 ← b1 − rate·Σ dhidden`, `b2 ← b2 − rate·Σ dlogits`, the sums over the
//! batch, and the batch's loss. Biases are not penalised. The shader's twin: `shaders/update/small_values.wgsl`.

use crate::cpu::product::{Matrix, product};
use crate::cpu::real::Real;
use crate::cpu::small::Small;

/// A step on the `small` tensors, from `hidden [B, H]`, `dhidden [B, H]` and `dlogits [B, C]`; `rates` are the learning rate
/// and the decay. `sums` over the batch are scratch.
pub(in crate::cpu) fn update<T: Real>(
    hidden: &[T],
    dhidden: &[T],
    dlogits: &[T],
    rates: (T, T),
    small: &mut Small<T>,
    sums: &mut Small<T>,
) {
    let (units, classes) = (small.b1.len(), small.b2.len());
    let (rate, decay) = rates;
    if classes > 0 {
        product(Matrix::new(hidden, units).transposed(), Matrix::new(dlogits, classes), &mut sums.w2);
    }
    for (weight, &sum) in small.w2.iter_mut().zip(&sums.w2) {
        *weight -= rate * (sum + decay * *weight);
    }
    update_bias(&mut small.b1, dhidden, rate, &mut sums.b1);
    update_bias(&mut small.b2, dlogits, rate, &mut sums.b2);
}

/// A step on a bias `[N]`, from its layer's gradients `dz [B, N]`. `sums` over the batch are scratch.
pub(in crate::cpu) fn update_bias<T: Real>(bias: &mut [T], dz: &[T], rate: T, sums: &mut Vec<T>) {
    sums.resize(bias.len(), T::ZERO);
    sum_rows(dz, sums);
    for (bias, &sum) in bias.iter_mut().zip(&*sums) {
        *bias -= rate * sum;
    }
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
