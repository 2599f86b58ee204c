//! The output layer's tensors and the bias before it, of one hidden layer W2, b2 and b1: small beside W1. The shaders have
//! them in one buffer, `small`. Of softmax regression they are the only layer's bias alone.

use super::real::Real;
use crate::model::ModelSpec;

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
        let zeros = |count| vec![T::ZERO; count];
        if spec.hidden.is_empty() {
            return Self { w2: vec![], b2: vec![], b1: zeros(spec.classes) };
        }
        Self { w2: zeros(spec.last() * spec.classes), b2: zeros(spec.classes), b1: zeros(spec.last()) }
    }
}
