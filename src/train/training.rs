//! Some models, their images, and how they are trained on an engine of this machine.

use std::time::Instant;

use super::keeper::{Keeper, Peers};
use super::observer::{Divergence, Observer};
use super::outcome::Outcome;
use super::plan::Plan;
use super::state::State;
use super::state_machine::{Action, Driver, Loop};
use crate::config::spec::TrainSpec;
use crate::data::batches::Batches;
use crate::data::spec::Augment;
use crate::data::split::Split;
use crate::engine::{Chunks, Engine, Job, Tally};
use crate::error::{Error, Result};
use crate::model::ModelSpec;
use crate::model::params::Params;
use crate::model::regularise::Regularise;
use crate::util::random::shuffle_seed;

/// `M` models of one shape to be trained together, and on what.
pub struct Training {
    /// One a model. They may differ in all but augmentation and what decides the steps: batch size, half-cycle, length,
    /// evaluations.
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
            Some(plan)
                if plans.iter().all(|other| other == plan)
                    && models.iter().all(|model| model.augment == models[0].augment) =>
            {
                Ok(Self { models, plan: *plan, split, rank: 0 })
            }
            _ => Err(Error::Internal("models trained together must be there and share steps and augmentation".into())),
        }
    }

    /// Reduces it to the first mini-batch's images, unmoved, and no penalty; nothing is validated or tested. A network, a
    /// gradient and an update that are right bring its loss below [`super::OVERFIT_LOSS`].
    pub fn on_one_batch(mut self) -> Result<Self> {
        self.split.train.truncate(self.plan.batch_size);
        self.split.validation.clear();
        self.split.test.clear();
        for model in &mut self.models {
            (model.lambda, model.augment, model.regularise) = (0.0, Augment::default(), Regularise::default());
        }
        let cut = self.plan.cut;
        Self::new(self.models, self.split, cut)
    }

    /// The same on another rank of a job: from the same weights, in other shuffles.
    #[must_use]
    pub fn on_rank(self, rank: usize) -> Self {
        Self { rank, ..self }
    }

    /// The same, ended early after so many evaluations without a better validation accuracy.
    #[must_use]
    pub fn patient(self, patience: u64) -> Self {
        Self { plan: self.plan.patient(patience), ..self }
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
    pub fn job(&self, shape: &ModelSpec) -> Job {
        Job {
            model: shape.clone(),
            decay: self.models.iter().map(|model| model.penalty.gradient(model.lambda) as f32).collect(),
            batch_size: self.plan.batch_size.min(self.split.train.len()),
            shuffles: self.shuffle_seeds().len(),
            optimizer: self.models[0].optimizer,
            regularise: self.models[0].regularise,
        }
    }

    /// Each model's seed of shuffles and masks.
    fn seeds(&self) -> Vec<u64> {
        self.models.iter().map(|model| shuffle_seed(model.seed, self.rank)).collect()
    }

    /// One seed if all models share it, and so their batches; else one a model.
    fn shuffle_seeds(&self) -> Vec<u64> {
        let mut seeds = self.seeds();
        if seeds.iter().all(|&seed| seed == seeds[0]) {
            seeds.truncate(1);
        }
        seeds
    }

    /// Its steps.
    pub fn chunks(&self) -> Chunks {
        let batches = Batches::new(self.split.train.clone(), self.plan.batch_size, self.shuffle_seeds());
        let batches = batches.augmented(self.models[0].augment).mixed(self.models[0].regularise.mixup);
        let (schedules, whole) = (self.models.iter().map(|model| model.lr).collect::<Vec<_>>(), self.plan.whole);
        let chunks = Chunks::new(batches, schedules.len(), move |step, model| schedules[model].at(step, whole) as f32);
        chunks.regularised(self.models[0].regularise, &self.seeds())
    }

    /// The state before the first step, with fresh weights of this shape.
    pub fn fresh(&self, shape: &ModelSpec) -> State {
        self.begun_with(self.models.iter().map(|model| Params::init(shape, model.seed, model.init)).collect())
    }

    /// The state before the first step, with these weights, one a model.
    pub fn begun_with(&self, params: Vec<Params>) -> State {
        let params = params.into_iter().zip(&self.models);
        State::fresh(params.map(|(params, model)| params.with_moments(model.optimizer)).collect())
    }

    /// Trains from `state` to the plan's end on an engine built for [`Self::job`]: drives the [`Loop`]. The states that
    /// `keeper` is given on the way are such states.
    ///
    /// # Errors
    ///
    /// [`Error::Diverged`] at the first loss or weight that is not finite, unless [`Observer::diverged`] lets the others
    /// continue, and the errors of engine and observer.
    pub fn run_from(
        &self,
        state: State,
        engine: &mut dyn Engine,
        observer: &mut dyn Observer,
        keeper: &mut dyn Keeper,
        peers: Option<&mut dyn Peers>,
    ) -> Result<Outcome> {
        let outcome = self.drive(state, engine, observer, keeper, peers);
        // What ended it may come from what a check is about to find.
        match (outcome, engine.checks(true)) {
            (Err(_), Err(wrong @ Error::Wrong { .. })) => Err(wrong),
            (outcome, _) => outcome,
        }
    }

    fn drive(
        &self,
        state: State,
        engine: &mut dyn Engine,
        observer: &mut dyn Observer,
        keeper: &mut dyn Keeper,
        mut peers: Option<&mut dyn Peers>,
    ) -> Result<Outcome> {
        let driver = Driver {
            chunk_steps: engine.chunk_steps() as u64,
            every: keeper.every(),
            holds_best: keeper.holds_best(),
            averages: peers.is_some(),
        };
        let mut next = Loop::new(&self.models, self.plan, driver, &state)?;
        engine.load(&state.params)?;
        drop(state);
        let mut chunks = self.chunks();
        engine.prove(&chunks.steps(next.step()..next.step() + 2))?;
        let mut handed = None;
        loop {
            let action = next.next(keeper.stop(next.step()))?;
            let start = Instant::now();
            match action {
                Action::Train(steps) => {
                    handed.get_or_insert(start);
                    let chunk = chunks.steps(steps);
                    engine.train(&chunk)?;
                    next.trained(&chunk);
                    observer.stepped(next.step())?;
                }
                Action::Losses => {
                    let losses = engine.losses()?;
                    let took = handed.take().unwrap_or(start).elapsed();
                    tell(observer, next.losses(&losses, took)?)?;
                }
                Action::Evaluate => {
                    let train = self.tally(engine, &self.split.train)?;
                    let validation = self.tally(engine, &self.split.validation)?;
                    let squares = engine.squares()?;
                    next.checked(engine.checks(false)?);
                    tell(observer, next.scored(&train, &validation, &squares, start.elapsed())?)?;
                    next.evaluation().map_or(Ok(()), |evaluation| observer.evaluated(evaluation))?;
                }
                Action::Average => {
                    let mut params = engine.params()?;
                    tell(observer, next.check_weights(&params))?;
                    if let Some(peers) = &mut peers {
                        peers.average(&mut params, next.step())?;
                    }
                    engine.load(&params)?;
                    next.averaged(start.elapsed());
                }
                Action::Hold | Action::Save => {
                    let params = engine.params()?;
                    tell(observer, next.check_weights(&params))?;
                    let state = next.state(params);
                    match action {
                        Action::Hold => keeper.hold(state),
                        _ => keeper.save(&state)?,
                    }
                    next.kept();
                }
                Action::Test => {
                    let test = self.tally(engine, &self.split.test)?;
                    let squares = engine.squares()?;
                    next.checked(engine.checks(true)?);
                    let took = start.elapsed();
                    let params = engine.params()?;
                    tell(observer, next.check_weights(&params))?;
                    return next.finish(&test, &squares, params, took);
                }
            }
        }
    }

    /// Every model's [`Tally`] over `rows`.
    fn tally(&self, engine: &mut dyn Engine, rows: &[u32]) -> Result<Vec<Tally>> {
        if rows.is_empty() { Ok(vec![Tally::default(); self.models.len()]) } else { engine.evaluate(rows) }
    }
}

fn tell(observer: &mut dyn Observer, divergences: Vec<Divergence>) -> Result<()> {
    divergences.into_iter().try_for_each(|divergence| observer.diverged(divergence))
}
