//! The training loop's keeper of states.

use std::fs::File;
use std::path::Path;

use super::{Checkpoint, Run, Store};
use crate::error::{Error, Result};
use crate::train::{Keeper, Plan, State};
use crate::util::files::System;
use crate::util::signals::Signals;

/// Keeps a run's states in its folder, and ends it at a signal.
pub struct Checkpoints {
    store: Store<System>,
    run: Run,
    every: Option<u64>,
    /// The plan whose cycles' ends leave snapshots, if they do.
    snapshots: Option<Plan>,
    signals: Signals,
    /// Synced before a checkpoint, which counts on the evaluations before it.
    metrics: File,
    /// The state of the best validation accuracy so far, until it is saved with the next checkpoint. A file an improvement would be two dozen in the report's
    /// training, each waiting for the disk.
    held: Option<Checkpoint>,
}

impl Checkpoints {
    /// A keeper of `run`, which trains by `plan`.
    pub fn new(store: Store<System>, run: Run, plan: &Plan, signals: Signals, metrics: File) -> Self {
        let (every, snapshots) = (run.settings.checkpoint_every, run.settings.snapshots.then_some(*plan));
        Self { store, run, every, snapshots, signals, metrics, held: None }
    }

    /// The step of the last checkpoint, if one can be found.
    pub fn last_step(&self) -> Option<u64> {
        self.store.last_step().ok().flatten()
    }
}

impl Keeper for Checkpoints {
    fn every(&self) -> Option<u64> {
        self.every
    }

    fn stop(&self, step: u64) -> Option<Error> {
        self.signals.caught(format_args!("step {step}"))
    }

    fn holds_best(&self) -> bool {
        true
    }

    fn hold(&mut self, state: State) {
        self.held = Some(Checkpoint { run: self.run.clone(), state });
    }

    fn save(&mut self, state: &State) -> Result<()> {
        self.metrics.sync_data().map_err(|error| Error::output(Path::new("metrics.jsonl"), error.to_string()))?;
        // The best first: were the last one there without it, a resume from there would not find the best again.
        if let Some(best) = self.held.take() {
            self.store.save_best(&best)?;
        }
        // Before the state as well: a training resumed from there does not come by this step again.
        if self.snapshots.is_some_and(|plan| plan.ends_cycle(state.step)) {
            self.store.save_snapshot(state)?;
        }
        self.store.save(&Checkpoint { run: self.run.clone(), state: state.clone() })
    }
}
