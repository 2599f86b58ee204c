//! The referee: every check that an engine computes the right thing, for `cyclone verify` and `cargo test`. The only module,
//! beside the one that opens devices, that sees both engines.
//!
//! A ladder. [`crate::model::reference`] judges every kernel of the GPU ([`kernels`]), the CPU engine (`cpu`) and, after
//! differences of the cost have judged its own, gradients ([`gradients`]). The CPU engine in f64, so judged, judges what is too
//! long for the reference: one step, fifty steps and whole runs ([`trajectory`]). Equal bits however the work is cut ([`bits`]);
//! and wrong kernels, to see that the checks can fail ([`mutants`]). A user's own training can be taken through both engines
//! too ([`own_run`]). What
//! compilers make of the kernels can be seen without a GPU ([`emit`]).

mod artefact;
pub mod bits;
mod cpu;
pub mod emit;
mod finding;
pub mod gradients;
mod images;
pub mod kernels;
pub mod launch;
pub mod mutants;
pub mod own_run;
pub mod paired_run;
mod referee;
pub mod shaders;
pub mod trajectory;

use std::path::Path;
use std::time::Instant;

use serde::Serialize;

pub use self::finding::Report;
pub use self::referee::Referee;
use crate::cpu::real::Real;
use crate::error::{Error, Result};
use crate::proof::Finding;

/// How much to check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Small shapes and the report's own: under a minute on two cores with a software driver.
    Quick,
    /// Every real shape and whole runs as well: a few minutes on a real GPU.
    Full,
}

/// What a check of no single kernel does.
type Function = dyn Fn(&Referee) -> Result<Vec<Finding>>;

enum Work {
    Kernel(kernels::Case),
    Function(Box<Function>),
}

/// One named check.
pub struct Check {
    /// What `--case` takes.
    pub name: String,
    /// The family it belongs to, for the table.
    pub group: &'static str,
    work: Work,
}

impl Check {
    fn function(group: &'static str, name: &str, work: impl Fn(&Referee) -> Result<Vec<Finding>> + 'static) -> Self {
        Self { name: name.to_owned(), group, work: Work::Function(Box::new(work)) }
    }

    fn cpu<T: Real>(shape: kernels::Shape) -> Self {
        Self::function("cpu", &format!("cpu/{shape}/{}", T::NAME), move |_| cpu::check::<T>(shape))
    }

    /// Runs it. What a wrong kernel was given and gave is saved in the folder `failures`, which is made only then.
    ///
    /// # Errors
    ///
    /// [`Error::Gpu`] for what a driver can do, [`Error::Output`] if nothing can be saved. A difference is no error, but a
    /// failed finding.
    pub fn run(&self, referee: &Referee, failures: &Path) -> Result<Report> {
        let start = Instant::now();
        let mut report = Report { name: self.name.clone(), group: self.group, ..Report::default() };
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
    checks.extend(kernels::shapes(full).flat_map(|shape| [Check::cpu::<f32>(shape), Check::cpu::<f64>(shape)]));
    checks.extend([
        Check::function("gradients", "gradients/small", |_| Ok(gradients::small())),
        Check::function("gradients", "gradients/report", |_| Ok(gradients::report().into())),
        Check::function("gradients", "gradients/directions", |_| Ok(gradients::directions())),
        Check::function("gradients", "gradients/gpu", gradients::gpu),
        Check::function("trajectory", "trajectory/lockstep", trajectory::lockstep),
        Check::function("trajectory", "trajectory/free", trajectory::free),
        Check::function("bits", "bits/rerun", bits::rerun),
        Check::function("bits", "bits/chunks", bits::chunks),
        Check::function("bits", "bits/tunings", bits::tunings),
        Check::function("bits", "bits/feeds", bits::feeds),
        Check::function("bits", "bits/together", bits::together),
        Check::function("bits", "bits/waves", bits::waves),
        Check::function("bits", "bits/resumed", bits::resumed),
    ]);
    if full {
        checks.push(Check::function("trajectory", "trajectory/accuracy", trajectory::accuracy));
    }
    checks
}
