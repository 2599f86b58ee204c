//! Dropout of a layer's units in a step. The shader's twin: `shaders/dropout.wgsl`.

use rayon::prelude::*;

use super::real::Real;
use crate::model::regularise::Dropout;

/// Multiplies units or inputs `[B, columns]`, whose rows begin `stride` apart, by the factors of `masks`. A NaN stays one.
pub(super) fn drop_units<T: Real>(masks: Option<Dropout>, rows: &mut [T], columns: usize, stride: usize) {
    let Some(dropout) = masks else { return };
    rows.par_chunks_mut(stride).enumerate().for_each(|(image, row)| {
        for (quad, four) in row[..columns].chunks_mut(4).enumerate() {
            for (value, factor) in four.iter_mut().zip(dropout.factors(image, quad)) {
                *value = *value * <T as From<f32>>::from(factor);
            }
        }
    });
}

/// The gradients of units that were not left out, multiplied as these were. Those of the others are 0.
pub(super) fn scale_units<T: Real>(masks: Option<Dropout>, dhidden: &mut [T]) {
    let Some(Dropout { scale, .. }) = masks else { return };
    for slope in dhidden {
        *slope = *slope * <T as From<f32>>::from(scale);
    }
}
