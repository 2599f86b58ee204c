//! The CPU engine in both precisions against the reference, at the shapes of the GPU's kernels.

use std::sync::Arc;

use super::images::{images, params, uneven};
use super::kernels::Shape;
use crate::cpu::CpuEngine;
use crate::cpu::real::Real;
use crate::engine::{Chunk, Engine, Job};
use crate::error::Result;
use crate::model::params::{Params, symbol};
use crate::model::reference::{self, Matrix, Network, Pass, standardise};
use crate::model::regularise::{Target, Training};
use crate::model::{Hidden, ModelSpec};
use crate::proof::Finding;
use crate::proof::compare::{Rule, compare};

/// In f32, every value is this close to the reference's, as a share of it or of the root mean square of its tensor. Worst seen
/// 1.2e-6, of the gradient of b2 (C = 130).
const F32: f64 = 1e-5;
/// The same in f64. Worst seen 9.9e-15, of logits (D = 3,072).
const F64: f64 = 1e-13;
/// Steps' losses are handed out as f32, which rounds them by half of 2⁻²³.
const LOSS: f64 = 6e-8;
/// What enters a `ReLU` this close to 0, as a share of the root mean square of all that enters, can be on either side in f32.
const NEAR: f64 = 1e-5;
/// As in [`super::gradients`]: a step's result is then almost nothing but its gradient. A power of two.
const RATE: f32 = 1024.0;

/// A model's part of a check.
struct Model {
    params: Params,
    decay: f32,
    rate: f32,
    /// Its images of the two steps, and their labels.
    batches: [(Matrix, Vec<Target>); 2],
}

impl Model {
    fn pass(&self, network: &Network, step: usize) -> Pass {
        let (x, targets) = &self.batches[step];
        let product = reference::forward(x, &network.layers[0].W, 0..x.columns);
        reference::pass(&product, targets, network, &Training::default())
    }

    fn gradient(&self, network: &Network, step: usize) -> Network {
        reference::gradient(&self.batches[step].0, &self.pass(network, step), network, self.decay.into())
    }
}

/// Logits, scores, squares, gradients and the losses of two steps, of which the second one's is of the weights after the first.
pub(super) fn check<T: Real>(shape: Shape) -> Result<Vec<Finding>> {
    let Shape { d, h, c, m, b, own } = shape;
    let spec = ModelSpec::new(d, Hidden::one(h), c)?;
    // A short batch after a full one, but for a batch of one.
    let (lengths, shuffles) = ([b, b - b / 3], if own { m } else { 1 });
    let (dataset, _) = images(d, c, (lengths[0] + lengths[1]) * shuffles);
    let standardisation = Arc::new(uneven(d));
    let rows: Vec<u32> = (0..dataset.labels.len() as u32).rev().collect();
    let model = |m: usize| {
        let batches = [0, 1].map(|step| {
            let rows = &rows[(step * lengths[0] * shuffles + m % shuffles * lengths[step])..][..lengths[step]];
            let mut pixels = vec![0; rows.len() * d];
            dataset.gather(rows, &mut pixels);
            let x = standardise(&pixels, &standardisation.mean, &standardisation.scale);
            (x, dataset.targets(rows.into()).collect())
        });
        let (decay, rate) = (0.1 / (1 + m) as f32, 0.05 / (1 + m) as f32);
        let mut model = Model { params: params(&spec, m as u64), decay, rate, batches };
        // Weights with which no ReLU is at its kink.
        for seed in (m..).step_by(101) {
            model.params = params(&spec, seed as u64);
            if !model.pass(&Network::from(&model.params), 0).at_a_kink(NEAR) {
                break;
            }
        }
        model
    };
    let models: Vec<Model> = (0..m).map(model).collect();

    let job =
        Job { decay: models.iter().map(|model| model.decay).collect(), batch_size: b, shuffles, ..Job::new(spec) };
    let mut engine = CpuEngine::<T>::new(job, dataset.clone(), standardisation.clone(), 2)?;
    let start: Vec<_> = models.iter().map(|model| model.params.clone()).collect();
    let tolerance = if size_of::<T>() == 4 { F32 } else { F64 };
    let close = Rule::Relative(tolerance);
    let close_loss = Rule::Relative(tolerance.max(LOSS));
    let mut findings = Vec::new();
    let mut add = |what, m: usize, tensor: &str, got: &[f64], expected: &[f64], rule: &Rule| {
        let finding = Finding::new(what, compare(got, expected, rule));
        findings.push(finding.at(format!("model {m}{tensor}")));
    };

    engine.load(&start)?;
    let squares = engine.squares()?;
    engine.train(&Chunk {
        images: (&rows[..b * shuffles]).into(),
        lengths: &[b as u32],
        rates: &vec![RATE; m],
        ..Chunk::default()
    })?;
    engine.losses()?;
    let moved: Vec<Network> = engine.networks().collect();
    engine.load(&start)?;
    let lengths = lengths.map(|length| length as u32);
    let rates: Vec<f32> = models.iter().chain(&models).map(|model| model.rate).collect();
    engine.train(&Chunk { images: (&rows).into(), lengths: &lengths, rates: &rates, ..Chunk::default() })?;
    let losses = engine.losses()?;
    engine.load(&start)?;

    for (m, model) in models.iter().enumerate() {
        let network = Network::from(&model.params);
        let pass = model.pass(&network, 0);
        let batch = &rows[m % shuffles * b..][..b];
        let widened = |values: &[T]| values.iter().map(|value| (*value).into()).collect::<Vec<f64>>();
        add("logits", m, "", &widened(&engine.logits(batch)?[m]), &pass.logit().values, &close);
        let tally = engine.evaluate(batch)?[m];
        add("evaluation's loss", m, "", &[tally.loss], &[pass.loss.iter().sum()], &close);
        let right = pass.right.iter().filter(|right| **right).count();
        add("right answers", m, "", &[tally.correct as f64], &[right as f64], &Rule::Exact);
        add("squares", m, "", &squares[m..=m], &[reference::squares(&network)], &close);

        let gradient = model.gradient(&network, 0);
        for (i, expected) in gradient.tensors().into_iter().enumerate() {
            let steps = network.tensors()[i].iter().zip(moved[m].tensors()[i]);
            let got: Vec<f64> = steps.map(|(before, after)| (before - after) / f64::from(RATE)).collect();
            add("gradients", m, &format!(", {}", symbol(i)), &got, expected, &close);
        }
        let mut after = network;
        reference::step(&mut after, &gradient, model.rate.into());
        let mean = |pass: &Pass| pass.loss.iter().sum::<f64>() / pass.loss.len() as f64;
        let got = [losses[m], losses[models.len() + m]].map(f64::from);
        add("losses of two steps", m, "", &got, &[mean(&pass), mean(&model.pass(&after, 1))], &close_loss);
    }
    Ok(findings)
}
