//! One of the `M` models: its weights and what a step needs beside them.

use rayon::prelude::*;

use super::UNITS;
use super::forward::forward;
use super::head::{self, Activations};
use super::network::Network;
use super::real::Real;
use super::rows::Rows;
use super::squares::squares;
use super::update::{hidden, output};

/// A model in training. Refilled step after step without allocation.
pub(super) struct Model<T> {
    pub(super) network: Network<T, Rows<T>>,
    /// The last batch's mean loss.
    pub(super) loss: T,
    /// The factor of `W` in the gradient.
    decay: T,
    /// `(X·W1)ᵀ [H, B]`.
    z: Vec<T>,
    activations: Activations<T>,
    /// The gradient of the last batch's cost, but for W1's, which is not kept.
    gradient: Network<T, ()>,
}

impl<T: Real> Model<T> {
    pub(super) fn new(network: Network<T>, decay: f32) -> Self {
        Self {
            gradient: network.rest(),
            network: network.in_rows(),
            loss: T::ZERO,
            decay: <T as From<f32>>::from(decay),
            z: Vec::new(),
            activations: Activations::default(),
        }
    }

    /// Before the first step, what enters its hidden layer, from the batch's `x [B, D]`.
    pub(super) fn forward(&mut self, x: &Rows<T>) {
        self.by_units(x.rows(), |_, w1, z| forward(x, w1, z));
    }

    /// First part of a step, from the batch's `labels [B]`: everything but W1 one step further.
    pub(super) fn output(&mut self, labels: &[u8], rate: f32) {
        self.head(labels);
        let Self { network, gradient, decay, activations, .. } = self;
        output::update(activations, network, *decay, <T as From<f32>>::from(rate), gradient);
    }

    /// Second part, from the batch's `x [B, D]`: W1 one step further; and what enters the hidden layer from the `next`
    /// step's images, if there is one, as soon as a unit's weights have moved.
    pub(super) fn hidden(&mut self, x: &Rows<T>, rate: f32, next: Option<&Rows<T>>) {
        let (decay, rate) = (self.decay, <T as From<f32>>::from(rate));
        let dhidden = std::mem::take(&mut self.activations.dhidden);
        // Without a next step nothing is written to z, but its parts must not be empty.
        self.by_units(next.map_or(1, Rows::rows), |first, w1, z| {
            hidden::update(x, &dhidden, first, w1, decay, rate);
            if let Some(next) = next {
                forward(next, w1, z);
            }
        });
        self.activations.dhidden = dhidden;
    }

    /// In place of a step, the gradient that it follows; no weight moves.
    pub(super) fn gradient(&mut self, x: &Rows<T>, labels: &[u8]) -> Network<T> {
        self.head(labels);
        let Self { network, gradient, decay, activations, .. } = self;
        let mut w1 = network.w1.clone();
        hidden::gradient(x, &activations.dhidden, &mut w1, *decay);
        output::gradient(activations, network, *decay, gradient);
        gradient.clone().with(w1.untransposed())
    }

    /// See [`squares`].
    pub(super) fn squares(&self) -> f64 {
        squares(self.network.w1.values(), &self.network.w2)
    }

    /// Loss, activations and their gradients.
    fn head(&mut self, labels: &[u8]) {
        head::logits(&self.z, &self.network, &mut self.activations);
        self.loss = head::gradients(labels, &self.network, &mut self.activations);
    }

    /// Has threads share the units: `part(first unit, their rows of W1ᵀ, their z of so many images)`.
    fn by_units(&mut self, images: usize, part: impl Fn(usize, &mut [T], &mut [T]) + Sync) {
        let units = self.network.spec.hidden;
        let share = units.div_ceil(rayon::current_num_threads()).next_multiple_of(UNITS);
        self.z.resize(units * images, T::ZERO);
        let stride = self.network.w1.stride();
        let w1 = self.network.w1.values_mut().par_chunks_mut(share * stride);
        let z = self.z.par_chunks_mut(share * images);
        w1.zip(z).enumerate().for_each(|(index, (w1, z))| part(index * share, w1, z));
    }
}
