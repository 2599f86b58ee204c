//! What decides the bits of a training, as plain data.

use serde::{Deserialize, Serialize};

use super::schedule::Schedule;
use crate::data::spec::Augment;
use crate::model::optimizer::Optimizer;
use crate::model::params::Init;
use crate::model::regularise::Regularise;

/// Which cost's gradient the weights follow. See the crate's page for why there are two.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Penalty {
    /// Cost `lambda/2 · ΣW²`, gradient `lambda · W`: what the report's numbers come from.
    #[default]
    Half,
    /// Cost `lambda · ΣW²`, gradient `2 · lambda · W`: what the assignment's text says.
    Full,
}

impl Penalty {
    /// The factor of `ΣW²` in the cost.
    pub fn cost(self, lambda: f64) -> f64 {
        match self {
            Self::Half => lambda / 2.0,
            Self::Full => lambda,
        }
    }

    /// The factor of `W` in the gradient: twice [`Self::cost`].
    pub fn gradient(self, lambda: f64) -> f64 {
        2.0 * self.cost(lambda)
    }
}

/// Which optimizer; [`Optimizer`] has its numbers too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Method {
    /// Gradient descent, plain or with momentum.
    #[default]
    Sgd,
    /// `AdamW`.
    Adamw,
}

/// How long to train.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Length {
    /// So many cycles, `2 · half_cycle` steps each whatever the schedule.
    Cycles(u64),
    /// So many passes over the training images.
    Epochs(u64),
}

impl Length {
    /// Number of steps, `epoch` of which are an epoch.
    pub fn steps(self, lr: &Schedule, epoch: u64) -> u64 {
        match self {
            Self::Cycles(cycles) => cycles.saturating_mul(lr.cycle()),
            Self::Epochs(epochs) => epochs.saturating_mul(epoch),
        }
    }
}

/// Everything that decides the bits of a training but the images and the shape.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrainSpec {
    /// Strength of the L2 penalty over the weights (biases are free).
    pub lambda: f64,
    /// Which of the two penalties.
    pub penalty: Penalty,
    /// `B`: images of a mini-batch.
    pub batch_size: usize,
    /// The learning rate.
    pub lr: Schedule,
    /// How gradients move the weights.
    #[serde(default)]
    pub optimizer: Optimizer,
    /// How long.
    pub length: Length,
    /// Seed of the initial weights and of the shuffles.
    pub seed: u64,
    /// The spread of the initial weights.
    #[serde(default)]
    pub init: Init,
    /// Evaluations on the whole training and validation sets in a cycle.
    pub evals_per_cycle: u64,
    /// How training images are moved. Records from before there was a choice have none.
    #[serde(default)]
    pub augment: Augment,
    /// What else keeps it from learning them by heart.
    #[serde(default)]
    pub regularise: Regularise,
}

/// How often an engine's results are computed again by the reference. No result depends on it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Check {
    /// Never; results that cannot be are errors all the same.
    Off,
    /// Two steps before the first one.
    Start,
    /// Those, and a step and some scored images after every evaluation.
    #[default]
    Always,
}

/// How images reach a GPU. No result depends on it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Feed {
    /// Resident on a real GPU if they take at most 512 MiB and its memory suffices, else streamed.
    #[default]
    Auto,
    /// Uploaded chunk by chunk, while the GPU works on the chunk before.
    Stream,
    /// All uploaded once; then only row numbers.
    Resident,
}
