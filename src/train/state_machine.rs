//! The training loop as a state machine: it says what is next, and is told what came out.
//!
//! It does no I/O, shows nothing and waits for nothing, so synchronous and asynchronous code can drive it alike. Whoever does
//! has the engine, the clock and the images ([`super::Training::run_from`] is one): asks for the next [`Action`], does it,
//! and tells its result by the method that the action names.

use std::ops::Range;
use std::time::Duration;

use super::observer::Divergence;
use super::outcome::{Outcome, Stopped};
use super::plan::Plan;
use super::scores::{Evaluation, Score, Scores, Timing};
use super::state::{BatchLosses, Best, State};
use crate::config::spec::TrainSpec;
use crate::engine::{Checks, Chunk, Tally};
use crate::error::{Error, Result};
use crate::model::params::Params;

/// What is to be done next, and the method that is told of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Replace the weights by their means over all processes: [`Loop::averaged`], after [`Loop::check_weights`].
    Average,
    /// Score all models on the training and validation images: [`Loop::checked`], [`Loop::scored`].
    Evaluate,
    /// Keep the state as the best so far: [`Loop::state`], [`Loop::kept`].
    Hold,
    /// Save the state: [`Loop::state`], [`Loop::kept`].
    Save,
    /// Hand the chunk of these steps to the engine: [`Loop::trained`].
    Train(Range<u64>),
    /// Ask the engine for the losses of all chunks since the last ones: [`Loop::losses`].
    Losses,
    /// Score all models on the test images, and end: [`Loop::checked`], [`Loop::finish`].
    Test,
}

/// What the driver can do, and how often.
#[derive(Clone, Copy, Debug)]
pub struct Driver {
    /// Most steps of a chunk.
    pub chunk_steps: u64,
    /// Steps between two saved states, beside those at the end of every cycle and of the training.
    pub every: Option<u64>,
    /// Whether it holds the state of the best evaluation.
    pub holds_best: bool,
    /// Whether it averages the weights over several processes at the end of every cycle and of the training. Between these
    /// the processes' weights differ, and no state is held or saved.
    pub averages: bool,
}

/// A training between two actions.
pub struct Loop {
    models: Vec<TrainSpec>,
    plan: Plan,
    driver: Driver,
    /// The step it began at.
    start: u64,
    /// Steps handed to the engine.
    step: u64,
    phase: Phase,
    /// Since the last evaluation.
    losses: BatchLosses,
    /// Each model's loss of the last step.
    last_losses: Vec<Option<f32>>,
    diverged: Vec<bool>,
    /// Of this step, if there was one.
    evaluation: Option<Evaluation>,
    best: Option<Best>,
    /// Of the processes before, and of all.
    checks: [Option<Checks>; 2],
    /// Why it ends before its time.
    stopped: Option<Error>,
    timing: Timing,
}

/// At the step of an evaluation or a checkpoint come the first five, in this order; then the way to the next one.
#[derive(Clone, Copy, Debug)]
enum Phase {
    Average,
    Evaluate,
    Hold,
    Save,
    Leave,
    Train { first: u64, end: u64 },
    Losses { first: u64 },
    Test,
}

impl Loop {
    /// The loop that trains `models` by `plan` from `state` on.
    pub fn new(models: &[TrainSpec], plan: Plan, driver: Driver, state: &State) -> Result<Self> {
        same_length("weights", state.params.len(), models.len())?;
        same_length("sums of losses", state.losses.sums.len(), models.len())?;
        if state.step > plan.steps() {
            return Err(Error::Internal(format!("a state after step {} of {}", state.step, plan.steps())));
        }
        Ok(Self {
            models: models.to_vec(),
            plan,
            driver,
            start: state.step,
            step: state.step,
            phase: Phase::Average,
            losses: state.losses.clone(),
            last_losses: vec![None; models.len()],
            diverged: vec![false; models.len()],
            evaluation: None,
            best: state.best,
            checks: [state.checks; 2],
            stopped: None,
            timing: state.timing,
        })
    }

    /// Steps handed to the engine.
    pub fn step(&self) -> u64 {
        self.step
    }

    /// The evaluation of this step, if there was one.
    pub fn evaluation(&self) -> Option<&Evaluation> {
        self.evaluation.as_ref()
    }

    /// What is next; the same until it is told. With a reason to `stop` the training ends between two chunks: the state is
    /// saved, then the reason returned.
    pub fn next(&mut self, mut stop: Option<Error>) -> Result<Action> {
        loop {
            self.phase = match self.phase {
                Phase::Average if self.driver.averages && self.is_due(None) => return Ok(Action::Average),
                Phase::Average => Phase::Evaluate,
                Phase::Evaluate if stop.is_some() => {
                    self.stopped = stop.take();
                    Phase::Save
                }
                Phase::Evaluate if self.plan.evaluates_at(self.step) => return Ok(Action::Evaluate),
                Phase::Evaluate => Phase::Save,
                Phase::Hold => return Ok(Action::Hold),
                Phase::Save if self.saves() => return Ok(Action::Save),
                Phase::Save => Phase::Leave,
                Phase::Leave => self.leave()?,
                Phase::Train { first, end } if self.step == end || self.step > first && stop.is_some() => {
                    Phase::Losses { first }
                }
                Phase::Train { end, .. } => {
                    let steps = self.driver.chunk_steps.max(1);
                    return Ok(Action::Train(self.step..end.min(self.step + steps)));
                }
                Phase::Losses { .. } => return Ok(Action::Losses),
                Phase::Test => return Ok(Action::Test),
            }
        }
    }

    /// Whether a checkpoint falls on this step, which was reached here; `every` as in [`Plan::next_checkpoint`].
    fn is_due(&self, every: Option<u64>) -> bool {
        self.step > self.start && self.step == self.plan.next_checkpoint(self.step - 1, every)
    }

    fn saves(&self) -> bool {
        let ends = self.stopped.is_some() && !self.driver.averages;
        self.is_due(self.driver.every) || ends || self.evaluation.is_some() && self.out_of_patience().is_some()
    }

    /// Whether this is the end, after an evaluation.
    fn is_over(&self) -> bool {
        let diverged = self.diverged.iter().all(|&diverged| diverged);
        self.step >= self.plan.steps() || diverged || self.out_of_patience().is_some()
    }

    /// Why it ends early, if it does. Several processes have the same weights, and agree, at the end of a cycle alone.
    fn out_of_patience(&self) -> Option<Stopped> {
        let best =
            self.best.filter(|_| self.step < self.plan.steps() && (!self.driver.averages || self.is_due(None)))?;
        Some(Stopped { patience: self.plan.exhausted(best.step, self.step)?, best })
    }

    /// On from a step at which nothing is left to do.
    fn leave(&mut self) -> Result<Phase> {
        if let Some(reason) = self.stopped.take() {
            return Err(reason);
        }
        if self.evaluation.is_some() {
            if self.is_over() {
                return Ok(Phase::Test);
            }
            self.evaluation = None;
            self.losses = BatchLosses::new(self.models.len());
        }
        let end = self.plan.next_evaluation(self.step).min(self.plan.next_checkpoint(self.step, self.driver.every));
        Ok(Phase::Train { first: self.step, end })
    }

    /// The weights are the means now.
    pub fn averaged(&mut self, took: Duration) {
        self.timing.training += took;
        self.phase = Phase::Evaluate;
    }

    /// All models have been scored, which `took` so long: their sums over the training and the validation images, and of
    /// their weights' squares. Returns the models that this shows to have diverged.
    pub fn scored(
        &mut self,
        train: &[Tally],
        validation: &[Tally],
        squares: &[f64],
        took: Duration,
    ) -> Result<Vec<Divergence>> {
        let [train, validation] = [self.scores(train, squares)?, self.scores(validation, squares)?];
        self.timing.evaluation += took;
        let means = self.losses.means();
        let models = self.models.iter().enumerate().map(|(model, spec)| Scores {
            rate: spec.lr.at(self.step, self.plan.whole),
            batch_loss: means.as_ref().map(|means| means[model]),
            train: train[model].unwrap_or_default(),
            validation: validation[model],
        });
        let (models, checks, timing) = (models.collect(), self.checks[1], self.timing);
        let evaluation = Evaluation { step: self.step, epoch: self.plan.epoch(self.step), models, checks, timing };

        self.phase = Phase::Save;
        if !self.driver.averages || self.is_due(None) {
            let accuracy = evaluation.validation_accuracy();
            let better = accuracy.filter(|accuracy| self.best.is_none_or(|best| *accuracy > best.accuracy));
            if let Some(accuracy) = better {
                self.best = Some(Best { accuracy, step: self.step });
                self.phase = if self.driver.holds_best { Phase::Hold } else { Phase::Save };
            }
        }
        let divergences = evaluation.models.iter().enumerate().filter_map(|(model, scores)| {
            let costs = [Some(scores.train), scores.validation].map(|score| score.map_or(0.0, |score| score.cost));
            let before = scores.batch_loss.map_or(String::new(), |loss| format!("; the batches before had {loss:.4e}"));
            let what = || format!("the training loss is {}{before}", scores.train.loss);
            if costs.iter().all(|cost| cost.is_finite()) { None } else { self.diverged(model, self.step, what()) }
        });
        let divergences = divergences.collect();
        self.evaluation = Some(evaluation);
        Ok(divergences)
    }

    /// This process's checks of its engine so far, or, before [`Self::finish`], all; none if it is not checked, and then the
    /// training as a whole is not.
    pub fn checked(&mut self, checks: Option<Checks>) {
        let [before, all] = &mut self.checks;
        *all = checks.map(|checks| before.map_or(checks, |before| before.and(checks)));
    }

    /// Scores from sums; none where there are no images.
    fn scores(&self, tallies: &[Tally], squares: &[f64]) -> Result<Vec<Option<Score>>> {
        same_length("evaluation", tallies.len(), self.models.len())?;
        same_length("squares", squares.len(), self.models.len())?;
        let models = self.models.iter().zip(squares).zip(tallies);
        Ok(models.map(|((spec, squares), tally)| Score::of(tally, spec.penalty.cost(spec.lambda) * squares)).collect())
    }

    /// The models whose weights, these, are no longer finite. Only finite ones may be averaged, held or saved.
    pub fn check_weights(&mut self, params: &[Params]) -> Vec<Divergence> {
        let infinite = params.iter().enumerate().filter(|(_, params)| !params.is_finite());
        let what = "a weight is no longer a finite number";
        infinite.filter_map(|(model, _)| self.diverged(model, self.step, what.into())).collect()
    }

    /// The state with these weights, the engine's.
    pub fn state(&self, params: Vec<Params>) -> State {
        State {
            step: self.step,
            params,
            losses: self.losses.clone(),
            best: self.best,
            checks: self.checks[1],
            timing: self.timing,
        }
    }

    /// The state is held or saved.
    pub fn kept(&mut self) {
        self.phase = if matches!(self.phase, Phase::Hold) { Phase::Save } else { Phase::Leave };
    }

    /// The engine has been handed this chunk.
    pub fn trained(&mut self, chunk: &Chunk<'_>) {
        self.step += chunk.lengths.len() as u64;
        self.timing.images += chunk.lengths.iter().map(|&length| u64::from(length)).sum::<u64>();
    }

    /// The losses `[steps, M]` of all steps since the last ones, and how long it `took` from gathering the first batch to
    /// having them. Returns the models that they show to have diverged.
    pub fn losses(&mut self, losses: &[f32], took: Duration) -> Result<Vec<Divergence>> {
        let Phase::Losses { first } = self.phase else {
            return Err(Error::Internal(format!("losses told when {:?}", self.phase)));
        };
        let (models, steps) = (self.models.len(), first..self.step);
        self.timing.training += took;
        self.timing.steps += steps.end - steps.start;
        let expected = (steps.end - steps.start) as usize * models;
        if losses.len() != expected {
            let (found, end) = (losses.len(), self.step);
            return Err(Error::Internal(format!("steps {first} to {end}: {found} batch losses, expected {expected}")));
        }
        let mut divergences = Vec::new();
        for (step, losses) in steps.zip(losses.chunks_exact(models)) {
            for (model, &loss) in losses.iter().enumerate() {
                if !loss.is_finite() {
                    let before = match self.last_losses[model] {
                        Some(last) => format!("the last finite one was {last:.4e}, a step before"),
                        None => "there was none before in this process".into(),
                    };
                    divergences.extend(self.diverged(model, step, format!("the batch's loss is {loss}; {before}")));
                }
                self.last_losses[model] = Some(loss);
            }
            self.losses.add(losses);
        }
        self.phase = Phase::Average;
        Ok(divergences)
    }

    /// The end: the outcome of the models' sums over the test images, their weights' squares, which `took` so long, and
    /// their final weights.
    pub fn finish(mut self, test: &[Tally], squares: &[f64], params: Vec<Params>, took: Duration) -> Result<Outcome> {
        let test = self.scores(test, squares)?;
        self.timing.evaluation += took;
        let stopped = self.out_of_patience();
        let mut evaluation = self.evaluation.ok_or_else(|| Error::Internal("the end before its evaluation".into()))?;
        evaluation.checks = self.checks[1];
        Ok(Outcome { evaluation, test, timing: self.timing, params, stopped })
    }

    /// Remembers that a model has diverged; returns how, but only once a model.
    fn diverged(&mut self, model: usize, step: u64, what: String) -> Option<Divergence> {
        if std::mem::replace(&mut self.diverged[model], true) {
            return None;
        }
        let spec = &self.models[model];
        let name = if self.models.len() == 1 { String::new() } else { format!("model {model}: ") };
        let message = format!(
            "{name}the training diverged at step {step} of {}, at learning rate {:.3e}: {what}. \
             Try a smaller --lr-max (now {}) or --lambda (now {})",
            self.plan.steps(),
            spec.lr.at(step, self.plan.whole),
            spec.lr.max,
            spec.lambda,
        );
        Some(Divergence { model, step, what, message })
    }
}

fn same_length(what: &str, found: usize, models: usize) -> Result<()> {
    if found == models { Ok(()) } else { Err(Error::Internal(format!("{what}: {found} models, expected {models}"))) }
}
