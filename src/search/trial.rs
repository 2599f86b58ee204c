//! One training of a search, and its record.

use std::cmp::Reverse;

use serde::{Deserialize, Serialize};

use crate::config::schedule::Schedule;
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
    /// Whether both can train in one wave: they differ in nothing but what each model of a job has of its own.
    pub fn goes_with(&self, other: &Self) -> bool {
        let spec = &self.spec;
        let TrainSpec { lambda, penalty, lr, seed, init, .. } = other.spec;
        let lr = Schedule { half_cycle: spec.lr.half_cycle, policy: spec.lr.policy, ..lr };
        let shared = TrainSpec { lambda, penalty, lr, seed, init, ..spec.clone() };
        shared == other.spec && (&self.hidden, self.cut) == (&other.hidden, other.cut)
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

impl Point {
    /// What trials are compared by: validation accuracy, or training accuracy without validation images.
    pub fn merit(&self) -> f64 {
        self.validation.unwrap_or(self.train).accuracy
    }
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

/// A trial that is finished, or has ended a rung: a line of `trials.jsonl`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// What was trained.
    #[serde(flatten)]
    pub trial: Trial,
    /// Its scores along the way, until it diverged.
    pub evaluations: Vec<Point>,
    /// Its scores at the end of each rung, of a search by successive halving.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rungs: Vec<Point>,
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

/// The records, those of more rungs first, then by [`Record::merit`], best first, then by number; those that diverged come
/// last.
pub fn rank(records: &[Record]) -> Vec<&Record> {
    let mut ranked: Vec<_> = records.iter().collect();
    let key = |record: &Record| (record.result.is_none(), Reverse(record.rungs.len()));
    let merit = |record: &Record| record.merit().unwrap_or_default();
    ranked.sort_by(|a, b| {
        let by_merit = || merit(b).total_cmp(&merit(a));
        key(a).cmp(&key(b)).then_with(by_merit).then_with(|| a.trial.trial.cmp(&b.trial.trial))
    });
    ranked
}
