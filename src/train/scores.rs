//! What is known of the models at a step: scores, and the time it took.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::engine::{Checks, Tally};

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
    /// The checks so far that have ended, of an engine that is checked.
    pub checks: Option<Checks>,
    /// Time so far.
    pub timing: Timing,
}

impl Evaluation {
    /// The mean of the models' validation accuracies, 0 to 1; none without validation images.
    pub(super) fn validation_accuracy(&self) -> Option<f64> {
        let sum: Option<f64> = self.models.iter().map(|scores| Some(scores.validation?.accuracy)).sum();
        Some(sum? / self.models.len() as f64)
    }
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
