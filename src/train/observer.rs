//! Who watches a training.

use super::scores::Evaluation;
use crate::error::{Error, Result};

/// Hears of a training's progress, to show or to record it.
pub trait Observer {
    /// The engine has been handed all steps before `step`.
    fn stepped(&mut self, step: u64) -> Result<()>;

    /// All models have been scored.
    fn evaluated(&mut self, evaluation: &Evaluation) -> Result<()>;

    /// A model's losses or weights are no longer finite; called once a model. After `Ok` the other models continue, and this
    /// one's figures mean nothing; when all have diverged, the training ends.
    fn diverged(&mut self, divergence: Divergence) -> Result<()> {
        Err(Error::Diverged(divergence.message))
    }
}

/// A model that has diverged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Divergence {
    /// Which model.
    pub model: usize,
    /// The step whose loss, or before which the scores, are not finite.
    pub step: u64,
    /// What was seen there.
    pub what: String,
    /// All of it as an error message: the model if there are several, the learning rate, and which flags help.
    pub message: String,
}
