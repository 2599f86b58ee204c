//! A user's own training on both engines: the same configuration, images, batches and weights for some steps.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use serde::Serialize;

use super::paired_run::{PairedRun, Step, findings, only};
use super::{Referee, Report};
use crate::config::{Config, Settings};
use crate::data::batches::Batches;
use crate::data::split::Split;
use crate::data::{Dataset, Standardisation};
use crate::engine::{Engine, Tally};
use crate::error::{Error, Result, shown};
use crate::model::ModelSpec;
use crate::model::softmax::largest;
use crate::proof::Finding;
use crate::proof::compare::{Rule, compare};
use crate::records::initial;
use crate::records::run::CONFIG;
use crate::train::Training;

/// The configuration of the run in the folder `run`.
pub fn config(run: &Path) -> Result<Config> {
    let within = |error: Error| Error::Usage(format!("--run {}: {error}", shown(run)));
    let config = Config::default().with(Settings::read(&run.join(CONFIG)).map_err(within)?);
    config.check()?;
    Ok(config)
}

/// What both engines made of one training.
#[derive(Clone, Debug, Serialize)]
pub struct Comparison {
    /// Step after step.
    pub steps: Vec<Step>,
    /// What was judged.
    pub report: Report,
    /// Which images the next figures are of: `validation`, `test` or `training`.
    pub part: &'static str,
    /// How many.
    pub images: usize,
    /// Share of them to which both trained networks give the same class, both evaluated in f64.
    pub agreement: f64,
    /// Share of them that the GPU classifies rightly with its weights.
    pub gpu_accuracy: f64,
    /// Share of them that the CPU engine classifies rightly with its own.
    pub cpu_accuracy: f64,
    /// The GPU's time a step, all steps in one call, in microseconds.
    pub gpu_microseconds: f64,
    /// The CPU engine's, step after step.
    pub cpu_microseconds: f64,
}

/// A training to be taken through both engines.
pub struct OwnRun {
    run: PairedRun,
    /// How many steps it will train.
    pub steps: u64,
    part: &'static str,
    rows: Vec<u32>,
}

impl OwnRun {
    /// The first `steps` steps of `config` on `dataset`, or all of them if it has fewer. They begin with the weights that
    /// were given to the run in `folder`, if there were any.
    pub fn new(config: &Config, dataset: Arc<Dataset>, steps: u64, folder: Option<&Path>) -> Result<Self> {
        let split = Split::new(&dataset, &config.data_spec())?;
        config.train_spec().augment.check(&dataset)?;
        let standardisation = Arc::new(Standardisation::of(&dataset, &split.train, config.standardise)?);
        let shape = ModelSpec::new(dataset.inputs, config.hidden.clone(), dataset.classes.len())?;
        let cut = config.steps.map_or(steps, |cut| cut.min(steps));
        let mut training = Training::new(vec![config.train_spec()], split, Some(cut))?;
        if config.overfit_one_batch {
            training = training.on_one_batch()?;
        }
        let (job, split) = (training.job(&shape), training.split());
        let parts = [("validation", &split.validation), ("test", &split.test), ("training", &split.train)];
        let (part, rows) = parts.into_iter().find(|(_, rows)| !rows.is_empty()).unwrap_or(parts[2]);
        let (spec, whole) = (config.train_spec(), training.plan().whole);
        let batches = Batches::new(split.train.clone(), job.batch_size, vec![spec.seed]);
        let batches = batches.augmented(spec.augment).mixed(spec.regularise.mixup);
        let mut run = PairedRun::new(job, (spec, whole), batches, dataset, standardisation);
        let given = folder.map(|folder| initial::read(folder, None, &shape, config.repeats)).transpose()?.flatten();
        if let Some(mut given) = given {
            run.start = [given.swap_remove(0)];
        }
        Ok(Self { steps: training.plan().steps(), part, rows: rows.clone(), run })
    }

    /// Its network.
    pub fn shape(&self) -> ModelSpec {
        self.run.job.model.clone()
    }

    /// Trains and compares; `done` hears how many steps are done.
    ///
    /// # Errors
    ///
    /// [`Error::Usage`] for a shape that the GPU does not take, [`Error::Gpu`] for what a driver can do,
    /// [`Error::CheckFailed`] if no step can be judged. Differences are no error, but findings.
    pub fn compare(mut self, referee: &Referee, done: &mut dyn FnMut(u64)) -> Result<Comparison> {
        let start = Instant::now();
        let (mut gpu, mut cpu) = (self.run.gpu(referee)?, self.run.cpu()?);
        let steps = self.run.free(&mut gpu, &mut cpu, self.steps, done)?;
        let mut findings = findings(&steps);
        if findings.is_empty() {
            return Err(Error::CheckFailed(
                "nothing could be judged: a ReLU is at its kink in the first step, and both engines went their own \
                 ways from there; give the run another --seed"
                    .into(),
            ));
        }

        // The same steps at once, as `train` submits them.
        let apart = gpu.params()?;
        gpu.load(&self.run.start)?;
        let timed = Instant::now();
        self.run.train(&mut gpu, 0, self.steps)?;
        gpu.losses()?;
        let gpu_microseconds = timed.elapsed().as_secs_f64() * 1e6 / self.steps as f64;
        let [at_once, apart] = [&gpu.params()?, &apart]
            .map(|params| params[0].values.iter().flatten().copied().map(f64::from).collect::<Vec<_>>());
        findings.push(Finding::new("all steps in one call", compare(&at_once, &apart, &Rule::Exact)));
        let cpu_seconds: f64 = steps.iter().map(|step| step.cpu_seconds).sum();

        let accuracy = |tallies: Vec<Tally>| -> Result<f64> {
            let tally = only(tallies.iter())?;
            Ok(tally.correct as f64 / tally.images as f64)
        };
        let gpu_accuracy = accuracy(gpu.evaluate(&self.rows)?)?;
        let cpu_accuracy = accuracy(cpu.evaluate(&self.rows)?)?;
        let theirs = cpu.logits(&self.rows)?.concat();
        let ours = gpu.logits(&self.rows)?.concat();
        let classes = self.run.job.model.classes;
        let same =
            ours.chunks_exact(classes).zip(theirs.chunks_exact(classes)).filter(|(a, b)| largest(a) == largest(b));

        let images = self.rows.len();
        Ok(Comparison {
            part: self.part,
            images,
            agreement: same.count() as f64 / images as f64,
            gpu_accuracy,
            cpu_accuracy,
            gpu_microseconds,
            cpu_microseconds: cpu_seconds * 1e6 / self.steps as f64,
            steps,
            report: Report {
                name: "own run".into(),
                group: "own run",
                findings,
                seconds: start.elapsed().as_secs_f64(),
                ..Report::default()
            },
        })
    }
}
