//! A run's records on disk.
//!
//! `config.toml` says what is trained, `metrics.jsonl` grows by a line a model at every evaluation, and the end adds
//! `weights.safetensors`, `standardisation.safetensors` and `summary.json`. A file is there whole or not at all, but for
//! `metrics.jsonl`, of which a killed run leaves all lines written so far. The same numbers come as `metrics.csv` and as
//! TensorBoard's event files where they are asked for. `starts.json` says when and by which command each process began
//! that trained here. `answers.json` is what the network takes the test images for, see [`crate::records::answers`]. [`Records`] reads
//! back what stands there.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use jiff::Zoned;
use serde::{Deserialize, Serialize};

use crate::config::Config;
use crate::data::Standardisation;
use crate::device;
use crate::error::{Error, Result, shown};
use crate::model::params::Params;
use crate::records::answers::{self, Answers};
use crate::records::weights;
use crate::train::{Evaluation, Observer, Outcome, Score, Stopped};
use crate::util::files::{self, failed};
use crate::util::lock;
use crate::util::statistics::Spread;

pub use csv::Csv;
pub use read::Records;
pub(crate) use read::{json, optional};
pub use starts::Start;
pub use tensorboard::TensorBoard;

mod csv;
mod read;
mod reopen;
mod starts;
mod tensorboard;

/// The folder of default names.
const RUNS: &str = "runs";
/// The file of the settings: where it is, there is a run.
pub(crate) const CONFIG: &str = "config.toml";
/// The file with a line a model at every evaluation, see [`Line`].
const METRICS: &str = "metrics.jsonl";
/// The file with the final figures, the last that is written.
pub(crate) const SUMMARY: &str = "summary.json";
/// The file of what must be done to a pixel.
const STANDARDISATION: &str = "standardisation.safetensors";

/// A run's folder, made by this process.
pub struct RunDir {
    path: PathBuf,
    metrics: File,
    starts: Vec<starts::Entry>,
    /// Held as long as this process trains here.
    _lock: File,
}

impl RunDir {
    /// Makes the folder `out`, or a fresh one in `runs/` named after `name` and the time, and writes `config.toml`. A
    /// place that cannot be written to is found out here, before any training.
    ///
    /// # Errors
    ///
    /// [`Error::Usage`] for a folder that is not empty, [`Error::Output`] for one that cannot be made, [`Error::Busy`]
    /// for one that another process trains in.
    pub fn create(out: Option<&Path>, name: &str, config: &Config) -> Result<Self> {
        let path = match out {
            Some(path) => {
                claim_given(path)?;
                path.to_owned()
            }
            None => fresh(name)?,
        };
        let lock = lock::take(&path)?;
        let metrics = path.join(METRICS);
        let metrics = OpenOptions::new().append(true).create(true).open(&metrics).map_err(failed(&metrics))?;
        let run = Self { path, metrics, starts: Vec::new(), _lock: lock };
        // Last: from here on, the run can be resumed.
        run.write(CONFIG, config.to_toml()?.as_bytes())?;
        Ok(run)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes the final weights, and what must be done to a pixel before them.
    pub fn save_weights(&self, params: &[Params], standardisation: &Standardisation) -> Result<()> {
        for (model, one) in params.iter().enumerate() {
            self.write(&weights_file(model, params.len()), &weights::network(one)?)?;
        }
        self.write(STANDARDISATION, &weights::standardisation(standardisation)?)
    }

    /// Writes what the network takes the test images for.
    pub fn save_answers(&self, answers: &Answers) -> Result<()> {
        self.write(answers::FILE, &answers.to_json()?)
    }

    /// Writes `summary.json`. It comes last: where it is, the run is complete.
    pub fn summarise(&self, outcome: &Outcome, about: &About) -> Result<()> {
        let mut text = serde_json::to_vec_pretty(&Summary::new(outcome, about))
            .map_err(|error| Error::Internal(format!("{SUMMARY}: {error}")))?;
        text.push(b'\n');
        self.write(SUMMARY, &text)
    }

    fn write(&self, name: &str, bytes: &[u8]) -> Result<()> {
        write(&self.path, name, bytes)
    }
}

/// The file of one of a run's networks.
pub(crate) fn weights_file(model: usize, models: usize) -> String {
    if models == 1 { "weights.safetensors".to_owned() } else { format!("weights-{model}.safetensors") }
}

/// Writes a file of `folder` so that it is there whole or not at all.
pub(crate) fn write(folder: &Path, name: &str, bytes: &[u8]) -> Result<()> {
    let path = folder.join(name);
    files::replace(&files::System, &path, bytes).map_err(failed(&path))
}

impl Observer for RunDir {
    fn stepped(&mut self, _step: u64) -> Result<()> {
        Ok(())
    }

    fn evaluated(&mut self, evaluation: &Evaluation) -> Result<()> {
        let mut lines = Vec::new();
        for line in metrics(evaluation) {
            serde_json::to_writer(&mut lines, &line)
                .map_err(|error| Error::Internal(format!("metrics.jsonl: {error}")))?;
            lines.push(b'\n');
        }
        // One unbuffered write, so that a reader never sees half an evaluation.
        self.metrics.write_all(&lines).map_err(failed(&self.path.join(METRICS)))
    }
}

/// Takes the folder that the user named: a new one, or an empty one.
fn claim_given(path: &Path) -> Result<()> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).map_err(failed(parent))?;
    }
    match fs::create_dir(path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists && path.is_dir() => {
            if !reopen::is_unused(path)? {
                lock::check(path)?;
                return Err(Error::Usage(format!(
                    "--out {0}: the folder is there and not empty, and a run is never overwritten: \
                     name another folder, or remove this one, or go on with its run by --resume {0}",
                    shown(path)
                )));
            }
            Ok(())
        }
        made => made.map_err(failed(path)),
    }
}

/// Makes a folder in `runs/` named after `name` and the time.
pub(crate) fn fresh(name: &str) -> Result<PathBuf> {
    claim_fresh(&Path::new(RUNS).join(format!("{name}-{}", Zoned::now().strftime("%Y%m%d-%H%M%S"))))
}

/// Makes the folder `base`, or `base-2`, `base-3` … if another run has just taken that name.
fn claim_fresh(base: &Path) -> Result<PathBuf> {
    fs::create_dir_all(RUNS).map_err(failed(Path::new(RUNS)))?;
    let mut path = base.to_owned();
    for next in 2_u64.. {
        match fs::create_dir(&path) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                path = PathBuf::from(format!("{}-{next}", base.display()));
            }
            made => return made.map(|()| path.clone()).map_err(failed(&path)),
        }
    }
    Err(Error::output(base, "no free name"))
}

/// A line of `metrics.jsonl`: one model at one evaluation. Losses are in nats, accuracies shares of 1.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
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
    /// Of training so far.
    #[serde(rename = "seconds/training")]
    pub training_seconds: f64,
    /// Of evaluations so far.
    #[serde(rename = "seconds/evaluation")]
    pub evaluation_seconds: f64,
}

fn metrics(evaluation: &Evaluation) -> impl Iterator<Item = Line> {
    evaluation.models.iter().enumerate().map(|(model, scores)| Line {
        step: evaluation.step,
        epoch: evaluation.epoch,
        model,
        lr: scores.rate,
        batch_loss: scores.batch_loss,
        train_loss: scores.train.loss,
        train_cost: scores.train.cost,
        train_accuracy: scores.train.accuracy,
        val_loss: scores.validation.map(|score| score.loss),
        val_cost: scores.validation.map(|score| score.cost),
        val_accuracy: scores.validation.map(|score| score.accuracy),
        training_seconds: evaluation.timing.training.as_secs_f64(),
        evaluation_seconds: evaluation.timing.evaluation.as_secs_f64(),
    })
}

/// What a summary says beside the outcome.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct About {
    /// How it began.
    #[serde(flatten)]
    pub start: Start,
    /// How it was gone on with, each time.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub resumed: Vec<Start>,
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
    fn new(outcome: &Outcome, about: &About) -> Self {
        let timing = outcome.timing;
        let models = outcome.evaluation.models.iter().zip(&outcome.test);
        Self {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            platform: format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
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
            seconds: Seconds { training: timing.training.as_secs_f64(), evaluation: timing.evaluation.as_secs_f64() },
            images_per_second: timing.images_per_second(),
            microseconds_a_step: timing.microseconds_a_step(),
        }
    }
}
