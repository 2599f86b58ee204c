//! The referee: proves that the GPU computed the right thing. The only module, beside the one that opens devices, that
//! sees both engines.
//!
//! A ladder: every kernel against its f64 twin ([`kernels`]), gradients against differences ([`gradients`]), one step,
//! fifty steps and whole runs against the reference ([`trajectory`]), equal bits however the work is cut ([`bits`]); and
//! wrong kernels, to see that the checks can fail ([`mutants`]). A user's own training can be taken through both engines
//! too ([`own_run`]). `cyclone verify` and `cargo test` call the same functions.

mod artefact;
pub mod bits;
pub mod compare;
pub mod course;
pub mod gradients;
mod images;
pub mod kernels;
pub mod launch;
pub mod mutants;
pub mod own_run;
pub mod shaders;
pub mod trajectory;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use serde::Serialize;

use crate::config::spec::Feed;
use crate::data::{Dataset, Standardisation};
use crate::engine::Job;
use crate::error::{Error, Result};
use crate::gpu::kernels::Shaders;
use crate::gpu::plan::Tuning;
use crate::gpu::{Gpu, GpuEngine, Options};
use compare::Outcome;

/// Whose work is checked.
pub struct Referee {
    /// The device.
    pub gpu: Arc<Gpu>,
    /// The built-in shaders, or wrong ones.
    pub shaders: Shaders,
}

impl Referee {
    fn gpu_engine_on(&self, job: &Job, dataset: &Arc<Dataset>, standardisation: &Standardisation) -> Result<GpuEngine> {
        self.gpu_engine(job, dataset, standardisation, Feed::Stream, None)
    }

    fn gpu_engine(
        &self,
        job: &Job,
        dataset: &Arc<Dataset>,
        standardisation: &Standardisation,
        feed: Feed,
        tuning: Option<Tuning>,
    ) -> Result<GpuEngine> {
        let options = Options { feed, tuning, shaders: self.shaders.clone() };
        GpuEngine::new(self.gpu.clone(), job, dataset.clone(), standardisation, &options)
    }
}

/// The names of a network's tensors, in the order of [`crate::model::params::tensors`].
pub(crate) const TENSORS: [&str; 4] = ["W1", "b1", "W2", "b2"];

/// What one comparison of a check found.
#[derive(Clone, Debug, Serialize)]
pub struct Finding {
    /// What was compared; findings of the same name and unit are summed up in one line.
    pub what: &'static str,
    /// Where in the check: a step, a tensor, a model. Empty where there is but one place.
    pub at: String,
    /// How it came out.
    #[serde(flatten)]
    pub outcome: Outcome,
    /// Anything else worth saying.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

impl Finding {
    fn new(what: &'static str, outcome: Outcome) -> Self {
        Self { what, at: String::new(), outcome, note: None }
    }

    fn at(self, at: impl Into<String>) -> Self {
        Self { at: at.into(), ..self }
    }

    fn note(self, note: String) -> Self {
        Self { note: Some(note), ..self }
    }
}

/// How much to check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
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
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The check's name.
    pub name: String,
    /// Its family.
    pub group: &'static str,
    /// Why it could not run here, if it could not. Such a check has found nothing, and has not passed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub skipped: Option<String>,
    /// What it compared; empty only if it was skipped.
    pub findings: Vec<Finding>,
    /// The file with inputs, outputs and expected values of a kernel that was wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub saved: Option<PathBuf>,
    /// How long it took.
    pub seconds: f64,
}

impl Report {
    /// What was wrong.
    pub fn failures(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(|finding| !finding.outcome.passed())
    }

    /// Whether it ran and something was wrong.
    pub fn failed(&self) -> bool {
        self.failures().next().is_some()
    }
}

impl Check {
    fn function(group: &'static str, name: &str, work: fn(&Referee) -> Result<Vec<Finding>>) -> Self {
        Self { name: name.to_owned(), group, work: Work::Function(work) }
    }

    /// Runs it. What a wrong kernel was given and gave is saved in the folder `failures`, which is made only then.
    ///
    /// # Errors
    ///
    /// [`Error::Gpu`] for what a driver can do, [`Error::Output`] if nothing can be saved. A difference is no error, but a
    /// failed finding.
    pub fn run(&self, referee: &Referee, failures: &Path) -> Result<Report> {
        let start = Instant::now();
        let mut report = Report {
            name: self.name.clone(),
            group: self.group,
            skipped: None,
            findings: Vec::new(),
            saved: None,
            seconds: 0.0,
        };
        match &self.work {
            Work::Function(work) => report.findings = work(referee)?,
            Work::Kernel(case) => match case.launch(&referee.gpu.limits) {
                Err(Error::Usage(why)) => report.skipped = Some(why),
                Err(error) => return Err(error),
                Ok(launch) => {
                    let launched = launch.run(&referee.gpu, &referee.shaders)?;
                    report.findings =
                        launched.outcomes.iter().map(|(what, outcome)| Finding::new(what, outcome.clone())).collect();
                    if report.failed() {
                        report.saved = Some(artefact::save(failures, &self.name, &launch, &launched)?);
                    }
                }
            },
        }
        if report.findings.is_empty() && report.skipped.is_none() {
            return Err(Error::Internal(format!("check {} compared nothing", self.name)));
        }
        report.seconds = start.elapsed().as_secs_f64();
        Ok(report)
    }
}

/// The checks of a level, in the order of the ladder.
pub fn checks(level: Level) -> Vec<Check> {
    let full = level == Level::Full;
    let mut checks: Vec<_> = kernels::cases(full)
        .into_iter()
        .map(|case| Check { name: case.to_string(), group: case.of.kernel().name(), work: Work::Kernel(case) })
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
        Check::function("bits", "bits/tunings", bits::tunings),
        Check::function("bits", "bits/feeds", bits::feeds),
        Check::function("bits", "bits/together", bits::together),
        Check::function("bits", "bits/waves", bits::waves),
    ]);
    if full {
        checks.push(Check::function("trajectory", "trajectory/accuracy", trajectory::accuracy));
    }
    checks
}
