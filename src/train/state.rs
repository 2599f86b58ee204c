//! What a training needs to go on, and who keeps it.

use serde::{Deserialize, Serialize};

use super::{Evaluation, Timing};
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
    /// Time so far.
    pub timing: Timing,
}

impl State {
    /// The start, from fresh weights.
    pub fn fresh(params: Vec<Params>) -> Self {
        let losses = BatchLosses::new(params.len());
        Self { step: 0, params, losses, timing: Timing::default() }
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

/// Keeps a training's states, and may end it between two chunks.
pub trait Keeper {
    /// Steps between two calls of [`Self::save`], beside those at the end of every cycle and of the training.
    fn every(&self) -> Option<u64>;

    /// Why the training must end after `step` steps, if it must. Its state is saved first.
    fn stop(&self, step: u64) -> Option<Error>;

    /// Whether this evaluation is the best so far, so that its state should be [held](Self::hold).
    fn is_best(&self, evaluation: &Evaluation) -> bool;

    /// Takes the state of the best evaluation so far. All its weights are finite.
    fn hold(&mut self, state: State, evaluation: &Evaluation);

    /// Saves a state. All its weights are finite.
    fn save(&mut self, state: &State) -> Result<()>;

    /// Whether [`Self::average`] is to be called at the end of every cycle and of the training, before anything else there.
    fn averages(&self) -> bool {
        false
    }

    /// Replaces the weights after `step` steps, all finite, by their means over several processes.
    fn average(&mut self, _params: &mut [Params], _step: u64) -> Result<()> {
        Ok(())
    }
}

/// Keeps nothing.
impl Keeper for () {
    fn every(&self) -> Option<u64> {
        None
    }

    fn stop(&self, _step: u64) -> Option<Error> {
        None
    }

    fn is_best(&self, _evaluation: &Evaluation) -> bool {
        false
    }

    fn hold(&mut self, _state: State, _evaluation: &Evaluation) {}

    fn save(&mut self, _state: &State) -> Result<()> {
        Ok(())
    }
}
