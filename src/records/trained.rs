//! A finished run, read back: what is needed to classify an image.

use std::fs;
use std::path::Path;

use clap::ValueEnum;

use super::checkpoint::{self, Store};
use super::summary::{self, Summary};
use super::weights::{self, STANDARDISATION};
use crate::data::Standardisation;
use crate::error::{Error, Result, shown};
use crate::model::params::Params;
use crate::util::files::System;
use crate::util::text::grouped;

/// The largest file that is read: far above the weights of [`crate::model::ModelSpec::MAX_HIDDEN`] hidden units would be no limit at
/// all, and this one still holds a network of 80,000.
const MAX_BYTES: u64 = 1 << 30;

/// Which weights of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Weights {
    /// Those at its end
    #[default]
    Last,
    /// Those with the best validation accuracy, the mean of all networks trained together
    Best,
}

/// A network with all that belongs to it.
#[derive(Clone, Debug, PartialEq)]
pub struct Trained {
    /// Names of the classes.
    pub classes: Vec<String>,
    /// From a pixel to an input.
    pub standardisation: Standardisation,
    /// Weights and biases.
    pub params: Params,
}

impl Trained {
    /// Reads the weights, `standardisation.safetensors` and `summary.json` of a run's folder. Of a run of several networks
    /// `model` says which, from 0.
    ///
    /// # Errors
    ///
    /// [`Error::Usage`] for a network that the run has not. [`Error::Checkpoint`], naming the file and the tensor, for
    /// anything missing or damaged: values that are not those of the file's digest, a name, a type or a shape that is not
    /// the expected one, or a number that is not finite.
    pub fn open(run: &Path, model: Option<usize>, weights: Weights) -> Result<Self> {
        let (summary, standardisation) = about(run)?;
        let (classes, models) = (summary.about.data.classes, summary.models.len());
        let model = model_of(run, models, model)?;
        let inputs = standardisation.mean.len();
        let params = match weights {
            Weights::Last => network(&run.join(weights::file_name(model, models)), inputs, classes.len())?,
            Weights::Best => best(run, inputs, classes.len(), models)?.swap_remove(model),
        };
        Ok(Self { classes, standardisation, params })
    }
}

/// All networks of a run, which have one shape.
#[derive(Clone, Debug)]
pub struct Networks {
    /// What came of the run.
    pub summary: Summary,
    /// From a pixel to an input.
    pub standardisation: Standardisation,
    /// The step of each, if it is a snapshot; else its weights are those that were asked for.
    pub steps: Vec<Option<u64>>,
    /// Weights and biases, of a step one model after the other.
    pub params: Vec<Params>,
}

impl Networks {
    /// The networks of a finished run.
    ///
    /// # Errors
    ///
    /// As of [`Trained::open`].
    pub fn open(run: &Path, weights: Weights) -> Result<Self> {
        let (summary, standardisation) = about(run)?;
        let (inputs, classes, models) =
            (standardisation.mean.len(), summary.about.data.classes.len(), summary.models.len());
        let last = |model| network(&run.join(weights::file_name(model, models)), inputs, classes);
        let params = match weights {
            Weights::Last => (0..models).map(last).collect::<Result<_>>()?,
            Weights::Best => best(run, inputs, classes, models)?,
        };
        Ok(Self { summary, standardisation, steps: vec![None; models], params })
    }

    /// The snapshots of a finished run.
    ///
    /// # Errors
    ///
    /// [`Error::Usage`] if it has none, and as of [`Trained::open`].
    pub fn snapshots(run: &Path) -> Result<Self> {
        let (summary, standardisation) = about(run)?;
        let (inputs, classes, models) =
            (standardisation.mean.len(), summary.about.data.classes.len(), summary.models.len());
        let (mut steps, mut params) = (Vec::new(), Vec::new());
        for (step, path) in Store::new(run, System).snapshots()? {
            let read = weights::read_several(&read(&path)?, models, inputs, classes);
            params.extend(read.map_err(|what| Error::checkpoint(&path, what))?);
            steps.resize(params.len(), Some(step));
        }
        if params.is_empty() {
            let what = "there are no snapshots; train --snapshots keeps one at the end of every cycle";
            return Err(Error::Usage(format!("--snapshots: {}: {what}", shown(run))));
        }
        Ok(Self { summary, standardisation, steps, params })
    }
}

/// What belongs to all networks of a run.
fn about(run: &Path) -> Result<(Summary, Standardisation)> {
    let path = run.join(summary::FILE);
    let summary: Summary = serde_json::from_slice(&read(&path)?)
        .map_err(|error| Error::checkpoint(&path, format!("{error}; expected a summary that names the classes")))?;
    Ok((summary, standardisation(&run.join(STANDARDISATION))?))
}

/// What must be done to a pixel, in a file that a training wrote.
pub fn standardisation(path: &Path) -> Result<Standardisation> {
    weights::read_standardisation(&read(path)?).map_err(damaged(path))
}

/// The network of so many inputs and classes in a file that a training wrote.
pub fn network(path: &Path, inputs: usize, classes: usize) -> Result<Params> {
    let read = weights::read_several(&read(path)?, 1, inputs, classes);
    read.and_then(|mut params| params.pop().ok_or_else(|| "not a network".into())).map_err(damaged(path))
}

fn damaged(path: &Path) -> impl Fn(String) -> Error {
    move |what| {
        Error::checkpoint(path, format!("{what}; cyclone train --resume makes it again from the last checkpoint"))
    }
}

/// The networks of the best checkpoint.
fn best(run: &Path, inputs: usize, classes: usize, models: usize) -> Result<Vec<Params>> {
    let path = run.join(checkpoint::FOLDER).join(checkpoint::BEST);
    if !path.exists() {
        let what = "not there, and --weights best needs it";
        return Err(Error::checkpoint(&path, what));
    }
    let bytes = read(&path)?;
    checkpoint::networks(&bytes[..], bytes.len() as u64, inputs, classes, models)
        .map_err(|fault| Error::checkpoint(&path, format!("{fault}; --weights last needs no checkpoint")))
}

/// Which of a run's networks is meant.
fn model_of(run: &Path, networks: usize, model: Option<usize>) -> Result<usize> {
    match (networks, model) {
        (1, None | Some(0)) => Ok(0),
        (2.., Some(model)) if model < networks => Ok(model),
        (_, given) => {
            let run = shown(run);
            let given = given.map_or(String::new(), |model| format!("--model {model}: "));
            let expected = match networks {
                1 => "a single network: leave --model out".into(),
                _ => format!("{networks} networks: say which with --model 0 to {}", networks.saturating_sub(1)),
            };
            Err(Error::Usage(format!("{given}{run} has {expected}")))
        }
    }
}

/// The bytes of a file of a run.
pub(super) fn read(path: &Path) -> Result<Vec<u8>> {
    const HINT: &str = "expected the folder of a finished run, such as runs/best-20260131-120000";
    let failed = |what: String| Error::checkpoint(path, format!("{what}; {HINT}"));
    let metadata = fs::metadata(path).map_err(|fault| failed(fault.to_string()))?;
    if !metadata.is_file() || metadata.len() > MAX_BYTES {
        return Err(failed(format!("not a regular file of {} bytes at most", grouped(MAX_BYTES))));
    }
    fs::read(path).map_err(|fault| failed(fault.to_string()))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use tempfile::TempDir;

    use super::*;
    use crate::model::params::{Init, bias, weight};
    use crate::model::{Hidden, ModelSpec};

    fn sample() -> Trained {
        let spec = ModelSpec { inputs: 7, hidden: Hidden::new(&[5]), classes: 3 };
        let mut params = Params::init(&spec, 1, Init::Report);
        params.values[bias(0)] = vec![0.5, -0.25, 3.0, 4.0, 5.0];
        Trained {
            classes: ["ant", "bee", "cow"].map(String::from).to_vec(),
            standardisation: Standardisation { mean: vec![1.5; 7], scale: vec![0.25; 7] },
            params,
        }
    }

    fn write(run: &Path, trained: &Trained) {
        fs::write(run.join("weights.safetensors"), weights::network(&trained.params).unwrap()).unwrap();
        let standardisation = weights::standardisation(&trained.standardisation).unwrap();
        fs::write(run.join("standardisation.safetensors"), standardisation).unwrap();
        let score = serde_json::json!({ "loss": 1.0, "cost": 1.0, "accuracy": 0.5 });
        let summary = serde_json::json!({
            "version": "0.1.0", "platform": "linux x86_64", "command": ["cyclone", "train"], "started": "now",
            "device": { "kind": "cpu", "threads": 1 }, "engine": "CPU", "seeds": [0], "parameters": 58,
            "data": {
                "name": "insects", "sha256": "", "classes": trained.classes, "train": 1, "validation": 0, "test": 0,
            },
            "steps": 1, "epochs": 1.0, "models": [{ "train": score }], "seconds": { "training": 1.0, "evaluation": 1.0 },
            "images_per_second": 1.0, "microseconds_a_step": 1.0,
        });
        fs::write(run.join("summary.json"), summary.to_string()).unwrap();
    }

    #[test]
    fn a_network_is_read_back_to_the_bit() {
        let run = TempDir::new().unwrap();
        write(run.path(), &sample());
        assert_eq!(Trained::open(run.path(), None, Weights::Last).unwrap(), sample());
    }

    #[track_caller]
    fn refused(spoil: impl FnOnce(&Path), parts: &[&str]) {
        let run = TempDir::new().unwrap();
        write(run.path(), &sample());
        spoil(run.path());
        let error = Trained::open(run.path(), None, Weights::Last).unwrap_err();
        assert_eq!(error.exit_code(), 8, "{error}");
        for part in parts {
            assert!(error.to_string().contains(part), "{part} in {error}");
        }
    }

    #[test]
    fn every_damage_is_named() {
        for name in ["summary.json", "weights.safetensors", "standardisation.safetensors"] {
            refused(|run| fs::remove_file(run.join(name)).unwrap(), &[name, "finished run"]);
            refused(|run| fs::write(run.join(name), b"").unwrap(), &[name]);
        }
        refused(|run| fs::write(run.join("summary.json"), "{\"data\":{},\"models\":[]}").unwrap(), &["classes"]);
        refused(
            |run| fs::copy(run.join("standardisation.safetensors"), run.join("weights.safetensors")).map(drop).unwrap(),
            &["no tensor fc1.bias"],
        );
        let with = |change: fn(&mut Trained)| {
            move |run: &Path| {
                let mut trained = sample();
                change(&mut trained);
                write(run, &trained);
            }
        };
        refused(with(|trained| trained.params.values[weight(1)][4] = f32::NAN), &["fc2.weight: value 6 is NaN"]);
        refused(with(|trained| trained.standardisation.scale.truncate(6)), &["scale: F32 [6], expected F32 [7]"]);
        refused(with(|trained| trained.classes.truncate(2)), &["fc2.weight: F32 [3, 5], expected F32 [2, 5]"]);
    }
}
