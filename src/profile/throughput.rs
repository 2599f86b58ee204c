//! Training speed, with nothing else being measured at the same time, and the device's ceilings before and after each
//! repetition.

use super::workload::{Run, Workload};
use crate::engine::Engine;
use crate::error::Result;
use crate::records::profile::{Ceilings, Throughput};
use crate::util::statistics::Sample;

/// Longest repetition in seconds, unless its steps are given.
const LONGEST: f64 = 2.0;
/// The same on a software adapter, so that the whole profile takes at most half a minute.
const LONGEST_SOFTWARE: f64 = 1.0;
/// Shortest repetition in seconds: more epochs are added until then.
const LEAST: f64 = 0.1;
/// A repetition shorter than this, in seconds, is mostly start and end.
const SHORT: f64 = 0.005;
/// Largest spread of the repetitions without a warning.
const SPREAD: f64 = 0.05;

impl Throughput {
    /// Times `engine`, which has run a step before, and calls `ceilings` before the first repetition and after each. Also
    /// returns what those were, and the untimed run that every timed one equals.
    pub fn measure(
        engine: &mut dyn Engine,
        workload: &Workload,
        (steps, repeats): (Option<u64>, usize),
        software: bool,
        mut ceilings: impl FnMut() -> Result<Ceilings>,
        warn: &mut dyn FnMut(String),
    ) -> Result<(Self, Vec<Ceilings>, Run)> {
        let (steps, reference) = warm_up(engine, workload, steps, software, warn)?;
        let mut rounds = vec![ceilings()?];
        let seconds = (0..repeats).map(|_| {
            let seconds = timed(engine, workload, steps, &reference)?;
            rounds.push(ceilings()?);
            Ok(seconds)
        });
        let seconds = Sample::new(seconds.collect::<Result<_>>()?);
        let (images, median, spread) = (workload.images(steps), seconds.median(), seconds.spread());
        if median < SHORT {
            warn(format!(
                "a repetition takes only {:.2} ms, mostly start and end: give more --steps than {steps}",
                median * 1e3
            ));
        }
        if spread > SPREAD {
            warn(format!(
                "the repetitions differ by {:.0} %: other programs are using the machine, or its clock is changing; \
                 stop them, or give more --repeats than {repeats}",
                spread * 100.0
            ));
        }
        let throughput = Self {
            steps,
            images,
            seconds,
            spread,
            seconds_a_step: median / steps as f64,
            images_per_second: images as f64 / median,
            flops_per_second: workload.step_flops() * steps as f64 / median,
        };
        Ok((throughput, rounds, reference))
    }
}

/// Seconds of `steps` steps, which must give the bits of `reference`.
pub fn timed(engine: &mut dyn Engine, workload: &Workload, steps: u64, reference: &Run) -> Result<f64> {
    let run = workload.run(engine, steps)?;
    run.check(reference, &format!("a timed run on {}", engine.describe()))?;
    Ok(run.seconds())
}

/// Chooses the number of steps of a repetition, and runs them once.
fn warm_up(
    engine: &mut dyn Engine,
    workload: &Workload,
    asked: Option<u64>,
    software: bool,
    warn: &mut dyn FnMut(String),
) -> Result<(u64, Run)> {
    if let Some(steps) = asked {
        return Ok((steps, workload.run(engine, steps)?));
    }
    let epoch = workload.steps_per_epoch();
    let longest = if software { LONGEST_SOFTWARE } else { LONGEST };
    // A single step takes longer than one of many, so this errs towards too few.
    let affordable = (longest / workload.run(engine, 1)?.seconds()) as u64;
    if affordable < epoch {
        let steps = affordable.max(1);
        warn(format!(
            "a repetition is only {steps} of the {epoch} steps of an epoch, to save time: --steps {epoch} for all"
        ));
        return Ok((steps, workload.run(engine, steps)?));
    }
    let first = workload.run(engine, epoch)?;
    let epochs = (LEAST / first.seconds()).ceil() as u64;
    if epochs <= 1 { Ok((epoch, first)) } else { Ok((epochs * epoch, workload.run(engine, epochs * epoch)?)) }
}
