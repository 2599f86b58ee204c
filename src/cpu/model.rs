//! One of the `M` models: its weights and what a step needs beside them.

use num_traits::NumCast;
use rayon::prelude::*;

use super::activate::activate;
use super::activate_backward::activate_backward;
use super::backward::backward;
use super::forward::{UNITS, forward};
use super::head;
use super::inputs::Inputs;
use super::real::Real;
use super::rows::Rows;
use super::small::Small;
use super::squares::squares;
use super::update::moved::{Rates, moved};
use super::update::small_values::update_bias;
use super::update::{self, small_values};
use crate::engine::Job;
use crate::model::ModelSpec;
use crate::model::optimizer::Optimizer;
use crate::model::params::{Params, bias, weight};
use crate::model::regularise::{Key, Regularise, Target, Training};

/// What a batch of `B` images leaves in a model. Refilled batch after batch without allocation.
#[derive(Clone, Debug)]
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
    /// Scratch of [`backward`], `[B, inputs of the layer]`.
    back: Rows<T>,
    /// Each image's loss, and whether its answer is right, `[B]`.
    pub(super) scores: Vec<(T, bool)>,
}

impl<T: Real> Activations<T> {
    /// Of no images yet.
    pub(super) fn new(spec: &ModelSpec) -> Self {
        let before = spec.hidden.iter().rev().skip(1).rev().map(|&units| Rows::zeros(0, units));
        Self {
            z: Vec::new(),
            before: before.collect(),
            hidden: Vec::new(),
            logits: Vec::new(),
            dlogits: Vec::new(),
            dhidden: Vec::new(),
            dz: Vec::new(),
            back: Rows::zeros(0, 1),
            scores: Vec::new(),
        }
    }
}

/// A layer but the output layer; or, without hidden layers, that one.
struct Wide<T> {
    /// Wᵀ `[H, D]`.
    w: Rows<T>,
    /// Its bias `[H]`, but for the last one's, which is with the small tensors.
    b: Vec<T>,
    /// The optimizer's moments of both, each kind.
    moments: Vec<(Rows<T>, Vec<T>)>,
    /// The gradient of `w`, where there are moments: else the weights move while it is still in registers.
    gradient: Rows<T>,
}

impl<T: Real> Wide<T> {
    /// `w` one step further, from the layer's inputs `x [B, D]` and the gradients `dz [B, H]`, and the product of the `next`
    /// inputs, if there are any. `z` is theirs, else scratch.
    fn step(&mut self, x: Inputs<'_, T>, dz: &[T], rates: &Rates<T>, next: Option<Inputs<'_, T>>, z: &mut Vec<T>) {
        let Self { w, moments, gradient, .. } = self;
        // Without a next step nothing is written to z, but its parts must not be empty.
        let images = next.map_or(1, |next| next.rows());
        if moments.is_empty() {
            let of_sgd = (rates.rate, rates.decay);
            by_units(w, images, z, |first, w, z| update::update(x, dz, of_sgd, next, first, w, z));
            return;
        }
        // A step from 0 at a rate of −1 leaves the gradient.
        gradient.values_mut().fill(T::ZERO);
        let of_gradient = (-T::ONE, T::ZERO);
        by_units(gradient, 1, z, |first, g, z| update::update(x, dz, of_gradient, None, first, g, z));
        let mut parts: Vec<_> = w.values_mut().chunks_mut(PART).zip(gradient.values().chunks(PART)).collect();
        let mut of_parts: Vec<Vec<_>> = parts.iter().map(|_| Vec::new()).collect();
        for (moment, _) in moments {
            of_parts.iter_mut().zip(moment.values_mut().chunks_mut(PART)).for_each(|(of, part)| of.push(part));
        }
        parts.par_iter_mut().zip(&mut of_parts).for_each(|((w, g), moments)| moved(rates, g, true, w, moments));
        if let Some(next) = next {
            by_units(w, images, z, |_, w, z| forward(next, w, z));
        }
    }
}

/// Weights that a thread moves at a time: 64 KiB of f32, and as much of their gradient and of each moment.
const PART: usize = 1 << 14;

/// A model in training.
pub(super) struct Model<T> {
    spec: ModelSpec,
    wide: Vec<Wide<T>>,
    small: Small<T>,
    /// The optimizer's moments of them, each kind.
    moments: Vec<Small<T>>,
    /// Scratch of an update.
    sums: Small<T>,
    optimizer: Optimizer,
    regularise: Regularise,
    /// Steps taken, if it has moments.
    steps: u64,
    /// The factor of `W` in the gradient.
    decay: T,
    activations: Activations<T>,
}

impl<T: Real> Model<T> {
    /// A model of `job`, all weights 0.
    pub(super) fn new(job: &Job, model: usize) -> Self {
        let Job { model: spec, optimizer, regularise, .. } = job;
        let (optimizer, regularise) = (*optimizer, *regularise);
        let kinds = optimizer.moments().len();
        let layers = spec.layers().take(spec.hidden.len().max(1)).enumerate().map(|(layer, [from, to])| {
            let zeros = || (Rows::zeros(to, from), vec![T::ZERO; if layer + 1 < spec.hidden.len() { to } else { 0 }]);
            let (w, b) = zeros();
            let gradient = Rows::zeros(if kinds > 0 { to } else { 0 }, from);
            Wide { w, b, moments: (0..kinds).map(|_| zeros()).collect(), gradient }
        });
        Self {
            spec: spec.clone(),
            wide: layers.collect(),
            small: Small::zeros(spec),
            moments: vec![Small::zeros(spec); kinds],
            optimizer,
            regularise,
            steps: 0,
            sums: Small::zeros(spec),
            decay: <T as From<f32>>::from(job.decay[model]),
            activations: Activations::new(spec),
        }
    }

    /// Replaces all weights, and moments.
    pub(super) fn load(&mut self, params: &Params) {
        self.steps = params.steps;
        let last = self.wide.len() - 1;
        let params = params.clone().with_moments_of(self.optimizer);
        for (kind, values) in params.kinds().enumerate() {
            let widened =
                |place: usize| values[place].iter().map(|&value| <T as From<f32>>::from(value)).collect::<Vec<_>>();
            for (layer, (wide, [_, units])) in self.wide.iter_mut().zip(self.spec.layers()).enumerate() {
                let (w, b) = match kind.checked_sub(1) {
                    Some(moment) => {
                        let (w, b) = &mut wide.moments[moment];
                        (w, b)
                    }
                    None => (&mut wide.w, &mut wide.b),
                };
                *w = Rows::transposed(&widened(weight(layer)), units);
                *b = if layer < last { widened(bias(layer)) } else { vec![] };
            }
            let small = kind.checked_sub(1).map_or(&mut self.small, |moment| &mut self.moments[moment]);
            small.b1 = widened(bias(last));
            if !self.spec.hidden.is_empty() {
                (small.w2, small.b2) = (widened(weight(last + 1)), widened(bias(last + 1)));
            }
        }
    }

    /// The weights and moments, rounded to f32.
    pub(super) fn params(&self) -> Params {
        let rounded = |tensor: Vec<T>| tensor.into_iter().map(T::as_).collect();
        let values = (0..=self.moments.len()).flat_map(|kind| self.tensors(kind)).map(rounded).collect();
        Params { spec: self.spec.clone(), steps: self.steps, values }
    }

    /// The weights, if `kind` is 0, else that kind of moments, in the order of [`crate::model::params::tensors`].
    pub(super) fn tensors(&self, kind: usize) -> Vec<Vec<T>> {
        let Small { w2, b2, b1 } = kind.checked_sub(1).map_or(&self.small, |moment| &self.moments[moment]);
        let wide = self.wide.iter().flat_map(|wide| {
            let (w, b) = match kind.checked_sub(1) {
                Some(moment) => (&wide.moments[moment].0, &wide.moments[moment].1),
                None => (&wide.w, &wide.b),
            };
            [w.untransposed(), b.clone()]
        });
        let mut tensors: Vec<_> = wide.collect();
        tensors.pop();
        tensors.push(b1.clone());
        if !self.spec.hidden.is_empty() {
            tensors.extend([w2.clone(), b2.clone()]);
        }
        tensors
    }

    /// Before the first step, what enters its first layer, from the batch's `x [B, D]`.
    pub(super) fn forward(&mut self, x: Inputs<'_, T>) {
        by_units(&mut self.wide[0].w, x.rows(), &mut self.activations.z, |_, w1, z| forward(x, w1, z));
    }

    /// What the step at this learning rate is taken with.
    fn rates(&self, rate: f32) -> Rates<T> {
        let corrections = self.optimizer.corrections(self.steps);
        let corrections = corrections.map(|number| <T as NumCast>::from(number).unwrap_or(T::ONE));
        Rates { optimizer: self.optimizer, rate: <T as From<f32>>::from(rate), decay: self.decay, corrections }
    }

    /// First part of a step, from the batch's `targets [B]`: everything but W1 one step further. `key` decides the masks.
    pub(super) fn output(&mut self, targets: &[Target], rate: f32, key: Key) {
        let rates = self.rates(rate);
        let Self { wide, small, moments, sums, activations, regularise, .. } = self;
        let training = Training { regularise: *regularise, key };
        let smoothing = regularise.label_smoothing;
        let last = training.dropout(wide.len() - 1);
        let Activations { z, before, hidden, logits, dlogits, dhidden, dz, back, scores } = activations;
        for (layer, hidden) in before.iter_mut().enumerate() {
            activate(z, &wide[layer].b, training.dropout(layer), hidden);
            by_units(&mut wide[layer + 1].w, hidden.rows(), z, |_, w, z| forward(Inputs::Values(hidden), w, z));
        }
        head::logits(z, small, last, hidden, logits);
        head::scores(logits, targets, smoothing, dlogits, scores);
        head::gradients(targets, smoothing, small, last, hidden, dlogits, dhidden);
        small_values::update(hidden, dhidden, dlogits, &rates, small, moments, sums);
        for (layer, hidden) in before.iter().enumerate().rev() {
            std::mem::swap(dz, dhidden);
            backward(dz, &wide[layer + 1].w, back, z);
            let kept = training.dropout(layer).map_or(1.0, |dropout| dropout.scale);
            activate_backward(z, hidden, kept, dhidden);
            wide[layer + 1].step(Inputs::Values(hidden), dz, &rates, None, z);
            let Wide { b, moments, .. } = &mut wide[layer];
            let mut moments: Vec<_> = moments.iter_mut().map(|(_, b)| &mut b[..]).collect();
            update_bias(b, dhidden, &rates, &mut moments, &mut sums.b1);
        }
    }

    /// Second part, from the batch's `x [B, D]`: W1 one step further; and what enters the first layer from the `next`
    /// step's images, if there is one.
    pub(super) fn hidden(&mut self, x: Inputs<'_, T>, rate: f32, next: Option<Inputs<'_, T>>) {
        let rates = self.rates(rate);
        let Activations { z, dhidden, .. } = &mut self.activations;
        self.wide[0].step(x, dhidden, &rates, next, z);
        if !self.moments.is_empty() {
            self.steps += 1;
        }
    }

    /// The mean loss of the last step's batch, before its update.
    pub(super) fn loss(&self) -> T {
        small_values::loss(&self.activations.scores)
    }

    /// Logits and scores of images `x [B, D]` with these `targets [B]`.
    pub(super) fn evaluate(&self, x: Inputs<'_, T>, targets: &[Target], activations: &mut Activations<T>) {
        let Activations { z, before, hidden, logits, dlogits, scores, .. } = activations;
        let product = |x: Inputs<'_, T>, layer: usize, z: &mut Vec<T>| {
            let w = &self.wide[layer].w;
            z.resize(x.rows() * w.rows(), T::ZERO);
            forward(x, w.values(), z);
        };
        product(x, 0, z);
        for (layer, hidden) in before.iter_mut().enumerate() {
            activate(z, &self.wide[layer].b, None, hidden);
            product(Inputs::Values(hidden), layer + 1, z);
        }
        head::logits(z, &self.small, None, hidden, logits);
        head::scores(logits, targets, 0.0, dlogits, scores);
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
