//! From a layer's gradient to that of the hidden layer before it: `dhidden ← dz·Wᵀ where hidden > 0, else 0`. The shaders'
//! twin: `shaders/activate_backward.wgsl`, behind the product of `shaders/transposed.wgsl`.

use super::product::{Matrix, product};
use super::real::Real;
use super::rows::Rows;

/// Fills `dhidden [B, I]` from `dz [B, O]`, the layer's Wᵀ `[O, I]` and its inputs `hidden [B, I]`.
pub(super) fn activate_backward<T: Real>(dz: &[T], w: &Rows<T>, hidden: &Rows<T>, dhidden: &mut Vec<T>) {
    let inputs = w.columns();
    dhidden.resize(hidden.rows() * inputs, T::ZERO);
    product(Matrix::new(dz, w.rows()), Matrix::of_rows(w), dhidden);
    let stride = hidden.stride();
    for (dhidden, hidden) in dhidden.chunks_exact_mut(inputs).zip(hidden.values().chunks_exact(stride)) {
        for (slope, &hidden) in dhidden.iter_mut().zip(hidden) {
            if hidden <= T::ZERO {
                *slope = T::ZERO;
            }
        }
    }
}
