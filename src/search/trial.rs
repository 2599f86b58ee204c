//! One training of a search, and its record.

use serde::{Deserialize, Serialize};

use crate::config::spec::TrainSpec;
use crate::model::Hidden;
use crate::train::Score;

/// One training.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Trial {
    /// Its number in the search, from 0.
    pub trial: usize,
    /// 0, or 1 for a trial around the best of stage 0.
    pub stage: usize,
    /// `H`.
    pub hidden: Hidden,
    /// How it is trained.
    pub spec: TrainSpec,
    /// Ends it after so many steps, whatever its length.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cut: Option<u64>,
}

impl Trial {
    /// Whether both can train in one wave: the same shape and the same steps.
    pub fn goes_with(&self, other: &Self) -> bool {
        let key = |trial: &Self| {
            let TrainSpec { batch_size, lr, optimizer, length, evals_per_cycle, .. } = trial.spec;
            (trial.hidden.clone(), batch_size, lr.half_cycle, optimizer, length, evals_per_cycle, trial.cut)
        };
        key(self) == key(other)
    }
}

/// A trial's scores after some steps.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// Steps done.
    pub step: u64,
    /// The same in epochs.
    pub epoch: f64,
    /// Learning rate of the next step.
    pub lr: f64,
    /// On the training images.
    pub train: Score,
    /// On the validation images, if there are any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validation: Option<Score>,
}

/// A trial's last scores.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Scored {
    /// On the training images.
    pub train: Score,
    /// On the validation images, if there are any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validation: Option<Score>,
    /// On the test images, if they were asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test: Option<Score>,
}

/// Where a trial's losses stopped being finite.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Diverged {
    /// The step.
    pub step: u64,
    /// What was seen there.
    pub message: String,
}

/// A finished trial: a line of `trials.jsonl`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// What was trained.
    #[serde(flatten)]
    pub trial: Trial,
    /// Its scores along the way, until it diverged.
    pub evaluations: Vec<Point>,
    /// Its last scores, unless it diverged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<Scored>,
    /// Where it diverged, if it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub diverged: Option<Diverged>,
}

impl Record {
    /// What trials are ranked by: validation accuracy, or training accuracy without validation images.
    pub fn merit(&self) -> Option<f64> {
        self.result.map(|scored| scored.validation.unwrap_or(scored.train).accuracy)
    }
}

/// The records by [`Record::merit`], best first, then by number; those that diverged come last.
pub fn rank(records: &[Record]) -> Vec<&Record> {
    let mut ranked: Vec<_> = records.iter().collect();
    ranked.sort_by(|a, b| {
        let by_merit = match (a.merit(), b.merit()) {
            (Some(a), Some(b)) => b.total_cmp(&a),
            (a, b) => a.is_none().cmp(&b.is_none()),
        };
        by_merit.then_with(|| a.trial.trial.cmp(&b.trial.trial))
    });
    ranked
}
