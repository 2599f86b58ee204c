//! W2, b2 and b1: the tensors that are small beside W1. The shaders have them in one buffer, `small`.

use super::real::Real;
use crate::model::ModelSpec;
use crate::model::params::{B1, B2, W2, tensors};

/// A value for each of their weights and biases.
#[derive(Clone, Debug)]
pub(super) struct Small<T> {
    /// `[H, C]`.
    pub(super) w2: Vec<T>,
    /// `[C]`.
    pub(super) b2: Vec<T>,
    /// `[H]`.
    pub(super) b1: Vec<T>,
}

impl<T: Real> Small<T> {
    pub(super) fn zeros(spec: &ModelSpec) -> Self {
        let [w2, b2, b1] = [W2, B2, B1].map(|place| vec![T::ZERO; tensors(spec)[place].len()]);
        Self { w2, b2, b1 }
    }
}
