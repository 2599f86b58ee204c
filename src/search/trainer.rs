//! Trains trials, wave after wave, on one device and one set of images.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use super::Search;
use super::halving::Rung;
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
use crate::train::{Divergence, Evaluation, Keeper, Observer, Plan, State, Training};
use crate::util::signals::Signals;

/// A trial at the end of a rung, from which it continues: its one-model state, and its record until then.
pub type Begun = (State, Record);

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
        let standardisation = Arc::new(Standardisation::of(&dataset, &split.train, config.standardise)?);
        let models = device.wave();
        Ok(Self { device, dataset, split, standardisation, models, signals: Signals::default() })
    }

    /// Trains `trials` from fresh weights to their end, wave after wave.
    pub fn fresh(&self, trials: &[Trial], tell: &mut Tell<'_>) -> Result<()> {
        self.waves(trials, None, &|_| Ok(None), tell)
    }

    /// Trains `trials` through a rung, wave after wave, from what `begun` says they have come to.
    pub fn rung(
        &self,
        trials: &[Trial],
        rung: Rung,
        begun: &dyn Fn(&Trial) -> Result<Option<Begun>>,
        tell: &mut Tell<'_>,
    ) -> Result<()> {
        self.waves(trials, Some(rung), begun, tell)
    }

    /// The step that a trial's rung ends with.
    fn end(&self, rung: Rung, trial: &Trial) -> Result<u64> {
        rung.end(Plan::new(&trial.spec, self.split.train.len(), trial.cut).steps())
    }

    /// Whether the trials of `search` have steps enough for its rungs, and images that can be moved as they ask.
    pub fn check(&self, search: &Search) -> Result<()> {
        let first = search.halving.and_then(|halving| halving.all().next());
        search.trials().iter().try_for_each(|trial| {
            trial.spec.augment.check(&self.dataset)?;
            first.map_or(Ok(0), |first| self.end(first, trial)).map(drop)
        })
    }

    /// A wave that the device has no memory for is halved.
    fn waves(
        &self,
        trials: &[Trial],
        rung: Option<Rung>,
        begun: &dyn Fn(&Trial) -> Result<Option<Begun>>,
        tell: &mut Tell<'_>,
    ) -> Result<()> {
        let mut waves = waves(trials, self.models, 1);
        while let Some(mut trials) = waves.pop_front() {
            match Prepared::new(self, &trials, rung) {
                Err(Error::Gpu(_) | Error::Resources(_)) if trials.len() > 1 => {
                    let second = trials.split_off(trials.len() / 2);
                    waves.push_front(second);
                    waves.push_front(trials);
                }
                prepared => {
                    let prepared = prepared?;
                    let begun = trials.iter().map(begun).collect::<Result<Option<Vec<_>>>>()?;
                    let (state, records) = match begun {
                        Some(begun) => {
                            let (states, records): (Vec<_>, _) = begun.into_iter().unzip();
                            (State::join(states)?, records)
                        }
                        None => (prepared.training.fresh(&self.shape(&trials[0])?), unbegun(&trials)),
                    };
                    let wave = prepared.train(self, records, state, tell)?;
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
            let prepared = Prepared::new(self, trial, None)?;
            let state = prepared.training.begun_with(vec![params.clone()]);
            let mut wave = prepared.train(self, unbegun(trial), state, tell)?;
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

/// The records of `trials` before the first step.
fn unbegun(trials: &[Trial]) -> Vec<Record> {
    let record = |trial: &Trial| Record {
        trial: trial.clone(),
        evaluations: Vec::new(),
        rungs: Vec::new(),
        result: None,
        diverged: None,
    };
    trials.iter().map(record).collect()
}

/// A wave whose engine has the memory it needs.
struct Prepared {
    begun: Instant,
    rung: Option<Rung>,
    training: Training,
    engine: Box<dyn Engine>,
}

impl Prepared {
    fn new(trainer: &Trainer, trials: &[Trial], rung: Option<Rung>) -> Result<Self> {
        let Trainer { device, dataset, standardisation, .. } = trainer;
        let (begun, mut split) = (Instant::now(), trainer.split.clone());
        let Trial { spec, mut cut, .. } = trials[0].clone();
        spec.augment.check(dataset)?;
        if let Some(rung) = rung.filter(|rung| !rung.is_last()) {
            cut = Some(trainer.end(rung, &trials[0])?);
            split.test.clear();
        }
        let specs = trials.iter().map(|trial| trial.spec.clone()).collect();
        let training = Training::new(specs, split, cut)?;
        let job = training.job(&trainer.shape(&trials[0])?);
        let engine = device.trainer(job, training.split(), dataset.clone(), standardisation.clone())?;
        Ok(Self { begun, rung, training, engine })
    }

    /// Trains the trials of `records`, which go on, from `state`.
    fn train(mut self, trainer: &Trainer, records: Vec<Record>, state: State, tell: &mut Tell<'_>) -> Result<Wave> {
        tell(Event::Begun(self.training.plan().steps()))?;
        let (rung, end) = (self.rung, self.training.plan().steps());
        let mut scores = Scores { tell, signals: &trainer.signals, records, rung, end };
        let mut kept = Kept { end, state: None };
        let outcome = self.training.run_from(state, self.engine.as_mut(), &mut scores, &mut kept, None)?;
        let mut records = scores.records;
        for (record, test) in records.iter_mut().zip(outcome.test) {
            let last = if rung.is_some() { record.rungs.last() } else { record.evaluations.last() };
            let last = last.filter(|_| record.diverged.is_none());
            record.result = last.map(|last| Scored { train: last.train, validation: last.validation, test });
        }
        let goes_on = rung.is_some_and(|rung| !rung.is_last());
        let states = kept.state.filter(|_| goes_on).map_or(Vec::new(), State::split);
        Ok(Wave { records, params: outcome.params, states, duration: self.begun.elapsed() })
    }
}

/// Keeps the state at the end.
struct Kept {
    end: u64,
    state: Option<State>,
}

impl Keeper for Kept {
    fn save(&mut self, state: &State) -> Result<()> {
        if state.step == self.end {
            self.state = Some(state.clone());
        }
        Ok(())
    }
}

struct Scores<'a> {
    tell: &'a mut Tell<'a>,
    signals: &'a Signals,
    records: Vec<Record>,
    rung: Option<Rung>,
    /// The last step.
    end: u64,
}

impl Observer for Scores<'_> {
    fn stepped(&mut self, step: u64) -> Result<()> {
        (self.tell)(Event::Stepped(step))?;
        self.signals.caught(format_args!("step {step} of a wave")).map_or(Ok(()), Err)
    }

    fn evaluated(&mut self, evaluation: &Evaluation) -> Result<()> {
        let ends_rung = self.rung.filter(|_| evaluation.step == self.end);
        for (scores, record) in evaluation.models.iter().zip(&mut self.records) {
            let point = Point {
                step: evaluation.step,
                epoch: evaluation.epoch,
                lr: scores.rate,
                train: scores.train,
                validation: scores.validation,
            };
            if record.diverged.is_some() {
                continue;
            }
            // What falls on the end of a rung without halving too comes again at the start of the next one.
            if ends_rung.is_none_or(Rung::is_last) {
                record.evaluations.push(point.clone());
            }
            record.rungs.extend(ends_rung.map(|_| point));
        }
        Ok(())
    }

    /// The other models continue.
    fn diverged(&mut self, divergence: Divergence) -> Result<()> {
        let Divergence { model, step, what, .. } = divergence;
        let record = &mut self.records[model];
        // It has not ended this rung.
        record.rungs.truncate(self.rung.map_or(0, |rung| rung.index));
        record.diverged = Some(Diverged { step, message: what });
        Ok(())
    }
}
