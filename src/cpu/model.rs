//! One of the `M` models: its weights and what a step needs beside them.

use super::forward::{forward, slices};
use super::head::{self, Activations};
use super::network::Network;
use super::real::Real;
use super::update::{hidden, output};

/// A model in training. Refilled step after step without allocation.
pub(super) struct Model<T> {
    pub(super) network: Network<T>,
    /// The gradient of the last batch's cost.
    pub(super) gradient: Network<T>,
    /// The last batch's mean loss.
    pub(super) loss: T,
    /// The factor of `W` in the gradient.
    decay: T,
    /// `[S, B, H]`.
    partials: Vec<T>,
    activations: Activations<T>,
}

impl<T: Real> Model<T> {
    pub(super) fn new(network: Network<T>, decay: f32) -> Self {
        Self {
            gradient: Network::zeros(&network.spec),
            network,
            loss: T::ZERO,
            decay: <T as From<f32>>::from(decay),
            partials: Vec::new(),
            activations: Activations::default(),
        }
    }

    /// First part of a step, from the batch's `x [B, D]`.
    pub(super) fn forward(&mut self, x: &[T]) {
        let images = x.len() / self.network.spec.inputs;
        self.partials.resize(slices(&self.network.spec) * images * self.network.spec.hidden, T::ZERO);
        forward(x, &self.network, &mut self.partials);
    }

    /// Second part, from the batch's `labels [B]`.
    pub(super) fn head(&mut self, labels: &[u8]) {
        head::logits(&self.partials, labels.len(), &self.network, &mut self.activations);
        self.loss = head::gradients(labels, &self.network, &mut self.activations);
    }

    /// Last part of a step: the gradient, and the weights one step further.
    pub(super) fn update(&mut self, x: &[T], rate: f32) {
        let Self { network, gradient, decay, activations, .. } = self;
        let rate = <T as From<f32>>::from(rate);
        hidden::update(x, &activations.dhidden, network, *decay, rate, gradient);
        output::update(activations, network, *decay, rate, gradient);
    }

    /// The same without moving the weights.
    pub(super) fn gradient(&mut self, x: &[T]) {
        let Self { network, gradient, decay, activations, .. } = self;
        hidden::gradient(x, &activations.dhidden, network, *decay, gradient);
        output::gradient(activations, network, *decay, gradient);
    }
}
