//! The training loop's keeper of states.

use std::fs::File;
use std::path::Path;

use super::{Checkpoint, Run, Store};
use crate::error::{Error, Result};
use crate::train::{Evaluation, Keeper, State};
use crate::util::files::System;
use crate::util::signals::Signals;

/// Keeps a run's states in its folder, and ends it at a signal.
pub struct Checkpoints {
    store: Store<System>,
    run: Run,
    every: Option<u64>,
    signals: Signals,
    /// Synced before a checkpoint, which counts on the evaluations before it.
    metrics: File,
    /// The best validation accuracy so far.
    best: Option<f64>,
    /// Its state, until it is saved with the next checkpoint. A file an improvement would be two dozen in the report's
    /// training, each waiting for the disk.
    held: Option<Checkpoint>,
}

impl Checkpoints {
    /// A keeper of `run`, whose best validation accuracy so far is `best`.
    pub fn new(
        store: Store<System>,
        run: Run,
        every: Option<u64>,
        signals: Signals,
        metrics: File,
        best: Option<f64>,
    ) -> Self {
        Self { store, run, every, signals, metrics, best, held: None }
    }

    /// What ends the training.
    pub fn signals(&self) -> &Signals {
        &self.signals
    }

    /// The step of the last checkpoint, if one can be found.
    pub fn last_step(&self) -> Option<u64> {
        self.store.last_step().ok().flatten()
    }
}

/// The models' mean validation accuracy; a single model's own.
fn accuracy(evaluation: &Evaluation) -> Option<f64> {
    let sum: Option<f64> = evaluation.models.iter().map(|scores| Some(scores.validation?.accuracy)).sum();
    Some(sum? / evaluation.models.len() as f64)
}

impl Keeper for Checkpoints {
    fn every(&self) -> Option<u64> {
        self.every
    }

    fn stop(&self, step: u64) -> Option<Error> {
        self.signals.caught(format_args!("step {step}"))
    }

    fn is_best(&self, evaluation: &Evaluation) -> bool {
        accuracy(evaluation).is_some_and(|accuracy| self.best.is_none_or(|best| accuracy > best))
    }

    fn hold(&mut self, state: State, evaluation: &Evaluation) {
        self.best = accuracy(evaluation);
        self.held = Some(Checkpoint { run: self.run.clone(), state, best: self.best });
    }

    fn save(&mut self, state: &State) -> Result<()> {
        self.metrics.sync_data().map_err(|error| Error::output(Path::new("metrics.jsonl"), error.to_string()))?;
        // The best first: were the last one there without it, a resume from there would not find the best again.
        if let Some(best) = self.held.take() {
            self.store.save_best(&best)?;
        }
        self.store.save(&Checkpoint { run: self.run.clone(), state: state.clone(), best: self.best })
    }
}
