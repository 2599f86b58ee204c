//! Trains trials, wave after wave, on one device and one set of images.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use super::trial::{Diverged, Point, Record, Scored, Trial};
use super::wave::{Event, Tell, Wave};
use crate::config::Config;
use crate::data::split::Split;
use crate::data::{Dataset, Standardisation};
use crate::device::Device;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::model::ModelSpec;
use crate::model::params::Params;
use crate::train::{Divergence, Evaluation, Observer, State, Training};
use crate::util::signals::Signals;

/// Trains waves.
pub struct Trainer {
    /// On which device.
    pub device: Arc<Device>,
    /// The images.
    pub dataset: Arc<Dataset>,
    /// Which are trained on, which validate, which test; without test images nothing is tested.
    pub split: Split,
    /// Of the training images.
    pub standardisation: Arc<Standardisation>,
    /// Models in a wave at most; [`Device::wave`] unless a test says otherwise.
    pub models: usize,
    /// What stops a wave early; none unless a command catches them.
    pub signals: Signals,
}

impl Trainer {
    /// Standardises the images of `split` as `config` says, for `device`.
    pub fn new(device: Arc<Device>, dataset: Arc<Dataset>, split: Split, config: &Config) -> Result<Self> {
        config.train_spec().augment.check(&dataset)?;
        let standardisation = Arc::new(Standardisation::of(&dataset, &split.train, config.standardise)?);
        let models = device.wave();
        Ok(Self { device, dataset, split, standardisation, models, signals: Signals::default() })
    }

    /// Trains `trials` from fresh weights, wave after wave. A wave that the device has no memory for is halved.
    pub fn fresh(&self, trials: &[Trial], tell: &mut Tell<'_>) -> Result<()> {
        let mut waves = waves(trials, self.models, 1);
        while let Some(mut trials) = waves.pop_front() {
            match Prepared::new(self, &trials) {
                Err(Error::Gpu(_) | Error::Resources(_)) if trials.len() > 1 => {
                    let second = trials.split_off(trials.len() / 2);
                    waves.push_front(second);
                    waves.push_front(trials);
                }
                prepared => {
                    let shape = self.shape(&trials[0])?;
                    let start =
                        trials.iter().map(|trial| Params::init(&shape, trial.spec.seed, trial.spec.init)).collect();
                    let wave = prepared?.train(self, &trials, start, tell)?;
                    tell(Event::Ended(&wave))?;
                }
            }
        }
        Ok(())
    }

    /// Trains one network through `trials` in their order, from `start`, or from fresh weights of the first trial's
    /// seed. After a trial that diverged the next starts from the weights before it.
    pub fn warm(&self, trials: &[Trial], start: Option<Params>, tell: &mut Tell<'_>) -> Result<()> {
        let Some(first) = trials.first() else { return Ok(()) };
        let mut params = match start {
            Some(params) => params,
            None => Params::init(&self.shape(first)?, first.spec.seed, first.spec.init),
        };
        for trial in trials.chunks(1) {
            let mut wave = Prepared::new(self, trial)?.train(self, trial, vec![params.clone()], tell)?;
            match wave.records[0].diverged {
                None => params.clone_from(&wave.params[0]),
                Some(_) => wave.params[0].clone_from(&params),
            }
            tell(Event::Ended(&wave))?;
        }
        Ok(())
    }

    /// The shape of a trial's network.
    pub fn shape(&self, trial: &Trial) -> Result<ModelSpec> {
        ModelSpec::new(self.dataset.inputs, trial.hidden.clone(), self.dataset.classes.len())
    }
}

/// `trials` in waves: those of the same shape and steps train together, at most `models` of them, but few enough that each
/// of `ranks` gets a wave.
pub(super) fn waves(trials: &[Trial], models: usize, ranks: usize) -> VecDeque<Vec<Trial>> {
    let mut together: Vec<Vec<Trial>> = Vec::new();
    for trial in trials {
        match together.iter_mut().find(|trials| trials[0].goes_with(trial)) {
            Some(trials) => trials.push(trial.clone()),
            None => together.push(vec![trial.clone()]),
        }
    }
    let size = |trials: &[Trial]| models.min(trials.len().div_ceil(ranks)).max(1);
    together.iter().flat_map(|trials| trials.chunks(size(trials)).map(<[Trial]>::to_vec)).collect()
}

/// A wave whose engine has the memory it needs.
struct Prepared {
    begun: Instant,
    training: Training,
    engine: Box<dyn Engine>,
}

impl Prepared {
    fn new(trainer: &Trainer, trials: &[Trial]) -> Result<Self> {
        let Trainer { device, dataset, split, standardisation, .. } = trainer;
        let begun = Instant::now();
        let specs = trials.iter().map(|trial| trial.spec.clone()).collect();
        let training = Training::new(specs, split.clone(), trials[0].cut)?;
        let job = training.job(&trainer.shape(&trials[0])?);
        let engine = device.trainer(job, split, dataset.clone(), standardisation.clone())?;
        Ok(Self { begun, training, engine })
    }

    /// Trains `trials` from the weights `start`, one a trial.
    fn train(mut self, trainer: &Trainer, trials: &[Trial], start: Vec<Params>, tell: &mut Tell<'_>) -> Result<Wave> {
        tell(Event::Begun(self.training.plan().steps()))?;
        let models = trials.len();
        let mut scores =
            Scores { tell, signals: &trainer.signals, points: vec![Vec::new(); models], diverged: vec![None; models] };
        let outcome = self.training.run_from(State::fresh(start), self.engine.as_mut(), &mut scores, &mut (), None)?;
        let Scores { points, diverged, .. } = scores;
        let records = trials.iter().zip(points).zip(diverged).zip(outcome.test);
        let records = records.map(|(((trial, evaluations), diverged), test)| {
            let last = evaluations.last().filter(|_| diverged.is_none());
            let result = last.map(|last| Scored { train: last.train, validation: last.validation, test });
            Record { trial: trial.clone(), evaluations, result, diverged }
        });
        Ok(Wave { records: records.collect(), params: outcome.params, duration: self.begun.elapsed() })
    }
}

struct Scores<'a> {
    tell: &'a mut Tell<'a>,
    signals: &'a Signals,
    points: Vec<Vec<Point>>,
    diverged: Vec<Option<Diverged>>,
}

impl Observer for Scores<'_> {
    fn stepped(&mut self, step: u64) -> Result<()> {
        (self.tell)(Event::Stepped(step))?;
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

    /// The other models continue.
    fn diverged(&mut self, divergence: Divergence) -> Result<()> {
        let Divergence { model, step, what, .. } = divergence;
        self.diverged[model] = Some(Diverged { step, message: what });
        Ok(())
    }
}
