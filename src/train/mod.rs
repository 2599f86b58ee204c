//! The training loop, written once for every engine and any number of models.
//!
//! What is shown and what is recorded stay out of it: an [`Observer`] is told.

use std::time::Instant;

use crate::config::spec::TrainSpec;
use crate::data::batches::Batches;
use crate::data::split::Split;
use crate::engine::{Chunk, Engine, Job, Tally};
use crate::error::{Error, Result};
use crate::model::ModelSpec;
use crate::model::params::Params;
use crate::util::random::shuffle_seed;

pub use plan::Plan;
pub use state::{BatchLosses, Keeper, State};
pub use told::{Divergence, Evaluation, OVERFIT_LOSS, Observer, Outcome, Score, Scores, Timing};

pub mod lr_find;
mod plan;
mod state;
mod told;

/// `M` models of one shape to be trained together, and on what.
pub struct Training {
    /// One a model. They may differ in all but what decides the steps: batch size, half-cycle, length, evaluations.
    models: Vec<TrainSpec>,
    plan: Plan,
    split: Split,
    /// Which process of a job trains it, for its shuffles.
    rank: usize,
}

impl Training {
    /// The training that `models` describe on `split`, ended after `cut` steps if that comes first.
    pub fn new(models: Vec<TrainSpec>, split: Split, cut: Option<u64>) -> Result<Self> {
        let plans: Vec<_> = models.iter().map(|model| Plan::new(model, split.train.len(), cut)).collect();
        match plans.first() {
            Some(plan) if plans.iter().all(|other| other == plan) => Ok(Self { models, plan: *plan, split, rank: 0 }),
            _ => Err(Error::Internal("models trained together must be there and share their steps".into())),
        }
    }

    /// Reduces it to the first mini-batch's images and no penalty; nothing is validated or tested. A network, a
    /// gradient and an update that are right bring its loss below [`OVERFIT_LOSS`].
    pub fn on_one_batch(mut self) -> Result<Self> {
        self.split.train.truncate(self.plan.batch_size());
        self.split.validation.clear();
        self.split.test.clear();
        self.models.iter_mut().for_each(|model| model.lambda = 0.0);
        let cut = self.plan.cut();
        Self::new(self.models, self.split, cut)
    }

    /// The same on another rank of a job: from the same weights, in other shuffles.
    #[must_use]
    pub fn on_rank(self, rank: usize) -> Self {
        Self { rank, ..self }
    }

    /// When it trains and evaluates.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Its models.
    pub fn models(&self) -> &[TrainSpec] {
        &self.models
    }

    /// Its images.
    pub fn split(&self) -> &Split {
        &self.split
    }

    /// What an engine must be built for.
    pub fn job(&self, shape: ModelSpec) -> Job {
        Job {
            model: shape,
            decay: self.models.iter().map(|model| model.penalty.gradient(model.lambda) as f32).collect(),
            batch_size: self.plan.batch_size().min(self.split.train.len()),
            shuffles: self.shuffle_seeds().len(),
        }
    }

    /// One seed if all models share it, and so their batches; else one a model.
    fn shuffle_seeds(&self) -> Vec<u64> {
        let mut seeds: Vec<_> = self.models.iter().map(|model| shuffle_seed(model.seed, self.rank)).collect();
        if seeds.iter().all(|&seed| seed == seeds[0]) {
            seeds.truncate(1);
        }
        seeds
    }

    /// Trains from fresh weights to the plan's end on an engine built for [`Self::job`].
    ///
    /// # Errors
    ///
    /// [`Error::Diverged`] at the first loss or weight that is not finite, unless [`Observer::diverged`] lets the others
    /// go on, and what the engine and the observer have.
    pub fn run(&self, engine: &mut dyn Engine, observer: &mut dyn Observer) -> Result<Outcome> {
        let shape = engine.job().model;
        let fresh = self.models.iter().map(|model| Params::init(&shape, model.seed)).collect();
        self.run_from(State::fresh(fresh), engine, observer, &mut ())
    }

    /// Trains from `state` to the plan's end on an engine built for [`Self::job`]. The states that `keeper` is given on
    /// the way are such states.
    pub fn run_from(
        &self,
        state: State,
        engine: &mut dyn Engine,
        observer: &mut dyn Observer,
        keeper: &mut dyn Keeper,
    ) -> Result<Outcome> {
        same_length("weights", state.params.len(), self.models.len())?;
        same_length("sums of losses", state.losses.sums.len(), self.models.len())?;
        if state.step > self.plan.steps() {
            return Err(Error::Internal(format!("a state after step {} of {}", state.step, self.plan.steps())));
        }
        engine.load(&state.params)?;
        let State { step: start, params, mut losses, mut timing } = state;
        drop(params);

        let mut batches = Batches::new(self.split.train.clone(), self.plan.batch_size(), self.shuffle_seeds());
        let mut last_losses = vec![None; self.models.len()];
        let mut frozen = Frozen(vec![false; self.models.len()]);
        let mut step = start;
        let evaluation = loop {
            if keeper.averages() && step > start && step == self.plan.next_checkpoint(step - 1, None) {
                let start = Instant::now();
                let mut params = self.finite_params(engine, step, &mut frozen, observer)?;
                keeper.average(&mut params, step)?;
                engine.load(&params)?;
                timing.training += start.elapsed();
            }
            if let Some(reason) = keeper.stop(step) {
                keeper.save(&self.state(engine, step, &losses, timing, &mut frozen, observer)?)?;
                return Err(reason);
            }
            let evaluation = if self.plan.evaluates_at(step) {
                let evaluation = self.evaluate(engine, step, losses.means().as_deref(), &mut timing)?;
                self.check_scores(&evaluation, &mut frozen, observer)?;
                observer.evaluated(&evaluation)?;
                if keeper.is_best(&evaluation) {
                    keeper.hold(self.state(engine, step, &losses, timing, &mut frozen, observer)?, &evaluation);
                }
                Some(evaluation)
            } else {
                None
            };
            if step > start && step == self.plan.next_checkpoint(step - 1, keeper.every()) {
                keeper.save(&self.state(engine, step, &losses, timing, &mut frozen, observer)?)?;
            }
            match evaluation {
                Some(evaluation) if step >= self.plan.steps() || frozen.all() => break evaluation,
                Some(_) => losses = BatchLosses::new(self.models.len()),
                None => {}
            }

            let first = step;
            let end = self.plan.next_evaluation(step).min(self.plan.next_checkpoint(step, keeper.every()));
            let start = Instant::now();
            while step < end && (step == first || keeper.stop(step).is_none()) {
                let stop = end.min(step + engine.chunk_steps().max(1) as u64);
                timing.images += self.train(engine, step, stop, &mut batches)?;
                step = stop;
                observer.stepped(step)?;
            }
            let batch_losses = engine.losses()?;
            timing.training += start.elapsed();
            timing.steps += step - first;
            self.check_losses(first, step, &batch_losses, &mut last_losses, &mut frozen, observer)?;
            batch_losses.chunks_exact(self.models.len()).for_each(|step| losses.add(step));
        };

        let start = Instant::now();
        let tallies = tally(engine, &self.split.test, self.models.len())?;
        let penalties = self.penalties(engine)?;
        timing.evaluation += start.elapsed();
        let test = tallies.iter().zip(penalties).map(|(tally, penalty)| Score::of(tally, penalty)).collect();
        let params = self.finite_params(engine, step, &mut frozen, observer)?;
        Ok(Outcome { evaluation, test, timing, params })
    }

    /// The state after `step` steps.
    fn state(
        &self,
        engine: &mut dyn Engine,
        step: u64,
        losses: &BatchLosses,
        timing: Timing,
        frozen: &mut Frozen,
        observer: &mut dyn Observer,
    ) -> Result<State> {
        Ok(State { step, params: self.finite_params(engine, step, frozen, observer)?, losses: losses.clone(), timing })
    }

    /// The weights after `step` steps, all of which must be finite.
    fn finite_params(
        &self,
        engine: &mut dyn Engine,
        step: u64,
        frozen: &mut Frozen,
        observer: &mut dyn Observer,
    ) -> Result<Vec<Params>> {
        let params = engine.params()?;
        for (model, params) in params.iter().enumerate() {
            if !params.is_finite() {
                self.diverged(model, step, "a weight is no longer a finite number", frozen, observer)?;
            }
        }
        Ok(params)
    }

    /// Hands the chunk of the steps `first..end` to the engine, and returns how many images it has.
    fn train(&self, engine: &mut dyn Engine, first: u64, end: u64, batches: &mut Batches) -> Result<u64> {
        let (mut rows, mut lengths, mut rates) = (Vec::new(), Vec::new(), Vec::new());
        for step in first..end {
            lengths.push(batches.append(step, &mut rows));
            rates.extend(self.models.iter().map(|model| model.lr.at(step) as f32));
        }
        engine.train(&Chunk { rows: &rows, lengths: &lengths, rates: &rates })?;
        Ok(lengths.iter().map(|&length| u64::from(length)).sum())
    }

    /// Demands a batch loss of every step `first..end` and model, `losses [steps, M]`, and that they be finite.
    fn check_losses(
        &self,
        first: u64,
        end: u64,
        losses: &[f32],
        last: &mut [Option<f32>],
        frozen: &mut Frozen,
        observer: &mut dyn Observer,
    ) -> Result<()> {
        let models = self.models.len();
        let expected = (end - first) as usize * models;
        if losses.len() != expected {
            let found = losses.len();
            return Err(Error::Internal(format!("steps {first} to {end}: {found} batch losses, expected {expected}")));
        }
        for (step, losses) in (first..end).zip(losses.chunks_exact(models)) {
            for (model, (&loss, last)) in losses.iter().zip(last.iter_mut()).enumerate() {
                if !loss.is_finite() {
                    let before = match last {
                        Some(last) => format!("the last finite one was {last:.4e}, a step before"),
                        None => "there was none before in this process".into(),
                    };
                    let what = format!("the batch's loss is {loss}; {before}");
                    self.diverged(model, step, &what, frozen, observer)?;
                }
                *last = Some(loss);
            }
        }
        Ok(())
    }

    /// Scores all models on the whole training and validation sets.
    fn evaluate(
        &self,
        engine: &mut dyn Engine,
        step: u64,
        batch_losses: Option<&[f64]>,
        timing: &mut Timing,
    ) -> Result<Evaluation> {
        let start = Instant::now();
        let train = tally(engine, &self.split.train, self.models.len())?;
        let validation = tally(engine, &self.split.validation, self.models.len())?;
        let penalties = self.penalties(engine)?;
        timing.evaluation += start.elapsed();

        let mut models = Vec::with_capacity(self.models.len());
        for (model, &penalty) in penalties.iter().enumerate() {
            models.push(Scores {
                rate: self.models[model].lr.at(step),
                batch_loss: batch_losses.map(|losses| losses[model]),
                train: Score::of(&train[model], penalty).unwrap_or_default(),
                validation: Score::of(&validation[model], penalty),
            });
        }
        Ok(Evaluation { step, epoch: self.plan.epoch(step), models, timing: *timing })
    }

    /// Demands that all scores be finite.
    fn check_scores(&self, evaluation: &Evaluation, frozen: &mut Frozen, observer: &mut dyn Observer) -> Result<()> {
        for (model, scores) in evaluation.models.iter().enumerate() {
            let costs = [Some(scores.train), scores.validation].map(|score| score.map_or(0.0, |score| score.cost));
            if !costs.iter().all(|cost| cost.is_finite()) {
                let before =
                    scores.batch_loss.map_or(String::new(), |loss| format!("; the batches before had {loss:.4e}"));
                let what = format!("the training loss is {}{before}", scores.train.loss);
                self.diverged(model, evaluation.step, &what, frozen, observer)?;
            }
        }
        Ok(())
    }

    /// Each model's penalty: its share of the cost.
    fn penalties(&self, engine: &mut dyn Engine) -> Result<Vec<f64>> {
        let squares = engine.squares()?;
        same_length("squares", squares.len(), self.models.len())?;
        Ok(self.models.iter().zip(squares).map(|(model, squares)| model.penalty.cost(model.lambda) * squares).collect())
    }

    /// Tells the observer, once a model; `Ok` if the other models go on.
    fn diverged(
        &self,
        model: usize,
        step: u64,
        what: &str,
        frozen: &mut Frozen,
        observer: &mut dyn Observer,
    ) -> Result<()> {
        if std::mem::replace(&mut frozen.0[model], true) {
            return Ok(());
        }
        let spec = &self.models[model];
        let name = if self.models.len() == 1 { String::new() } else { format!("model {model}: ") };
        let message = format!(
            "{name}the training diverged at step {step} of {}, at learning rate {:.3e}: {what}. \
             Try a smaller --lr-max (now {}) or --lambda (now {})",
            self.plan.steps(),
            spec.lr.at(step),
            spec.lr.max,
            spec.lambda,
        );
        observer.diverged(Divergence { model, step, what: what.to_owned(), message })
    }
}

/// Which models have diverged.
struct Frozen(Vec<bool>);

impl Frozen {
    fn all(&self) -> bool {
        self.0.iter().all(|&frozen| frozen)
    }
}

/// Every model's [`Tally`] over `rows`.
fn tally(engine: &mut dyn Engine, rows: &[u32], models: usize) -> Result<Vec<Tally>> {
    if rows.is_empty() {
        return Ok(vec![Tally::default(); models]);
    }
    let tallies = engine.evaluate(rows)?;
    same_length("evaluation", tallies.len(), models)?;
    Ok(tallies)
}

fn same_length(what: &str, found: usize, models: usize) -> Result<()> {
    if found == models { Ok(()) } else { Err(Error::Internal(format!("{what}: {found} models, expected {models}"))) }
}
