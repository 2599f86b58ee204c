//! Trains trials, wave after wave, on one device and one set of images.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::trial::{Diverged, Point, Record, Scored, Trial};
use crate::data::split::Split;
use crate::data::{Dataset, Standardisation};
use crate::device::Device;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::model::ModelSpec;
use crate::model::params::Params;
use crate::terminal::Display;
use crate::train::{Divergence, Evaluation, Observer, State, Training};
use crate::util::signals::Signals;

/// Device and images.
pub struct Runner {
    /// What trains.
    pub device: Arc<Device>,
    /// The images.
    pub dataset: Arc<Dataset>,
    /// Which are trained on, which validate, which test; without test images nothing is tested.
    pub split: Split,
    /// Of the training images.
    pub standardisation: Arc<Standardisation>,
    /// Models in a wave at most; [`Device::wave`] unless a test says otherwise.
    pub wave: usize,
    /// What ends a wave before its time; none unless a command catches them.
    pub signals: Signals,
}

/// Trials that have ended together, and what they took.
pub struct Wave {
    /// One a trial, in the order of the trials.
    pub records: Vec<Record>,
    /// The weights at the end, one a trial; meaningless where it diverged.
    pub params: Vec<Params>,
    /// From building the engine to the last score.
    pub duration: Duration,
}

impl Runner {
    /// Images split and standardised, on a device that was opened.
    pub fn new(device: Arc<Device>, dataset: Arc<Dataset>, split: Split) -> Result<Self> {
        let standardisation = Arc::new(Standardisation::of(&dataset, &split.train)?);
        let wave = device.wave();
        Ok(Self { device, dataset, split, standardisation, wave, signals: Signals::default() })
    }

    /// Trains `trials` from fresh weights, those that can go together in waves, and hands over each wave at its end.
    pub fn fresh(
        &self,
        trials: &[Trial],
        display: &mut Display,
        done: &mut dyn FnMut(Wave, &mut Display) -> Result<()>,
    ) -> Result<()> {
        for group in groups(trials) {
            for wave in group.chunks(self.wave.max(1)) {
                self.wave(wave, display, done)?;
            }
        }
        Ok(())
    }

    /// Trains one network through `trials` in their order, from `start`, or from fresh weights of the first trial's
    /// seed. After a trial that diverged the next goes on from the weights before it.
    pub fn warm(
        &self,
        trials: &[Trial],
        start: Option<Params>,
        display: &mut Display,
        done: &mut dyn FnMut(Wave, &mut Display) -> Result<()>,
    ) -> Result<()> {
        let Some(first) = trials.first() else { return Ok(()) };
        let mut params = match start {
            Some(params) => params,
            None => Params::init(&self.shape(first)?, first.spec.seed),
        };
        for trial in trials {
            let trials = std::slice::from_ref(trial);
            let start = Instant::now();
            let training = self.training(trials)?;
            let mut engine = self.engine(&training, trial)?;
            let mut wave = self.train(&training, trials, vec![params.clone()], engine.as_mut(), display)?;
            wave.duration = start.elapsed();
            match wave.records[0].diverged {
                None => params.clone_from(&wave.params[0]),
                Some(_) => wave.params[0].clone_from(&params),
            }
            done(wave, display)?;
        }
        Ok(())
    }

    /// Trains trials that go together at once, or, where the device's memory does not suffice, each half of them.
    fn wave(
        &self,
        trials: &[Trial],
        display: &mut Display,
        done: &mut dyn FnMut(Wave, &mut Display) -> Result<()>,
    ) -> Result<()> {
        let start = Instant::now();
        let training = self.training(trials)?;
        let mut engine = match self.engine(&training, &trials[0]) {
            Err(Error::Gpu(_) | Error::Resources(_)) if trials.len() > 1 => {
                let (first, second) = trials.split_at(trials.len() / 2);
                self.wave(first, display, done)?;
                return self.wave(second, display, done);
            }
            engine => engine?,
        };
        let shape = self.shape(&trials[0])?;
        let fresh = trials.iter().map(|trial| Params::init(&shape, trial.spec.seed)).collect();
        let mut wave = self.train(&training, trials, fresh, engine.as_mut(), display)?;
        wave.duration = start.elapsed();
        done(wave, display)
    }

    fn training(&self, trials: &[Trial]) -> Result<Training> {
        let specs = trials.iter().map(|trial| trial.spec.clone()).collect();
        Training::new(specs, self.split.clone(), trials[0].cut)
    }

    /// The shape of a trial's network.
    pub fn shape(&self, trial: &Trial) -> Result<ModelSpec> {
        ModelSpec::new(self.dataset.inputs, trial.hidden, self.dataset.classes.len())
    }

    fn engine(&self, training: &Training, trial: &Trial) -> Result<Box<dyn Engine>> {
        let job = training.job(self.shape(trial)?);
        self.device.trainer(job, &self.split, self.dataset.clone(), self.standardisation.clone())
    }

    /// Trains `trials` from the weights `start`, one a trial.
    fn train(
        &self,
        training: &Training,
        trials: &[Trial],
        start: Vec<Params>,
        engine: &mut dyn Engine,
        display: &mut Display,
    ) -> Result<Wave> {
        display.start(training.plan().steps());
        let models = trials.len();
        let mut watch =
            Watch { display, signals: &self.signals, points: vec![Vec::new(); models], diverged: vec![None; models] };
        let outcome = training.run_from(State::fresh(start), engine, &mut watch, &mut (), None)?;
        let Watch { points, diverged, .. } = watch;
        let records = trials.iter().zip(points).zip(diverged).zip(outcome.test);
        let records = records.map(|(((trial, evaluations), diverged), test)| {
            let last = evaluations.last().filter(|_| diverged.is_none());
            let result = last.map(|last| Scored { train: last.train, validation: last.validation, test });
            Record { trial: trial.clone(), evaluations, result, diverged }
        });
        Ok(Wave { records: records.collect(), params: outcome.params, duration: Duration::ZERO })
    }
}

/// Trials that can train together, in the order of their first.
pub(super) fn groups(trials: &[Trial]) -> Vec<Vec<Trial>> {
    let mut groups: Vec<Vec<Trial>> = Vec::new();
    for trial in trials {
        match groups.iter_mut().find(|group| group[0].goes_with(trial)) {
            Some(group) => group.push(trial.clone()),
            None => groups.push(vec![trial.clone()]),
        }
    }
    groups
}

/// Collects what a wave's trials come to.
struct Watch<'a> {
    display: &'a mut Display,
    signals: &'a Signals,
    points: Vec<Vec<Point>>,
    diverged: Vec<Option<Diverged>>,
}

impl Observer for Watch<'_> {
    fn stepped(&mut self, step: u64) -> Result<()> {
        self.display.stepped(step)?;
        self.signals.caught(format_args!("step {step} of a wave")).map_or(Ok(()), Err)
    }

    fn evaluated(&mut self, evaluation: &Evaluation) -> Result<()> {
        for ((scores, points), diverged) in evaluation.models.iter().zip(&mut self.points).zip(&self.diverged) {
            if diverged.is_none() {
                points.push(Point {
                    step: evaluation.step,
                    epoch: evaluation.epoch,
                    lr: scores.rate,
                    train: scores.train,
                    validation: scores.validation,
                });
            }
        }
        Ok(())
    }

    /// The others go on.
    fn diverged(&mut self, divergence: Divergence) -> Result<()> {
        let Divergence { model, step, what, .. } = divergence;
        self.diverged[model] = Some(Diverged { step, message: what });
        Ok(())
    }
}
