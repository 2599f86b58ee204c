//! One of the `M` models: its weights and what a step needs beside them.

use rayon::prelude::*;

use super::forward::{UNITS, forward};
use super::head;
use super::inputs::Inputs;
use super::real::Real;
use super::rows::Rows;
use super::small::Small;
use super::squares::squares;
use super::update::{self, small_values};
use crate::model::ModelSpec;
use crate::model::params::{B1, B2, Params, W1, W2};

/// What a batch of `B` images leaves in a model. Refilled batch after batch without allocation.
#[derive(Clone, Debug, Default)]
pub(super) struct Activations<T> {
    /// `(X·W1)ᵀ [H, B]`.
    z: Vec<T>,
    /// `[B, H]`, after the `ReLU`.
    hidden: Vec<T>,
    /// `[B, C]`.
    pub(super) logits: Vec<T>,
    /// Probabilities, then the loss's gradient with respect to the logits, `[B, C]`.
    dlogits: Vec<T>,
    /// The loss's gradient with respect to what enters the `ReLU`, `[B, H]`.
    dhidden: Vec<T>,
    /// Each image's loss, and whether its answer is right, `[B]`.
    pub(super) scores: Vec<(T, bool)>,
}

/// A model in training.
pub(super) struct Model<T> {
    pub(super) spec: ModelSpec,
    /// W1ᵀ `[H, D]`.
    w1: Rows<T>,
    small: Small<T>,
    /// Scratch of an update.
    sums: Small<T>,
    /// The factor of `W` in the gradient.
    decay: T,
    activations: Activations<T>,
}

impl<T: Real> Model<T> {
    /// All weights 0.
    pub(super) fn new(spec: ModelSpec, decay: f32) -> Self {
        Self {
            spec,
            w1: Rows::zeros(spec.hidden, spec.inputs),
            small: Small::zeros(&spec),
            sums: Small::zeros(&spec),
            decay: <T as From<f32>>::from(decay),
            activations: Activations::default(),
        }
    }

    /// Replaces all weights.
    pub(super) fn load(&mut self, params: &Params) {
        let widened =
            |place: usize| params.values[place].iter().map(|&value| <T as From<f32>>::from(value)).collect::<Vec<_>>();
        self.w1 = Rows::transposed(&widened(W1), self.spec.hidden);
        self.small = Small { w2: widened(W2), b2: widened(B2), b1: widened(B1) };
    }

    /// The weights, rounded to f32.
    pub(super) fn params(&self) -> Params {
        let rounded = |tensor: Vec<T>| tensor.into_iter().map(T::as_).collect();
        Params { spec: self.spec, values: self.tensors().map(rounded) }
    }

    /// The weights, in the order of [`crate::model::params::tensors`].
    pub(super) fn tensors(&self) -> [Vec<T>; 4] {
        let Small { w2, b2, b1 } = &self.small;
        [self.w1.untransposed(), b1.clone(), w2.clone(), b2.clone()]
    }

    /// Before the first step, what enters its hidden layer, from the batch's `x [B, D]`.
    pub(super) fn forward(&mut self, x: Inputs<'_, T>) {
        self.by_units(x.rows(), |_, w1, z| forward(x, w1, z));
    }

    /// First part of a step, from the batch's `labels [B]`: everything but W1 one step further.
    pub(super) fn output(&mut self, labels: &[u8], rate: f32) {
        let Self { small, sums, decay, activations, .. } = self;
        let Activations { z, hidden, logits, dlogits, dhidden, scores } = activations;
        head::logits(z, small, hidden, logits);
        head::scores(logits, labels, dlogits, scores);
        head::gradients(labels, small, hidden, dlogits, dhidden);
        small_values::update(hidden, dhidden, dlogits, (<T as From<f32>>::from(rate), *decay), small, sums);
    }

    /// Second part, from the batch's `x [B, D]`: W1 one step further; and what enters the hidden layer from the `next`
    /// step's images, if there is one, as soon as a unit's weights have moved.
    pub(super) fn hidden(&mut self, x: Inputs<'_, T>, rate: f32, next: Option<Inputs<'_, T>>) {
        let rates = (<T as From<f32>>::from(rate), self.decay);
        let dhidden = std::mem::take(&mut self.activations.dhidden);
        // Without a next step nothing is written to z, but its parts must not be empty.
        self.by_units(next.map_or(1, |next| next.rows()), |first, w1, z| {
            update::update(x, &dhidden, rates, next, first, w1, z);
        });
        self.activations.dhidden = dhidden;
    }

    /// The mean loss of the last step's batch, before its update.
    pub(super) fn loss(&self) -> T {
        small_values::loss(&self.activations.scores)
    }

    /// Logits and scores of images `x [B, D]` with these `labels [B]`.
    pub(super) fn evaluate(&self, x: Inputs<'_, T>, labels: &[u8], activations: &mut Activations<T>) {
        let Activations { z, hidden, logits, dlogits, scores, .. } = activations;
        z.resize(x.rows() * self.spec.hidden, T::ZERO);
        forward(x, self.w1.values(), z);
        head::logits(z, &self.small, hidden, logits);
        head::scores(logits, labels, dlogits, scores);
    }

    /// See [`squares`].
    pub(super) fn squares(&self) -> f64 {
        squares(self.w1.values(), &self.small.w2)
    }

    /// Has threads share the units: `part(first unit, their rows of W1ᵀ, their z of so many images)`.
    fn by_units(&mut self, images: usize, part: impl Fn(usize, &mut [T], &mut [T]) + Sync) {
        let units = self.spec.hidden;
        let share = units.div_ceil(rayon::current_num_threads()).next_multiple_of(UNITS);
        let z = &mut self.activations.z;
        z.resize(units * images, T::ZERO);
        let stride = self.w1.stride();
        let w1 = self.w1.values_mut().par_chunks_mut(share * stride);
        let z = z.par_chunks_mut(share * images);
        w1.zip(z).enumerate().for_each(|(index, (w1, z))| part(index * share, w1, z));
    }
}
