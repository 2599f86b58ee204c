//! `W2 ← W2 − rate·(hiddenᵀ·dlogits + decay·W2)`, `b1 ← b1 − rate·Σ dhidden`, `b2 ← b2 − rate·Σ dlogits`, the sums over the
//! batch. Biases are not penalised.

use super::super::head::Activations;
use super::super::network::{Network, descend};
use super::super::product::{Matrix, product};
use super::super::real::Real;

/// `gradient.w2 [H, C]`, `gradient.b1 [H]` and `gradient.b2 [C]`, after [`super::super::head::gradients`].
pub fn gradient<T: Real, W1, G1>(
    activations: &Activations<T>,
    network: &Network<T, W1>,
    decay: T,
    gradient: &mut Network<T, G1>,
) {
    let Activations { hidden, dlogits, dhidden, .. } = activations;
    let (units, classes) = (network.spec.hidden, network.spec.classes);
    product(Matrix::new(hidden, units).transposed(), Matrix::new(dlogits, classes), &mut gradient.w2);
    for (slope, &weight) in gradient.w2.iter_mut().zip(&network.w2) {
        *slope += decay * weight;
    }
    sum_rows(dhidden, &mut gradient.b1);
    sum_rows(dlogits, &mut gradient.b2);
}

/// [`gradient`], then a step of descent on `W2`, `b1` and `b2`.
pub fn update<T: Real, W1, G1>(
    activations: &Activations<T>,
    network: &mut Network<T, W1>,
    decay: T,
    rate: T,
    gradient: &mut Network<T, G1>,
) {
    self::gradient(activations, network, decay, gradient);
    descend(&mut network.w2, &gradient.w2, rate);
    descend(&mut network.b1, &gradient.b1, rate);
    descend(&mut network.b2, &gradient.b2, rate);
}

/// `sums [N] ← Σ rows [B, N]`, row after row.
fn sum_rows<T: Real>(rows: &[T], sums: &mut [T]) {
    sums.fill(T::ZERO);
    for row in rows.chunks_exact(sums.len()) {
        for (sum, &value) in sums.iter_mut().zip(row) {
            *sum += value;
        }
    }
}
