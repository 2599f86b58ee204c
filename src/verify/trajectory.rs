//! The ladder from one step to a whole run: lockstep, free running, final accuracy.
//!
//! A GPU in f32 and the CPU in f64 drift apart as about 2.5e-8·√steps, then by 1e-2 at once when one ReLU switches in one
//! and not in the other (first seen after 200 to 2,000 steps). So long runs are compared by what they are for.

use super::compare::{Rule, compare};
use super::course::{Course, findings, normwise, only};
use super::images::images;
use super::{Finding, Referee, TENSORS};
use crate::engine::{Engine, Job};
use crate::error::Result;
use crate::schedule::Triangle;
use crate::spec::{ModelSpec, Penalty};

/// The report's figure 1, whose highest learning rate is that of step 500.
const LR: Triangle = Triangle { min: 1e-5, max: 1e-1, half_cycle: 500 };
/// After one step from the same weights, each tensor is this close as a whole; and the step's loss, in nats: a loss near 0
/// is a difference of logits, so its relative error says nothing (2e-6 at a loss of 0.002). Worst seen 1.5e-7 on llvmpipe.
const LOCKSTEP: f64 = 1e-6;
/// Steps of the free run: before the first `ReLU` is likely to switch.
const FREE_STEPS: u64 = 50;
/// A whole run's accuracies differ by chance in which `ReLU` switched; by this share of the images at most. Seen: 0.002.
const ACCURACY: f64 = 0.01;

/// The report's network and settings on `count` images that are made up.
fn course(count: usize) -> Result<Course> {
    let model = ModelSpec::new(3072, 50, 10)?;
    let (dataset, standardisation) = images(model.inputs, model.classes, count);
    let decay = vec![Penalty::Half.gradient(0.01) as f32];
    let job = Job { model, decay, batch_size: 100, shuffles: 1 };
    Ok(Course::new(job, (0, LR), (0..count as u32).collect(), dataset, standardisation))
}

/// One step from the reference's weights, at steps 0, 1, 100, at the highest learning rate, and at step 1,000.
pub fn lockstep(referee: &Referee) -> Result<Vec<Finding>> {
    let mut course = course(2000)?;
    let mut reference = course.reference()?;
    let mut gpu = course.gpu(referee)?;
    reference.load(&course.start())?;
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
        let (got, expected) = (gpu.params()?.remove(0), only(reference.networks())?);
        for (outcome, name) in normwise(&got, expected, LOCKSTEP).into_iter().zip(TENSORS) {
            findings.push(Finding::new("weights after one step", outcome).at(format!("step {step}, {name}")));
        }
        let widened = |losses: Vec<f32>| losses.into_iter().map(f64::from).collect::<Vec<_>>();
        let outcome = compare(&widened(gpu.losses()?), &widened(reference.losses()?), &Rule::Absolute(LOCKSTEP));
        findings.push(Finding::new("loss of one step", outcome).at(format!("step {step}")));
    }
    Ok(findings)
}

/// Fifty steps without meeting, compared after each.
pub fn free(referee: &Referee) -> Result<Vec<Finding>> {
    let mut course = course(5000)?;
    let (mut gpu, mut reference) = (course.gpu(referee)?, course.reference()?);
    Ok(findings(&course.free(&mut gpu, &mut reference, FREE_STEPS, &mut |_| {})?))
}

/// A whole cycle: accuracy on the images trained on, GPU against CPU in f64.
pub fn accuracy(referee: &Referee) -> Result<Vec<Finding>> {
    let mut course = course(5000)?;
    let (mut reference, mut gpu) = (course.reference()?, course.gpu(referee)?);
    let start = course.start();
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
