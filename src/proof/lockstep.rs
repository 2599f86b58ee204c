//! What an engine gave of some images and made of one step, computed again by the reference from the engine's own weights.
//!
//! The reference takes some tens of milliseconds for all of the report's network, and far too long for a wide one. So of
//! many hidden units and images it takes a slice, by turns: the logits of some images say that the layers' products are
//! right, and with the engine's own logits, so judged, a step can be judged in some hidden units alone.

#![expect(non_snake_case, reason = "H and C are the letters of the crate's page")]

use super::compare::{Rule, U, compare};
use super::finding::Finding;
use crate::data::{Dataset, Standardisation};
use crate::engine::{Job, Witness};
use crate::model::params::NAMES;
use crate::model::reference::{Head, Matrix, Network, forward, gradient, head, head_of_logits, standardise, step};

/// Multiplications of one product of a check: half of the report's first layer. A check of it takes 27 ms on a core of an
/// EPYC (median of 62).
const PRODUCT: usize = 1 << 23;
/// Most numbers of a batch that is computed again: in f64 they take 64 MiB.
const INPUTS: usize = 1 << 23;
/// A logit is this close, as a share of itself or of all logits' root mean square. Worst seen, as
/// of the next three, in 640 checks of 14 trainings (H = 1 to 500, B = 1 to 9,000, rates up to 3, one batch learnt by heart)
/// on the CPU engine: 1.6e-6.
/// Their sums' rounding grows with the square root of their length, from [`UNITS`] on.
const LOGITS: f64 = 1e-5;
const UNITS: f64 = 500.0;
/// The mean cross-entropy of some images is this close to that of their logits, in nats, and above 1 nat as a share of itself.
/// Worst seen: 9.1e-7. Of many images in a row, whose sum in f32 may round the same way each time, a quarter of u more each.
const LOSS: f64 = 5e-6;
/// A gradient's part of a tensor's error after a step, as a share of its gauge as a whole. Worst seen, with the
/// next: 28 % of both.
const GRADIENT: f64 = 4e-6;
/// Rounding's part, as a share of the tensor as a whole: the new value is rounded once, by u at most.
const ROUNDING: f64 = 2.0 * U;
/// A hidden unit is left out of a step's comparison if what enters its `ReLU` for any image is this close to 0, as a share of
/// the root mean square of all that enters: the engine in f32 may have it on the other side.
const NEAR: f64 = 1e-4;
/// Numbers from here on are those of a training that diverges, which is no fault of an engine.
const RUNAWAY: f64 = 1e30;

/// The thread that checks: its stack, and the address space that glibc reserves at its first allocation.
const THREAD: u128 = 66 << 20;

/// Whether a step of so many images of so many inputs is computed again.
pub fn follows(batch: usize, inputs: usize) -> bool {
    batch * inputs <= INPUTS
}

/// The most bytes that a check of `job` takes at a time: the weights before and after a step, in f32 and f64; a batch's
/// pixels, its inputs and their absolute values; and nine matrices of a slice of the weights. Those of all models that the
/// check before the first step has are as many as a training has later.
pub fn memory(job: &Job) -> u128 {
    let parameters = job.model.parameters();
    let batch = (job.batch_size * job.model.inputs).min(INPUTS);
    let some = (PRODUCT / job.batch_size).max(job.model.inputs).min(parameters);
    (24 * parameters + 17 * batch + 72 * some) as u128 + THREAD
}

/// What is computed again.
pub struct Lockstep<'a> {
    /// Where the rows are.
    pub dataset: &'a Dataset,
    /// What standardises them.
    pub standardisation: &'a Standardisation,
    /// The scored images' rows, those of the step first.
    pub images: &'a [u32],
    /// Images of the step.
    pub batch: usize,
    /// The factor of `W` in the gradient.
    pub decay: f32,
    /// The step's learning rate.
    pub rate: f32,
    /// Which of the slices.
    pub turn: usize,
}

impl Lockstep<'_> {
    /// Compares what the engine gave at this `place` of a run. Empty if the training has diverged.
    pub fn judge(&self, witness: &Witness, place: &str) -> Vec<Finding> {
        let findings = self.findings(witness).into_iter();
        let at = |at: &str| if at.is_empty() { place.to_owned() } else { format!("{at}, {place}") };
        findings.map(|finding| Finding { at: at(&finding.at), ..finding }).collect()
    }

    fn findings(&self, witness: &Witness) -> Vec<Finding> {
        let network = Network::from(&witness.before);
        let C = witness.before.spec.classes;
        let logit = Matrix { values: widened(&witness.logits), columns: C };
        let images = self.images;
        if logit.values.len() != images.len() * C {
            let outcome = compare(&logit.values, &vec![0.0; images.len() * C], &Rule::Exact);
            return vec![Finding::new("logits (forward, head)", outcome)];
        }

        let some = slice(self.turn, images.len(), PRODUCT / network.W1.values.len());
        let rows: Vec<u32> = some.iter().map(|&image| images[image]).collect();
        let (x, labels) = self.read(&rows);
        let expected = head(&forward(&x, &network.W1, 0..x.columns), &labels, &network).logit.values;
        if !network.tensors().into_iter().chain([&expected[..]]).all(tame) {
            return Vec::new();
        }
        let got: Vec<f64> = some.iter().flat_map(|&image| &logit[image]).copied().collect();
        let rule = Rule::Relative(LOGITS * (network.b1.len() as f64 / UNITS).sqrt().max(1.0));
        let mut outcome = compare(&got, &expected, &rule);
        outcome.worst.iter_mut().for_each(|worst| worst.index = some[worst.index / C] * C + worst.index % C);
        let mut findings = vec![Finding::new("logits (forward, head)", outcome)];

        let labels = self.labels(images);
        let scores =
            head_of_logits(&Matrix::of(images.len(), 0, |_, _| 0.0), logit.clone(), &labels, &network.units(&[]));
        let right = scores.right.iter().filter(|right| **right).count();
        let mean = witness.tally.loss / images.len() as f64;
        findings.push(Finding::new(
            "right answers (head, tally)",
            compare(&[witness.tally.correct as f64], &[right as f64], &Rule::Exact),
        ));
        findings.push(same_loss("loss of some images (head, tally)", mean, &scores.loss));

        if let Some((loss, after)) = &witness.step
            && follows(self.batch, x.columns)
            && self.batch <= images.len()
        {
            findings.push(same_loss("loss of a step (head, update)", f64::from(*loss), &scores.loss[..self.batch]));
            let logit = Matrix { values: logit.values[..self.batch * logit.columns].to_vec(), columns: logit.columns };
            findings.extend(self.step(&network, logit, &Network::from(after)));
        }
        findings
    }

    /// Compares the tensors after a step, in some hidden units: their columns of `W1` and `b1`, their rows of `W2`, and `b2`.
    fn step(&self, before: &Network, logit: Matrix, after: &Network) -> Vec<Finding> {
        let (x, labels) = self.read(&self.images[..self.batch]);
        let some = slice(self.turn, before.b1.len(), PRODUCT / x.values.len());
        let all = before.units(&some);
        let product = forward(&x, &all.W1, 0..x.columns);
        let z = head_of_logits(&product, logit.clone(), &labels, &all).z;
        let rms = norm(&z.values) / (z.values.len() as f64).sqrt();
        // In place of those with an image at the kink of the `ReLU`, which the engine may have on its other side.
        let clear = |unit: &usize| (0..self.batch).all(|b| z[b][*unit].abs() > NEAR * rms);
        let clear: Vec<usize> = (0..some.len()).filter(clear).collect();
        let (product, before) = (product.some_columns(&clear), all.units(&clear));
        let units: Vec<usize> = clear.iter().map(|&unit| some[unit]).collect();
        let (H, C) = (after.b1.len(), logit.columns);
        let after = after.units(&units);

        let head = head_of_logits(&product, logit, &labels, &before);
        let slopes = gradient(&x, &head, &before, self.decay.into());
        let gauge = self.gauge(&x, &head, &labels, &before);
        let mut expected = before.clone();
        step(&mut expected, &slopes, self.rate.into());
        if !expected.tensors().into_iter().all(tame) {
            return Vec::new();
        }
        let tensors = after.tensors().into_iter().zip(expected.tensors()).zip(gauge.tensors()).zip(NAMES);
        let compared = tensors.filter(|(((got, _), _), _)| !got.is_empty()).map(|(((got, expected), gauge), name)| {
            // What only decays ends below f32's normal numbers, where nothing rounds by a share.
            let least = f64::from(f32::MIN_POSITIVE) * (got.len() as f64).sqrt();
            let allowed = ROUNDING * norm(expected) + GRADIENT * f64::from(self.rate) * norm(gauge) + least;
            let rule = Rule::Norm(allowed);
            let mut outcome = compare(got, expected, &rule);
            // Its place in the whole tensor.
            outcome.worst.iter_mut().for_each(|worst| {
                worst.index = match (name, worst.index) {
                    ("W1", i) => i / units.len() * H + units[i % units.len()],
                    ("b1", i) => units[i],
                    ("W2", i) => units[i / C] * C + i % C,
                    (_, i) => i,
                }
            });
            Finding::new("weights after a step (update)", outcome).at(name)
        });
        compared.collect()
    }

    /// The gradient's sums over the absolute values of all that is added up, the two terms of `p − [c = y]` apart: what its
    /// rounding errors go by. Of a bias the terms nearly cancel in a network that has learnt.
    fn gauge(&self, x: &Matrix, head: &Head, labels: &[u8], network: &Network) -> Network {
        let Head { hidden, p, .. } = head;
        let mut network = network.clone();
        network.tensors_mut().into_iter().flatten().for_each(|value| *value = value.abs());
        let label = |b: usize, c: usize| f64::from(u8::from(c == usize::from(labels[b])));
        let dlogit = Matrix::of(p.rows(), p.columns, |b, c| (p[b][c] + label(b, c)) / p.rows() as f64);
        let through = |b: usize, h: usize| dlogit[b].iter().zip(&network.W2[h]).map(|(d, w)| d * w).sum();
        let dhidden =
            Matrix::of(p.rows(), network.b1.len(), |b, h| if hidden[b][h] > 0.0 { through(b, h) } else { 0.0 });
        let x = Matrix { values: x.values.iter().map(|value| value.abs()).collect(), columns: x.columns };
        gradient(&x, &Head { hidden: hidden.clone(), dlogit, dhidden, ..Head::default() }, &network, self.decay.into())
    }

    /// The inputs and labels of `rows`.
    fn read(&self, rows: &[u32]) -> (Matrix, Vec<u8>) {
        let mut pixels = vec![0; rows.len() * self.dataset.inputs];
        self.dataset.gather(rows, &mut pixels);
        (standardise(&pixels, &self.standardisation.mean, &self.standardisation.scale), self.labels(rows))
    }

    fn labels(&self, rows: &[u32]) -> Vec<u8> {
        rows.iter().map(|&row| self.dataset.labels[row as usize]).collect()
    }
}

/// At most `most` of `count` things, but one at least: the slice whose turn it is.
fn slice(turn: usize, count: usize, most: usize) -> Vec<usize> {
    let length = most.clamp(1, count.max(1)).min(count);
    (0..length).map(|i| (turn * length + i) % count).collect()
}

fn same_loss(what: &'static str, got: f64, losses: &[f64]) -> Finding {
    let expected = losses.iter().sum::<f64>() / losses.len() as f64;
    let share = LOSS + U / 4.0 * losses.len() as f64;
    Finding::new(what, compare(&[got], &[expected], &Rule::Absolute(share * expected.abs().max(1.0))))
}

fn norm(values: &[f64]) -> f64 {
    values.iter().map(|value| value * value).sum::<f64>().sqrt()
}

/// Whether no number is one of a training that diverges.
fn tame(values: &[f64]) -> bool {
    values.iter().all(|value| value.abs() < RUNAWAY)
}

/// As f64.
fn widened(values: &[f32]) -> Vec<f64> {
    values.iter().copied().map(f64::from).collect()
}
