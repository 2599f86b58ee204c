//! `metrics.jsonl`: a line a model at every evaluation.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::files::optional;
use crate::error::{Error, Result};
use crate::train::{Evaluation, Score};

/// The file's name.
pub const FILE: &str = "metrics.jsonl";

/// A line of `metrics.jsonl`: one model at one evaluation. Losses are in nats, accuracies shares of 1.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// Steps done.
    pub step: u64,
    /// The same in passes over the training images.
    pub epoch: f64,
    /// Which model.
    pub model: usize,
    /// Learning rate of the step to come.
    pub lr: f64,
    /// Mean of the batches' losses since the line before.
    #[serde(rename = "batch/loss", default, skip_serializing_if = "Option::is_none")]
    pub batch_loss: Option<f64>,
    /// On all training images, as the next two.
    #[serde(rename = "train/loss")]
    pub train_loss: f64,
    /// Loss plus penalty.
    #[serde(rename = "train/cost")]
    pub train_cost: f64,
    /// Share of images classified rightly.
    #[serde(rename = "train/accuracy")]
    pub train_accuracy: f64,
    /// On the validation images, if there are any, as the next two.
    #[serde(rename = "val/loss", default, skip_serializing_if = "Option::is_none")]
    pub val_loss: Option<f64>,
    /// Loss plus penalty.
    #[serde(rename = "val/cost", default, skip_serializing_if = "Option::is_none")]
    pub val_cost: Option<f64>,
    /// Share of images classified rightly.
    #[serde(rename = "val/accuracy", default, skip_serializing_if = "Option::is_none")]
    pub val_accuracy: Option<f64>,
    /// Checks of the engine that ended so far, if it is checked.
    #[serde(rename = "check/times", default, skip_serializing_if = "Option::is_none")]
    pub check_times: Option<u64>,
    /// The largest error that they found, as a share of its tolerance.
    #[serde(rename = "check/worst", default, skip_serializing_if = "Option::is_none")]
    pub check_worst: Option<f64>,
    /// Of training so far.
    #[serde(rename = "seconds/training")]
    pub training_seconds: f64,
    /// Of evaluations so far.
    #[serde(rename = "seconds/evaluation")]
    pub evaluation_seconds: f64,
}

impl Line {
    /// With these scores on the training and the validation images.
    #[must_use]
    pub fn scored(self, train: Score, validation: Option<Score>) -> Self {
        Self {
            train_loss: train.loss,
            train_cost: train.cost,
            train_accuracy: train.accuracy,
            val_loss: validation.map(|score| score.loss),
            val_cost: validation.map(|score| score.cost),
            val_accuracy: validation.map(|score| score.accuracy),
            ..self
        }
    }
}

/// The lines of an evaluation.
pub fn lines(evaluation: &Evaluation) -> impl Iterator<Item = Line> {
    let Evaluation { step, epoch, checks, timing, .. } = *evaluation;
    let [training_seconds, evaluation_seconds] = [timing.training, timing.evaluation].map(|time| time.as_secs_f64());
    let (check_times, check_worst) = (checks.map(|checks| checks.times), checks.map(|checks| checks.worst));
    evaluation.models.iter().enumerate().map(move |(model, scores)| {
        let (lr, batch_loss) = (scores.rate, scores.batch_loss);
        let line = Line {
            step,
            epoch,
            model,
            lr,
            batch_loss,
            check_times,
            check_worst,
            training_seconds,
            evaluation_seconds,
            ..Line::default()
        };
        line.scored(scores.train, scores.validation)
    })
}

/// The whole lines of a run's file, none if it is not there, and whether half a line follows them.
pub fn read(run: &Path) -> Result<(Vec<Line>, bool)> {
    let path = run.join(FILE);
    let bytes = optional(&path)?.unwrap_or_default();
    let mut lines: Vec<Line> = Vec::new();
    for one in parse(&path, &bytes) {
        let (line, _) = one?;
        if lines.last().is_some_and(|before| line.step < before.step) {
            return Err(damaged(&path, lines.len(), &format!("step {} comes after a later one", line.step)));
        }
        lines.push(line);
    }
    Ok((lines, bytes.last().is_some_and(|&last| last != b'\n')))
}

/// Bytes of the whole lines that come before `step` and all later ones.
pub fn before(path: &Path, bytes: &[u8], step: u64) -> Result<usize> {
    let mut kept = 0;
    for one in parse(path, bytes) {
        let (line, length) = one?;
        if line.step >= step {
            break;
        }
        kept += length;
    }
    Ok(kept)
}

/// The whole lines, each with its length.
fn parse(path: &Path, bytes: &[u8]) -> impl Iterator<Item = Result<(Line, usize)>> {
    let whole = bytes.split_inclusive(|&byte| byte == b'\n').take_while(|line| line.ends_with(b"\n"));
    whole.enumerate().map(|(place, text)| match serde_json::from_slice(text) {
        Ok(line) => Ok((line, text.len())),
        Err(error) => Err(damaged(path, place, &format!("not a record: {error}"))),
    })
}

fn damaged(path: &Path, place: usize, what: &str) -> Error {
    Error::checkpoint(path, format!("line {}: {what}. Remove the line to continue without it", place + 1))
}
