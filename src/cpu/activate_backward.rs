//! On the way back through a hidden layer's `ReLU`s: `dhidden ← mask · z where hidden > 0, else 0`. The shader's twin:
//! `shaders/activate_backward.wgsl`.

use super::dropout::scale_units;
use super::real::Real;
use super::rows::Rows;
use crate::model::regularise::Dropout;

/// Fills `dhidden [B, I]` from `z [B, I]`, the product of the next layer's gradient with its Wᵀ, and `hidden [B, I]`.
pub(super) fn activate_backward<T: Real>(z: &[T], hidden: &Rows<T>, masks: Option<Dropout>, dhidden: &mut Vec<T>) {
    dhidden.clear();
    let rows = z.chunks_exact(hidden.columns()).zip(hidden.values().chunks_exact(hidden.stride()));
    for (z, hidden) in rows {
        dhidden.extend(z.iter().zip(hidden).map(|(&z, &hidden)| if hidden <= T::ZERO { T::ZERO } else { z }));
    }
    scale_units(masks, dhidden);
}
