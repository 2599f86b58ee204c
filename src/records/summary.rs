//! `summary.json`: what came of a run. It is written last: where it is, the run is complete.

use std::collections::BTreeMap;
use std::env::{
    self,
    consts::{ARCH, OS},
};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::files::json;
use super::processes::{Given, Start};
use crate::data::Dataset;
use crate::data::split::Split;
use crate::device;
use crate::engine::Checks;
use crate::error::Result;
use crate::train::{Outcome, Score, Stopped};
use crate::util::statistics::Spread;

/// The file's name, in the folder of a search or a reproduction too.
pub const FILE: &str = "summary.json";

/// Where and by which command a search or a reproduction was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// This program's.
    pub version: String,
    /// Operating system and processor.
    pub platform: String,
    /// The command line.
    pub command: Vec<String>,
    /// When it began, in the local time zone.
    pub started: String,
}

impl Origin {
    /// Of this process.
    pub fn here(started: String) -> Self {
        let command = env::args_os().map(|argument| argument.to_string_lossy().into_owned()).collect();
        Self { version: VERSION.to_owned(), platform: platform(), command, started }
    }
}

const VERSION: &str = env!("CARGO_PKG_VERSION");

fn platform() -> String {
    format!("{OS} {ARCH}")
}

/// What a summary says beside the outcome.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct About {
    /// How it began.
    #[serde(flatten)]
    pub start: Start,
    /// How it was resumed, each time.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub resumed: Vec<Start>,
    /// The weights that it began with, if they were given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Given>,
    /// What ran it.
    pub device: device::Record,
    /// The same in the engine's words.
    pub engine: String,
    /// The images.
    pub data: DataRecord,
    /// One a model.
    pub seeds: Vec<u64>,
    /// Weights and biases of a model.
    pub parameters: usize,
}

/// The images in a summary.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataRecord {
    /// What they are.
    pub name: String,
    /// SHA-256 over shapes, labels and pixels.
    pub sha256: String,
    /// Names of the classes, in the order of the network's outputs.
    pub classes: Vec<String>,
    /// How many are trained on.
    pub train: usize,
    /// How many validate.
    pub validation: usize,
    /// How many test.
    pub test: usize,
}

impl DataRecord {
    /// Of a data set with its digest, as it was split.
    pub fn new(dataset: &Dataset, sha256: String, split: &Split) -> Self {
        let [train, validation, test] = [&split.train, &split.validation, &split.test].map(Vec::len);
        Self { name: dataset.name.clone(), sha256, classes: dataset.classes.clone(), train, validation, test }
    }
}

/// `summary.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// This program's.
    pub version: String,
    /// Operating system and processor.
    pub platform: String,
    /// What was run.
    #[serde(flatten)]
    pub about: About,
    /// Steps done.
    pub steps: u64,
    /// The same in passes over the training images.
    pub epochs: f64,
    /// Why it ended early, if it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopped: Option<Stopped>,
    /// One a model.
    pub models: Vec<Final>,
    /// Of the models' accuracies, where there are several.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub accuracy: BTreeMap<String, Spread>,
    /// How often the engine's results were computed again, and how close they were.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checks: Option<Checks>,
    /// Where the time went.
    pub seconds: Seconds,
    /// Images trained on in a second of training.
    pub images_per_second: f64,
    /// Of training.
    pub microseconds_a_step: f64,
}

/// A model's final scores.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Final {
    /// On the training images.
    pub train: Score,
    /// On the validation images, if there are any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validation: Option<Score>,
    /// On the test images, if there are any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test: Option<Score>,
}

/// Where the time went.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Seconds {
    /// In steps.
    pub training: f64,
    /// In evaluations.
    pub evaluation: f64,
}

impl Summary {
    /// Of a training that has ended.
    pub fn new(outcome: &Outcome, about: &About) -> Self {
        let timing = outcome.timing;
        let models = outcome.evaluation.models.iter().zip(&outcome.test);
        Self {
            version: VERSION.to_owned(),
            platform: platform(),
            about: about.clone(),
            steps: outcome.evaluation.step,
            epochs: outcome.evaluation.epoch,
            stopped: outcome.stopped,
            models: models
                .map(|(scores, test)| Final { train: scores.train, validation: scores.validation, test: *test })
                .collect(),
            accuracy: outcome
                .accuracies()
                .into_iter()
                .filter(|(_, values)| values.len() > 1)
                .filter_map(|(name, values)| Some((name.to_owned(), Spread::of(&values)?)))
                .collect(),
            checks: outcome.evaluation.checks,
            seconds: Seconds { training: timing.training.as_secs_f64(), evaluation: timing.evaluation.as_secs_f64() },
            images_per_second: timing.images_per_second(),
            microseconds_a_step: timing.microseconds_a_step(),
        }
    }
}

/// What `summary.json` says; none if it is not there.
pub fn read(run: &Path) -> Result<Option<Summary>> {
    json(&run.join(FILE), "the summary of a run. Remove it and resume the run with --resume")
}
