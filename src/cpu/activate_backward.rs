//! On the way back through a hidden layer's `ReLU`s: `dhidden ← kept · z where hidden > 0, else 0`. The shader's twin:
//! `shaders/activate_backward.wgsl`.

use super::real::Real;
use super::rows::Rows;

/// Fills `dhidden [B, I]` from `z [B, I]`, the product of the next layer's gradient with its Wᵀ, and `hidden [B, I]`, of which
/// dropout multiplied those that it left by `kept`; without dropout that is 1.
pub(super) fn activate_backward<T: Real>(z: &[T], hidden: &Rows<T>, kept: f32, dhidden: &mut Vec<T>) {
    dhidden.clear();
    let kept = <T as From<f32>>::from(kept);
    let rows = z.chunks_exact(hidden.columns()).zip(hidden.values().chunks_exact(hidden.stride()));
    for (z, hidden) in rows {
        dhidden.extend(z.iter().zip(hidden).map(|(&z, &hidden)| if hidden <= T::ZERO { T::ZERO } else { z * kept }));
    }
}
