//! One of the `M` models: its weights and what a step needs beside them.

use rayon::prelude::*;

use super::activate::activate;
use super::activate_backward::activate_backward;
use super::forward::{UNITS, forward};
use super::head;
use super::real::Real;
use super::rows::Rows;
use super::small::Small;
use super::squares::squares;
use super::update::small_values::update_bias;
use super::update::{self, small_values};
use crate::model::ModelSpec;
use crate::model::params::{Params, bias, weight};

/// What a batch of `B` images leaves in a model. Refilled batch after batch without allocation.
#[derive(Clone, Debug, Default)]
pub(super) struct Activations<T> {
    /// What enters the first hidden layer, then the next ones, `(a·W)ᵀ [H, B]`.
    z: Vec<T>,
    /// What leaves each hidden layer but the last, `[B, H]`.
    before: Vec<Rows<T>>,
    /// What leaves the last one, `[B, H]`.
    hidden: Vec<T>,
    /// `[B, C]`.
    pub(super) logits: Vec<T>,
    /// Probabilities, then the loss's gradient with respect to the logits, `[B, C]`.
    dlogits: Vec<T>,
    /// The loss's gradient with respect to what enters the last hidden layer's `ReLU`, then those before it, `[B, H]`.
    dhidden: Vec<T>,
    /// Scratch of the way back.
    dz: Vec<T>,
    /// Each image's loss, and whether its answer is right, `[B]`.
    pub(super) scores: Vec<(T, bool)>,
}

impl<T: Real> Activations<T> {
    /// Of no images yet.
    pub(super) fn new(spec: &ModelSpec) -> Self {
        let before = spec.hidden.iter().rev().skip(1).rev().map(|&units| Rows::zeros(0, units));
        Self { before: before.collect(), ..Self::default() }
    }
}

/// A layer but the output layer; or, without hidden layers, that one.
struct Wide<T> {
    /// Wᵀ `[H, D]`.
    w: Rows<T>,
    /// Its bias `[H]`, but for the last one's, which is with the small tensors.
    b: Vec<T>,
}

/// A model in training.
pub(super) struct Model<T> {
    spec: ModelSpec,
    wide: Vec<Wide<T>>,
    small: Small<T>,
    /// Scratch of an update.
    sums: Small<T>,
    /// The factor of `W` in the gradient.
    decay: T,
    activations: Activations<T>,
}

impl<T: Real> Model<T> {
    /// All weights 0.
    pub(super) fn new(spec: &ModelSpec, decay: f32) -> Self {
        let layers = spec.layers().take(spec.hidden.len().max(1));
        Self {
            spec: spec.clone(),
            wide: layers.map(|[from, to]| Wide { w: Rows::zeros(to, from), b: vec![] }).collect(),
            small: Small::zeros(spec),
            sums: Small::zeros(spec),
            decay: <T as From<f32>>::from(decay),
            activations: Activations::new(spec),
        }
    }

    /// Replaces all weights.
    pub(super) fn load(&mut self, params: &Params) {
        let widened =
            |place: usize| params.values[place].iter().map(|&value| <T as From<f32>>::from(value)).collect::<Vec<_>>();
        let last = self.wide.len() - 1;
        for (layer, (wide, [_, units])) in self.wide.iter_mut().zip(self.spec.layers()).enumerate() {
            wide.w = Rows::transposed(&widened(weight(layer)), units);
            wide.b = if layer < last { widened(bias(layer)) } else { vec![] };
        }
        self.small.b1 = widened(bias(last));
        if !self.spec.hidden.is_empty() {
            (self.small.w2, self.small.b2) = (widened(weight(last + 1)), widened(bias(last + 1)));
        }
    }

    /// The weights, rounded to f32.
    pub(super) fn params(&self) -> Params {
        let rounded = |tensor: Vec<T>| tensor.into_iter().map(T::as_).collect();
        Params { spec: self.spec.clone(), values: self.tensors().into_iter().map(rounded).collect() }
    }

    /// The weights, in the order of [`crate::model::params::tensors`].
    pub(super) fn tensors(&self) -> Vec<Vec<T>> {
        let Small { w2, b2, b1 } = &self.small;
        let mut tensors: Vec<_> = self.wide.iter().flat_map(|wide| [wide.w.untransposed(), wide.b.clone()]).collect();
        tensors.pop();
        tensors.push(b1.clone());
        if !self.spec.hidden.is_empty() {
            tensors.extend([w2.clone(), b2.clone()]);
        }
        tensors
    }

    /// Before the first step, what enters its first layer, from the batch's `x [B, D]`.
    pub(super) fn forward(&mut self, x: &Rows<T>) {
        by_units(&mut self.wide[0].w, x.rows(), &mut self.activations.z, |_, w1, z| forward(x, w1, z));
    }

    /// First part of a step, from the batch's `labels [B]`: everything but W1 one step further.
    pub(super) fn output(&mut self, labels: &[u8], rate: f32) {
        let Self { wide, small, sums, decay, activations, .. } = self;
        let Activations { z, before, hidden, logits, dlogits, dhidden, dz, scores } = activations;
        let rates = (<T as From<f32>>::from(rate), *decay);
        for (layer, hidden) in before.iter_mut().enumerate() {
            activate(z, &wide[layer].b, hidden);
            by_units(&mut wide[layer + 1].w, hidden.rows(), z, |_, w, z| forward(hidden, w, z));
        }
        head::logits(z, small, hidden, logits);
        head::scores(logits, labels, dlogits, scores);
        head::gradients(labels, small, hidden, dlogits, dhidden);
        small_values::update(hidden, dhidden, dlogits, rates, small, sums);
        for (layer, hidden) in before.iter().enumerate().rev() {
            std::mem::swap(dz, dhidden);
            activate_backward(dz, &wide[layer + 1].w, hidden, dhidden);
            // Without a next step nothing is written to z, but its parts must not be empty.
            by_units(&mut wide[layer + 1].w, 1, z, |first, w, z| {
                update::update(hidden, dz, rates, None, first, w, z);
            });
            update_bias(&mut wide[layer].b, dhidden, rates.0, &mut sums.b1);
        }
    }

    /// Second part, from the batch's `x [B, D]`: W1 one step further; and what enters the first layer from the `next`
    /// step's images, if there is one, as soon as a unit's weights have moved.
    pub(super) fn hidden(&mut self, x: &Rows<T>, rate: f32, next: Option<&Rows<T>>) {
        let rates = (<T as From<f32>>::from(rate), self.decay);
        let Activations { z, dhidden, .. } = &mut self.activations;
        by_units(&mut self.wide[0].w, next.map_or(1, Rows::rows), z, |first, w1, z| {
            update::update(x, dhidden, rates, next, first, w1, z);
        });
    }

    /// The mean loss of the last step's batch, before its update.
    pub(super) fn loss(&self) -> T {
        small_values::loss(&self.activations.scores)
    }

    /// Logits and scores of images `x [B, D]` with these `labels [B]`.
    pub(super) fn evaluate(&self, x: &Rows<T>, labels: &[u8], activations: &mut Activations<T>) {
        let Activations { z, before, hidden, logits, dlogits, scores, .. } = activations;
        let product = |x: &Rows<T>, layer: usize, z: &mut Vec<T>| {
            let w = &self.wide[layer].w;
            z.resize(x.rows() * w.rows(), T::ZERO);
            forward(x, w.values(), z);
        };
        product(x, 0, z);
        for (layer, hidden) in before.iter_mut().enumerate() {
            activate(z, &self.wide[layer].b, hidden);
            product(hidden, layer + 1, z);
        }
        head::logits(z, &self.small, hidden, logits);
        head::scores(logits, labels, dlogits, scores);
    }

    /// See [`squares`].
    pub(super) fn squares(&self) -> f64 {
        squares(self.wide.iter().map(|wide| wide.w.values()).chain([&self.small.w2[..]]))
    }
}

/// Has threads share a layer's units: `part(first unit, their rows of Wᵀ, their z of so many images)`.
fn by_units<T: Real>(w: &mut Rows<T>, images: usize, z: &mut Vec<T>, part: impl Fn(usize, &mut [T], &mut [T]) + Sync) {
    let units = w.rows();
    let share = units.div_ceil(rayon::current_num_threads()).next_multiple_of(UNITS);
    z.resize(units * images, T::ZERO);
    let stride = w.stride();
    let w = w.values_mut().par_chunks_mut(share * stride);
    let z = z.par_chunks_mut(share * images);
    w.zip(z).enumerate().for_each(|(index, (w, z))| part(index * share, w, z));
}
