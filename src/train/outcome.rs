//! A training's end.

use serde::{Deserialize, Serialize};

use super::scores::{Evaluation, Score, Timing};
use super::state::Best;
use crate::error::{Error, Result};
use crate::model::params::Params;

/// The loss that one batch, trained on alone and without penalty, must fall below. Guessing among ten classes has 2.3; the
/// default configuration on the real images has 0.0166 after 392 steps, 0.0058 after 588 and 0.0002 at its end.
pub const OVERFIT_LOSS: f64 = 0.01;

/// A training's end.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The last evaluation.
    pub evaluation: Evaluation,
    /// Each model on the test images, scored only now; none if there are no such images.
    pub test: Vec<Option<Score>>,
    /// Time of everything, the test included.
    pub timing: Timing,
    /// The final weights, one a model.
    pub params: Vec<Params>,
    /// Why it ended early, if it did.
    pub stopped: Option<Stopped>,
}

/// The end of a training whose validation accuracy no longer improved.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stopped {
    /// Evaluations without a better accuracy.
    pub patience: u64,
    /// The evaluation before them.
    pub best: Best,
}

impl Outcome {
    /// Each model's accuracy on the training, validation and test images, 0 to 1; none where there are no such images.
    pub fn accuracies(&self) -> [(&'static str, Vec<f64>); 3] {
        let models = &self.evaluation.models;
        let accuracies = |scores: &mut dyn Iterator<Item = Option<Score>>| -> Vec<f64> {
            scores.flatten().map(|score| score.accuracy).collect()
        };
        [
            ("training", accuracies(&mut models.iter().map(|scores| Some(scores.train)))),
            ("validation", accuracies(&mut models.iter().map(|scores| scores.validation))),
            ("test", accuracies(&mut self.test.iter().copied())),
        ]
    }

    /// Demands that every model's training loss be below [`OVERFIT_LOSS`].
    pub fn check_overfit(&self) -> Result<()> {
        let losses = self.evaluation.models.iter().map(|scores| scores.train.loss);
        let worst = losses.fold(0.0, f64::max);
        if worst < OVERFIT_LOSS {
            return Ok(());
        }
        Err(Error::CheckFailed(format!(
            "one batch alone: loss {worst:.4} after {} steps, expected below {OVERFIT_LOSS}. \
             Either the steps are too few or their rates too small (--cycles, --half-cycle, --lr-max), or a gradient is wrong",
            self.evaluation.step
        )))
    }
}
