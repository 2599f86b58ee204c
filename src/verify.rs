//! The referee: proves that the GPU computed the right thing. The only module, beside the one that opens devices, that
//! sees both engines.
//!
//! A ladder: every kernel against its f64 twin ([`kernels`]), gradients against differences ([`gradients`]), one step,
//! fifty steps and whole runs against the reference ([`trajectory`]), equal bits however the work is cut ([`bits`]); and
//! wrong kernels, to see that the checks can fail ([`mutants`]). `cyclone verify` and `cargo test` call the same
//! functions.

pub mod bits;
pub mod compare;
pub mod gradients;
mod images;
pub mod kernels;
pub mod launch;
pub mod mutants;
pub mod trajectory;

use std::sync::Arc;

use crate::data::{Dataset, Standardisation};
use crate::engine::Job;
use crate::error::{Error, Result};
use crate::gpu::{Gpu, GpuEngine};
use crate::kernels::Shaders;
use compare::Outcome;
use launch::{Launch, Launched};

/// Whose work is checked.
pub struct Referee {
    /// The device.
    pub gpu: Arc<Gpu>,
    /// The built-in shaders, or wrong ones.
    pub shaders: Shaders,
}

impl Referee {
    /// A GPU engine for pixels around 127.
    fn gpu_engine(&self, job: &Job, dataset: &Arc<Dataset>) -> Result<GpuEngine> {
        let inputs = job.model.inputs;
        let standardisation = Standardisation { mean: vec![127.0; inputs], scale: vec![1.0 / 70.0; inputs] };
        self.gpu_engine_on(job, dataset, &standardisation)
    }

    fn gpu_engine_on(&self, job: &Job, dataset: &Arc<Dataset>, standardisation: &Standardisation) -> Result<GpuEngine> {
        GpuEngine::new(self.gpu.clone(), job, dataset.clone(), standardisation, &self.shaders)
    }
}

/// What one comparison of a check found.
#[derive(Clone, Debug)]
pub struct Finding {
    /// What was compared; findings of the same name are summed up in one line.
    pub what: &'static str,
    /// How it came out.
    pub outcome: Outcome,
    /// Anything else worth saying.
    pub note: Option<String>,
}

impl Finding {
    fn new(what: &'static str, outcome: Outcome) -> Self {
        Self { what, outcome, note: None }
    }

    fn bits(what: &'static str, outcome: Outcome) -> Self {
        Self::new(what, outcome)
    }

    fn with_note(self, note: String) -> Self {
        Self { note: Some(note), ..self }
    }
}

/// How much to check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// Small shapes and the report's own: under a minute on two cores with a software driver.
    Quick,
    /// Every real shape and whole runs as well: a few minutes on a real GPU.
    Full,
}

enum Work {
    Kernel(kernels::Case),
    Function(fn(&Referee) -> Result<Vec<Finding>>),
}

/// One named check.
pub struct Check {
    /// What `--case` takes.
    pub name: String,
    /// The family it belongs to, for the table.
    pub group: &'static str,
    work: Work,
}

/// What a check came to.
pub enum Report {
    /// It ran.
    Ran {
        /// What it found; never empty.
        findings: Vec<Finding>,
        /// The dispatch and its results, of a kernel's check.
        launched: Option<Box<(Launch, Launched)>>,
    },
    /// It could not run here, and why.
    Skipped(String),
}

impl Check {
    fn function(group: &'static str, name: &str, work: fn(&Referee) -> Result<Vec<Finding>>) -> Self {
        Self { name: name.to_owned(), group, work: Work::Function(work) }
    }

    /// Runs it.
    pub fn run(&self, referee: &Referee) -> Result<Report> {
        match &self.work {
            Work::Function(work) => {
                let findings = work(referee)?;
                if findings.is_empty() {
                    return Err(Error::Internal(format!("check {} compared nothing", self.name)));
                }
                Ok(Report::Ran { findings, launched: None })
            }
            Work::Kernel(case) => {
                let launch = match case.launch(&referee.gpu.limits) {
                    Ok(launch) => launch,
                    Err(Error::Usage(why)) => return Ok(Report::Skipped(why)),
                    Err(error) => return Err(error),
                };
                let launched = launch.run(&referee.gpu, &referee.shaders)?;
                let findings =
                    launched.outcomes.iter().map(|(what, outcome)| Finding::new(what, outcome.clone())).collect();
                Ok(Report::Ran { findings, launched: Some(Box::new((launch, launched))) })
            }
        }
    }
}

/// The checks of a level, in the order of the ladder.
pub fn checks(level: Level) -> Vec<Check> {
    let full = level == Level::Full;
    let mut checks: Vec<_> = kernels::cases(full)
        .into_iter()
        .map(|case| Check { name: case.to_string(), group: case.kernel.name(), work: Work::Kernel(case) })
        .collect();
    checks.extend([
        Check::function("gradients", "gradients/small", gradients::small),
        Check::function("gradients", "gradients/report", gradients::report),
        Check::function("gradients", "gradients/directions", gradients::directions),
        Check::function("gradients", "gradients/gpu", gradients::gpu),
        Check::function("trajectory", "trajectory/lockstep", trajectory::lockstep),
        Check::function("trajectory", "trajectory/free", trajectory::free),
        Check::function("bits", "bits/rerun", bits::rerun),
        Check::function("bits", "bits/chunks", bits::chunks),
        Check::function("bits", "bits/together", bits::together),
    ]);
    if full {
        checks.push(Check::function("trajectory", "trajectory/accuracy", trajectory::accuracy));
    }
    checks
}
