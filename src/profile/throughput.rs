//! How fast a device trains, nothing else being measured.

use serde::Serialize;

use super::Options;
use super::sample::Sample;
use super::workload::{Run, Workload};
use crate::engine::Engine;
use crate::error::{Error, Result};

/// A repetition should take no longer, in seconds, unless its steps are asked for.
const LONGEST: f64 = 2.0;
/// The same on a software adapter: warm-up, repetitions and recordings then end within half a minute.
const LONGEST_SOFTWARE: f64 = 1.0;
/// A repetition should take at least so long: further epochs are added until then.
const LEAST: f64 = 0.1;
/// A shorter repetition, in seconds, is much of it its own beginning and end.
const SHORT: f64 = 0.005;
/// A larger spread of the repetitions is noise that a user should know of.
const SPREAD: f64 = 0.05;

/// Repetitions of the same steps.
#[derive(Clone, Debug, Serialize)]
pub struct Throughput {
    /// Steps of a repetition.
    pub steps: u64,
    /// Images of a repetition.
    pub images: u64,
    /// Seconds of the repetitions.
    pub seconds: Sample,
    /// The largest less the smallest of them, as a share of the median.
    pub spread: f64,
    /// By the median, as all that follows.
    pub seconds_a_step: f64,
    /// An image counts once, however many models see it.
    pub images_per_second: f64,
    /// Operations of all models a second.
    pub flops_per_second: f64,
}

impl Throughput {
    fn new(workload: &Workload, steps: u64, seconds: Sample) -> Self {
        let (images, median) = (workload.images(steps), seconds.median());
        Self {
            steps,
            images,
            spread: seconds.spread(),
            seconds_a_step: median / steps as f64,
            images_per_second: images as f64 / median,
            flops_per_second: workload.step_flops() * steps as f64 / median,
            seconds,
        }
    }

    /// Times `engine`, which has run a step before. Also returns the untimed run whose bits every timed one had.
    pub fn measure(
        engine: &mut dyn Engine,
        workload: &Workload,
        options: &Options,
        software: bool,
        warn: &mut dyn FnMut(String),
    ) -> Result<(Self, Run)> {
        let (steps, reference) = warm_up(engine, workload, options.steps, software, warn)?;
        let what = format!("a timed run on {}", engine.describe());
        let seconds = (0..options.repeats).map(|_| {
            let run = workload.run(engine, steps)?;
            run.check(&reference, &what).map(|()| run.seconds())
        });
        let seconds = Sample::new(seconds.collect::<Result<_>>()?);
        let seconds = seconds.ok_or_else(|| Error::Usage("--repeats 0: expected 1 or more".into()))?;
        let throughput = Self::new(workload, steps, seconds);
        if throughput.seconds.median() < SHORT {
            warn(format!(
                "a repetition takes only {:.2} ms, much of it beginning and end: give more --steps than {steps}",
                throughput.seconds.median() * 1e3
            ));
        }
        if throughput.spread > SPREAD {
            warn(format!(
                "the repetitions differ by {:.0} %: other programs are using the machine, or its clock is changing; \
                 quieten it, or give more --repeats than {}",
                throughput.spread * 100.0,
                options.repeats
            ));
        }
        Ok((throughput, reference))
    }
}

/// Finds out how many steps a repetition should have, and runs them once.
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
    // A step alone takes longer than one among others, so this is rather too few than too many.
    let affordable = (longest / workload.run(engine, 1)?.seconds()) as u64;
    if affordable < epoch {
        let steps = affordable.max(1);
        warn(format!("only {steps} of an epoch's {epoch} steps a repetition, to end soon: --steps {epoch} for all"));
        return Ok((steps, workload.run(engine, steps)?));
    }
    let first = workload.run(engine, epoch)?;
    let epochs = (LEAST / first.seconds()).ceil() as u64;
    if epochs <= 1 { Ok((epoch, first)) } else { Ok((epochs * epoch, workload.run(engine, epochs * epoch)?)) }
}
