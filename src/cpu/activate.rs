//! What leaves a hidden layer that is not the last: `hidden ← mask · max(0, z + b)`. Of the last one, `head` does it. The
//! shader's twin: `shaders/activate.wgsl`.

use super::dropout::drop_units;
use super::real::Real;
use super::rows::Rows;
use crate::model::regularise::Dropout;

/// Fills `hidden [B, H]` from `z`, which is `(a·W)ᵀ [H, B]`, and `b [H]`; a step's `masks` are those of its dropout.
pub(super) fn activate<T: Real>(z: &[T], b: &[T], masks: Option<Dropout>, hidden: &mut Rows<T>) {
    let images = z.len() / b.len();
    hidden.resize(images);
    let stride = hidden.stride();
    let values = hidden.values_mut();
    for (unit, (z, &bias)) in z.chunks_exact(images).zip(b).enumerate() {
        for (hidden, &z) in values[unit..].iter_mut().step_by(stride).zip(z) {
            let z = z + bias;
            // Not max(z, 0), which would turn a NaN into 0 and hide it.
            *hidden = if z <= T::ZERO { T::ZERO } else { z };
        }
    }
    drop_units(masks, values, b.len(), stride);
}
