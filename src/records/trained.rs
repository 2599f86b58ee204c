//! A finished run, read back: what is needed to classify an image.

use std::fs;
use std::path::Path;

use safetensors::{Dtype, SafeTensors};
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::data::Standardisation;
use crate::error::{Error, Result, shown};
use crate::model::ModelSpec;
use crate::model::params::{Params, tensors};
use crate::records::run_dir::weights_file;
use crate::records::weights;
use crate::util::text::grouped;

/// The largest file that is read: far above the weights of [`ModelSpec::MAX_HIDDEN`] hidden units would be no limit at
/// all, and this one still holds a network of 80,000.
const MAX_BYTES: u64 = 1 << 30;

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

/// The part of `summary.json` that is needed here.
#[derive(Deserialize)]
struct Summary {
    data: Data,
    /// One a network.
    models: Vec<IgnoredAny>,
}

#[derive(Deserialize)]
struct Data {
    classes: Vec<String>,
}

impl Trained {
    /// Reads `weights.safetensors`, `standardisation.safetensors` and `summary.json` of a run's folder. Of a run of
    /// several networks `model` says which, from 0.
    ///
    /// # Errors
    ///
    /// [`Error::Usage`] for a network that the run has not. [`Error::Checkpoint`], naming the file and the tensor, for
    /// anything missing or damaged: values that are not those of the file's digest, a name, a type or a shape that is not
    /// the expected one, or a number that is not finite.
    pub fn open(run: &Path, model: Option<usize>) -> Result<Self> {
        let path = run.join("summary.json");
        let summary: Summary = serde_json::from_slice(&read(&path)?)
            .map_err(|error| Error::checkpoint(&path, format!("{error}; expected a summary that names the classes")))?;
        let classes = summary.data.classes;
        let weights = weights_of(run, summary.models.len(), model)?;

        let path = run.join("standardisation.safetensors");
        let bytes = read(&path)?;
        let file = Tensors::parse(&path, &bytes, &["mean", "scale"])?;
        let inputs = file.shape("mean")?.first().copied().unwrap_or(0);
        let [mean, scale] = ["mean", "scale"].map(|name| file.floats(name, &[inputs]));
        let standardisation = Standardisation { mean: mean?, scale: scale? };

        let params = network(&run.join(weights), inputs, classes.len())?;
        Ok(Self { classes, standardisation, params })
    }
}

/// The network of so many inputs and classes in a file that a training wrote.
pub fn network(path: &Path, inputs: usize, classes: usize) -> Result<Params> {
    let bytes = read(path)?;
    let file = Tensors::parse(path, &bytes, &["fc1.weight", "fc1.bias", "fc2.weight", "fc2.bias"])?;
    let hidden = file.shape("fc1.bias")?.first().copied().unwrap_or(0);
    let spec = ModelSpec::new(inputs, hidden, classes)
        .map_err(|error| Error::checkpoint(path, format!("fc1.bias has {hidden} values: {error}")))?;
    let mut values: [Vec<f32>; 4] = Default::default();
    for (values, tensor) in values.iter_mut().zip(tensors(&spec)) {
        *values = weights::from_file(&tensor, &file.floats(tensor.name, &weights::shape(&tensor))?);
    }
    Ok(Params { spec, values })
}

/// The file of one of a run's networks.
fn weights_of(run: &Path, networks: usize, model: Option<usize>) -> Result<String> {
    match (networks, model) {
        (1, None | Some(0)) => Ok(weights_file(0, 1)),
        (2.., Some(model)) if model < networks => Ok(weights_file(model, networks)),
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
fn read(path: &Path) -> Result<Vec<u8>> {
    const HINT: &str = "expected the folder of a finished run, such as runs/best-20260131-120000";
    let failed = |what: String| Error::checkpoint(path, format!("{what}; {HINT}"));
    let metadata = fs::metadata(path).map_err(|fault| failed(fault.to_string()))?;
    if !metadata.is_file() || metadata.len() > MAX_BYTES {
        return Err(failed(format!("not a regular file of {} bytes at most", grouped(MAX_BYTES))));
    }
    fs::read(path).map_err(|fault| failed(fault.to_string()))
}

/// The tensors of a file, which are those expected and no others.
struct Tensors<'a> {
    path: &'a Path,
    file: SafeTensors<'a>,
}

impl<'a> Tensors<'a> {
    fn parse(path: &'a Path, bytes: &'a [u8], names: &[&str]) -> Result<Self> {
        let damaged = |what: String| {
            Error::checkpoint(path, format!("{what}; cyclone train --resume makes it again from the last checkpoint"))
        };
        let file = weights::parse(bytes).map_err(damaged)?;
        let mut found = file.names();
        let mut expected = names.to_vec();
        found.sort_unstable();
        expected.sort_unstable();
        if found != expected {
            return Err(damaged(format!("tensors {}, expected {}", found.join(", "), expected.join(", "))));
        }
        Ok(Self { path, file })
    }

    fn shape(&self, name: &str) -> Result<Vec<usize>> {
        let tensor = self.file.tensor(name).map_err(|error| Error::checkpoint(self.path, error.to_string()))?;
        Ok(tensor.shape().to_vec())
    }

    /// The values of a tensor of f32 of this shape.
    fn floats(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>> {
        let damaged = |what: String| {
            Error::checkpoint(
                self.path,
                format!("{name}: {what}; cyclone train --resume makes it again from the last checkpoint"),
            )
        };
        let tensor = self.file.tensor(name).map_err(|error| damaged(error.to_string()))?;
        if tensor.dtype() != Dtype::F32 || tensor.shape() != shape {
            return Err(damaged(format!("{:?} {:?}, expected F32 {shape:?}", tensor.dtype(), tensor.shape())));
        }
        let values: Vec<f32> = bytemuck::pod_collect_to_vec(tensor.data());
        match values.iter().position(|value| !value.is_finite()) {
            Some(place) => Err(damaged(format!("value {place} is {}, expected a finite number", values[place]))),
            None => Ok(values),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use tempfile::TempDir;

    use super::*;
    use crate::model::params::{B1, W2};

    fn sample() -> Trained {
        let spec = ModelSpec { inputs: 7, hidden: 5, classes: 3 };
        let mut params = Params::init(&spec, 1);
        params.values[B1] = vec![0.5, -0.25, 3.0, 4.0, 5.0];
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
        let summary = serde_json::json!({ "data": { "classes": trained.classes }, "models": [{}] });
        fs::write(run.join("summary.json"), summary.to_string()).unwrap();
    }

    #[test]
    fn a_network_is_read_back_to_the_bit() {
        let run = TempDir::new().unwrap();
        write(run.path(), &sample());
        assert_eq!(Trained::open(run.path(), None).unwrap(), sample());
    }

    #[track_caller]
    fn refused(spoil: impl FnOnce(&Path), parts: &[&str]) {
        let run = TempDir::new().unwrap();
        write(run.path(), &sample());
        spoil(run.path());
        let error = Trained::open(run.path(), None).unwrap_err();
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
            &["tensors mean, scale, expected fc1.bias"],
        );
        let with = |change: fn(&mut Trained)| {
            move |run: &Path| {
                let mut trained = sample();
                change(&mut trained);
                write(run, &trained);
            }
        };
        refused(with(|trained| trained.params.values[W2][4] = f32::NAN), &["fc2.weight: value 6 is NaN"]);
        refused(with(|trained| trained.standardisation.scale.truncate(6)), &["scale: F32 [6], expected F32 [7]"]);
        refused(with(|trained| trained.classes.truncate(2)), &["fc2.weight: F32 [3, 5], expected F32 [2, 5]"]);
    }

    #[test]
    fn a_file_cut_anywhere_is_refused() {
        let bytes = weights::network(&sample().params).unwrap();
        for length in 0..bytes.len() {
            refused(
                |run| fs::write(run.join("weights.safetensors"), &bytes[..length]).unwrap(),
                &["weights.safetensors"],
            );
        }
    }
}
