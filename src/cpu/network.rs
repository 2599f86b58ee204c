//! One network's values in the engine's precision: its weights, or a gradient of them.

use super::real::Real;
use super::rows::Rows;
use crate::model::ModelSpec;
use crate::model::params::{self, Params};

/// A value for each weight and bias.
#[derive(Clone, Debug, PartialEq)]
pub struct Network<T, W1 = Vec<T>> {
    /// The shape.
    pub spec: ModelSpec,
    /// `W1 [D, H]`; or, where it is [`Rows`], W1ᵀ `[H, D]`, as the engine computes with it; or nothing.
    pub w1: W1,
    /// `b1 [H]`.
    pub b1: Vec<T>,
    /// `W2 [H, C]`.
    pub w2: Vec<T>,
    /// `b2 [C]`.
    pub b2: Vec<T>,
}

impl<T: Real> Network<T> {
    /// All values 0.
    pub fn zeros(spec: &ModelSpec) -> Self {
        let [w1, b1, w2, b2] = params::tensors(spec).map(|tensor| vec![T::ZERO; tensor.len()]);
        Self { spec: *spec, w1, b1, w2, b2 }
    }

    /// The host's values, widened.
    pub fn from_params(params: &Params) -> Self {
        let widened = |place: usize| params.values[place].iter().map(|&value| <T as From<f32>>::from(value)).collect();
        Self {
            spec: params.spec,
            w1: widened(params::W1),
            b1: widened(params::B1),
            w2: widened(params::W2),
            b2: widened(params::B2),
        }
    }

    /// As the engine computes with it.
    pub fn in_rows(self) -> Network<T, Rows<T>> {
        let w1 = Rows::transposed(&self.w1, self.spec.hidden);
        self.with(w1)
    }

    /// For the host, rounded to `f32`.
    pub fn to_params(&self) -> Params {
        let values = [&self.w1, &self.b1, &self.w2, &self.b2];
        Params { spec: self.spec, values: values.map(|tensor| tensor.iter().map(|value| value.to_f32()).collect()) }
    }
}

impl<T: Real> Network<T, Rows<T>> {
    /// As everybody else has it.
    pub fn flat(&self) -> Network<T> {
        self.rest().with(self.w1.untransposed())
    }
}

impl<T: Real, W1> Network<T, W1> {
    /// All but W1.
    pub fn rest(&self) -> Network<T, ()> {
        let Self { spec, b1, w2, b2, .. } = self;
        Network { spec: *spec, w1: (), b1: b1.clone(), w2: w2.clone(), b2: b2.clone() }
    }

    /// The same with another W1.
    pub fn with<V>(self, w1: V) -> Network<T, V> {
        let Self { spec, b1, w2, b2, .. } = self;
        Network { spec, w1, b1, w2, b2 }
    }
}

/// A step of gradient descent: `values ← values − rate·gradient`.
pub(super) fn descend<T: Real>(values: &mut [T], gradient: &[T], rate: T) {
    for (value, &slope) in values.iter_mut().zip(gradient) {
        *value -= rate * slope;
    }
}
