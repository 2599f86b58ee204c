//! What a training tells: scores, times, its end; and whom.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::engine::Tally;
use crate::error::{Error, Result};
use crate::model::params::Params;

/// The loss that one batch, trained on alone and without penalty, must fall below. Guessing among ten classes has 2.3; the
/// default configuration on the real images has 0.0166 after 392 steps, 0.0058 after 588 and 0.0002 at its end.
pub const OVERFIT_LOSS: f64 = 0.01;

/// Who watches a training.
pub trait Observer {
    /// The engine has been handed all steps before `step`.
    fn stepped(&mut self, step: u64) -> Result<()>;

    /// All models have been scored.
    fn evaluated(&mut self, evaluation: &Evaluation) -> Result<()>;

    /// A model's losses or weights are no longer finite numbers; told once a model. With `Ok` the others go on, and
    /// whatever is said of this one from here on has no meaning; when all have diverged, the training ends there.
    fn diverged(&mut self, divergence: Divergence) -> Result<()> {
        Err(Error::Diverged(divergence.message))
    }
}

/// A model's end before its time.
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

/// Scores of one model on one set of images.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Score {
    /// Mean cross-entropy, in nats.
    pub loss: f64,
    /// Loss plus penalty.
    pub cost: f64,
    /// Share of images classified rightly, 0 to 1.
    pub accuracy: f64,
}

impl Score {
    /// The score of a tally of at least one image.
    pub(super) fn of(tally: &Tally, penalty: f64) -> Option<Self> {
        if tally.images == 0 {
            return None;
        }
        let images = tally.images as f64;
        let loss = tally.loss / images;
        Some(Self { loss, cost: loss + penalty, accuracy: tally.correct as f64 / images })
    }
}

/// What is known about one model at one step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scores {
    /// Learning rate of the step to come.
    pub rate: f64,
    /// Mean of the batches' losses since the evaluation before; none at the start.
    pub batch_loss: Option<f64>,
    /// On all training images.
    pub train: Score,
    /// On the validation images, if there are any.
    pub validation: Option<Score>,
}

/// All models' scores before `step`.
#[derive(Clone, Debug, PartialEq)]
pub struct Evaluation {
    /// Steps done.
    pub step: u64,
    /// The same in passes over the training images.
    pub epoch: f64,
    /// One a model.
    pub models: Vec<Scores>,
    /// Time so far.
    pub timing: Timing,
}

/// Where the time went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Timing {
    /// In steps, from gathering the first batch to having the losses.
    pub training: Duration,
    /// In evaluations.
    pub evaluation: Duration,
    /// Steps done.
    pub steps: u64,
    /// Images trained on, each as often as it was.
    pub images: u64,
}

impl Timing {
    /// Images trained on in a second of training.
    pub fn images_per_second(&self) -> f64 {
        self.images as f64 / self.training.as_secs_f64().max(f64::MIN_POSITIVE)
    }

    /// Microseconds of training a step.
    pub fn microseconds_a_step(&self) -> f64 {
        self.training.as_secs_f64() * 1e6 / self.steps.max(1) as f64
    }
}

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
