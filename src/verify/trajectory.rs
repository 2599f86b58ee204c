//! The ladder from one step to a whole run: lockstep, free running, final accuracy.
//!
//! A GPU in f32 and the CPU in f64 drift apart as about 2.5e-8·√steps, then by 1e-2 at once when one ReLU switches in one
//! and not in the other (first seen after 200 to 2,000 steps). So long runs are compared by what they are for.

use super::compare::{Rule, compare};
use super::images::images;
use super::{Finding, Referee};
use crate::cpu::CpuEngine;
use crate::cpu::forward::{forward, slices, standardise};
use crate::cpu::head::{Activations, logits};
use crate::cpu::network::Network;
use crate::data::batches::Batches;
use crate::data::{Dataset, Standardisation};
use crate::engine::{Chunk, Engine, Job};
use crate::error::Result;
use crate::params::Params;
use crate::schedule::Triangle;
use crate::spec::{ModelSpec, Penalty};

/// The report's figure 1, whose highest learning rate is that of step 500.
const LR: Triangle = Triangle { min: 1e-5, max: 1e-1, half_cycle: 500 };
/// After one step from the same weights, each tensor is this close as a whole; and the step's loss, in nats: a loss near 0
/// is a difference of logits, so its relative error says nothing (2e-6 at a loss of 0.002). Worst seen 1.5e-7 on llvmpipe.
const LOCKSTEP: f64 = 1e-6;
/// After t steps, this times √t. Worst seen 1.1e-7.
const FREE: f64 = 5e-7;
/// Steps of the free run: before the first ReLU is likely to switch.
const FREE_STEPS: u64 = 50;
/// A whole run's accuracies differ by chance in which ReLU switched; by this share of the images at most. Seen: 0.002.
const ACCURACY: f64 = 0.01;

struct Course {
    job: Job,
    batches: Batches,
    dataset: std::sync::Arc<Dataset>,
    standardisation: std::sync::Arc<Standardisation>,
}

impl Course {
    fn new(count: usize) -> Result<Self> {
        let model = ModelSpec::new(3072, 50, 10)?;
        let (dataset, standardisation) = images(model.inputs, model.classes, count);
        let decay = vec![Penalty::Half.gradient(0.01) as f32];
        let job = Job { model, decay, batch_size: 100, shuffles: 1 };
        let batches = Batches::new((0..count as u32).collect(), job.batch_size, vec![0]);
        Ok(Self { job, batches, dataset, standardisation })
    }

    fn reference(&self) -> Result<CpuEngine<f64>> {
        CpuEngine::new(self.job.clone(), self.dataset.clone(), self.standardisation.clone(), 2)
    }

    /// Trains `engine` from step `first` up to step `last`.
    fn train(&mut self, engine: &mut dyn Engine, first: u64, last: u64) -> Result<()> {
        let (mut rows, mut lengths, mut rates) = (Vec::new(), Vec::new(), Vec::new());
        for step in first..last {
            lengths.push(self.batches.append(step, &mut rows));
            rates.push(LR.at(step) as f32);
        }
        engine.train(&Chunk { rows: &rows, lengths: &lengths, rates: &rates })
    }

    /// Which hidden units are active for which image of step `step`'s batch.
    fn active(&mut self, step: u64, network: &Network<f64>) -> Result<Vec<bool>> {
        let mut rows = Vec::new();
        let count = self.batches.append(step, &mut rows) as usize;
        let mut pixels = vec![0; count * self.job.model.inputs];
        self.dataset.gather(&rows, &mut pixels)?;
        let mut x = vec![0.0; pixels.len()];
        standardise(&pixels, &self.standardisation.mean, &self.standardisation.scale, &mut x);
        let mut partials = vec![0.0; slices(&self.job.model) * count * self.job.model.hidden];
        forward(&x, network, &mut partials);
        let mut activations = Activations::default();
        logits(&partials, count, network, &mut activations);
        Ok(activations.hidden.iter().map(|hidden| *hidden > 0.0).collect())
    }
}

fn widened(values: &[f32]) -> Vec<f64> {
    values.iter().copied().map(f64::from).collect()
}

/// One step from the reference's weights, at steps 0, 1, 100, at the highest learning rate, and at step 1,000.
pub fn lockstep(referee: &Referee) -> Result<Vec<Finding>> {
    let mut course = Course::new(2000)?;
    let mut reference = course.reference()?;
    let mut gpu = referee.gpu_engine_on(&course.job, &course.dataset, &course.standardisation)?;
    reference.load(&[Params::init(&course.job.model, 0)])?;
    let mut findings = Vec::new();
    let mut done = 0;
    for step in [0, 1, 100, LR.half_cycle, 1000] {
        course.train(&mut reference, done, step)?;
        done = step + 1;
        // Both start this step from the same f32 numbers.
        let start = reference.params()?;
        reference.load(&start)?;
        gpu.load(&start)?;
        reference.losses()?;
        course.train(&mut reference, step, step + 1)?;
        course.train(&mut gpu, step, step + 1)?;
        let (got, expected) = (gpu.params()?.remove(0), reference.networks().next().cloned());
        let Some(expected) = expected else { continue };
        for (got, expected) in got.values.iter().zip([&expected.w1, &expected.b1, &expected.w2, &expected.b2]) {
            let outcome = compare(&widened(got), expected, &Rule::Normwise(LOCKSTEP));
            findings.push(Finding::new("weights after one step", outcome).with_note(format!("step {step}")));
        }
        let outcome = compare(&widened(&gpu.losses()?), &widened(&reference.losses()?), &Rule::Absolute(LOCKSTEP));
        findings.push(Finding::new("loss of one step", outcome).with_note(format!("step {step}")));
    }
    Ok(findings)
}

/// Fifty steps without meeting, compared after each.
pub fn free(referee: &Referee) -> Result<Vec<Finding>> {
    let mut course = Course::new(5000)?;
    let mut reference = course.reference()?;
    let mut gpu = referee.gpu_engine_on(&course.job, &course.dataset, &course.standardisation)?;
    let start = [Params::init(&course.job.model, 0)];
    reference.load(&start)?;
    gpu.load(&start)?;
    let mut findings = Vec::new();
    for step in 0..FREE_STEPS {
        course.train(&mut reference, step, step + 1)?;
        course.train(&mut gpu, step, step + 1)?;
        let got = gpu.params()?.remove(0);
        let Some(expected) = reference.networks().next().cloned() else { break };
        let tolerance = FREE * ((step + 1) as f64).sqrt();
        let tensors = [&expected.w1, &expected.b1, &expected.w2, &expected.b2];
        for (got, expected) in got.values.iter().zip(tensors) {
            let outcome = compare(&widened(got), expected, &Rule::Normwise(tolerance));
            findings.push(Finding::new("weights of a free run", outcome).with_note(format!("after step {step}")));
        }
        let outcome = compare(&widened(&gpu.losses()?), &widened(&reference.losses()?), &Rule::Absolute(tolerance));
        findings.push(Finding::new("losses of a free run", outcome).with_note(format!("step {step}")));

        let (ours, theirs) =
            (course.active(step + 1, &Network::from_params(&got))?, course.active(step + 1, &expected)?);
        let flips = ours.iter().zip(&theirs).filter(|(ours, theirs)| ours != theirs).count();
        if flips > 0 {
            // From here on they are different networks, and both right.
            let note =
                format!("{flips} ReLU switched in one and not in the other before step {}: stopped there", step + 1);
            if let Some(last) = findings.last_mut() {
                last.note = Some(note);
            }
            break;
        }
    }
    Ok(findings)
}

/// A whole cycle: accuracy on the images trained on, GPU against CPU in f64.
pub fn accuracy(referee: &Referee) -> Result<Vec<Finding>> {
    let mut course = Course::new(5000)?;
    let mut reference = course.reference()?;
    let mut gpu = referee.gpu_engine_on(&course.job, &course.dataset, &course.standardisation)?;
    let start = [Params::init(&course.job.model, 0)];
    let rows: Vec<u32> = (0..5000).collect();
    let mut accuracies = Vec::new();
    for engine in [&mut reference as &mut dyn Engine, &mut gpu] {
        engine.load(&start)?;
        course.train(engine, 0, LR.cycle())?;
        let tally = engine.evaluate(&rows)?[0];
        accuracies.push(tally.correct as f64 / tally.images as f64);
    }
    let outcome = compare(&accuracies[1..], &accuracies[..1], &Rule::Absolute(ACCURACY));
    Ok(vec![Finding::new("accuracy after a cycle", outcome)])
}
