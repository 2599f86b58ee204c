//! What a training resumes from.

use serde::{Deserialize, Serialize};

use super::scores::Timing;
use crate::engine::Checks;
use crate::error::{Error, Result};
use crate::model::params::Params;

/// A training before the evaluation that may fall on `step`. Training on from it gives the same bits as never having
/// stopped: shuffles and learning rates are functions of the step alone.
#[derive(Clone, Debug, PartialEq)]
pub struct State {
    /// Steps done.
    pub step: u64,
    /// The weights, one a model.
    pub params: Vec<Params>,
    /// Since the evaluation before.
    pub losses: BatchLosses,
    /// The best evaluation so far.
    pub best: Option<Best>,
    /// The checks so far, of an engine that is checked.
    pub checks: Option<Checks>,
    /// Time so far.
    pub timing: Timing,
}

/// The evaluation with the best validation accuracy, the mean of all models'.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Best {
    /// 0 to 1.
    pub accuracy: f64,
    /// Steps done by then.
    pub step: u64,
}

impl State {
    /// The start, from fresh weights.
    pub fn fresh(params: Vec<Params>) -> Self {
        let losses = BatchLosses::new(params.len());
        Self { step: 0, params, losses, best: None, checks: None, timing: Timing::default() }
    }

    /// Each model's state, to train on alone or with others; without the checks, the time and the best evaluation of all.
    pub fn split(self) -> Vec<Self> {
        let Self { step, losses: BatchLosses { steps, sums }, .. } = self;
        let models = self.params.into_iter().zip(sums);
        let state = |(params, sum)| {
            let losses = BatchLosses { steps, sums: vec![sum] };
            Self { step, losses, ..Self::fresh(vec![params]) }
        };
        models.map(state).collect()
    }

    /// The state of all models of `states`, to train on together.
    pub fn join(states: Vec<Self>) -> Result<Self> {
        let steps: Vec<_> = states.iter().map(|state| (state.step, state.losses.steps)).collect();
        let sums = states.iter().flat_map(|state| state.losses.sums.clone()).collect();
        match steps.first() {
            Some(&(step, steps_of_losses)) if steps.iter().all(|other| *other == steps[0]) => {
                let losses = BatchLosses { steps: steps_of_losses, sums };
                let params = states.into_iter().flat_map(|state| state.params).collect();
                Ok(Self { step, losses, ..Self::fresh(params) })
            }
            _ => Err(Error::Internal(format!("states to train on together, after steps {steps:?}"))),
        }
    }
}

/// The losses of the mini-batches between two evaluations.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BatchLosses {
    /// How many steps.
    pub steps: u64,
    /// Each model's sum. It is added up in the order of the steps, so it does not matter where a run was stopped.
    pub sums: Vec<f64>,
}

impl BatchLosses {
    /// None yet, of `models` models.
    pub fn new(models: usize) -> Self {
        Self { steps: 0, sums: vec![0.0; models] }
    }

    /// Adds one step's loss of each model.
    pub(super) fn add(&mut self, losses: &[f32]) {
        self.steps += 1;
        for (sum, &loss) in self.sums.iter_mut().zip(losses) {
            *sum += f64::from(loss);
        }
    }

    /// Each model's mean; none without steps.
    pub(super) fn means(&self) -> Option<Vec<f64>> {
        (self.steps > 0).then(|| self.sums.iter().map(|sum| sum / self.steps as f64).collect())
    }
}
