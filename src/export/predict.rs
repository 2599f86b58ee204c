//! What a trained network takes pictures for.

use std::path::{Path, PathBuf};

use serde::{Serialize, Serializer};

use crate::data::{Dataset, INPUTS, picture, picture_files};
use crate::device::Device;
use crate::error::{Error, Result, shown};
use crate::model::softmax::softmax;
use crate::records::trained::Trained;

/// Pictures given to an engine at a time: 12 MiB of pixels.
const PICTURES: usize = 4096;

/// One picture, and what became of it.
#[derive(Clone, Debug, Serialize)]
pub struct Prediction {
    /// The picture; a folder, if its pictures cannot be had.
    #[serde(serialize_with = "unicode")]
    pub path: PathBuf,
    /// The prediction, or why the image could not be used.
    #[serde(flatten)]
    pub answer: Answer,
}

/// The prediction for an image, or why the image could not be used.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub enum Answer {
    /// The network's answer.
    Classes {
        /// Whether the picture had another size than the network's 32 × 32 pixels.
        resized: bool,
        /// The likeliest classes, the likeliest first.
        classes: Vec<Likelihood>,
    },
    /// A picture that cannot be used stops no others.
    Unusable {
        /// What was expected and what was found.
        error: String,
    },
}

/// A class, and how likely the network finds it.
#[derive(Clone, Debug, Serialize)]
pub struct Likelihood {
    /// The class's name.
    pub class: String,
    /// Its label.
    pub label: usize,
    /// The network's probability for it, 0 to 1.
    pub probability: f64,
}

/// A name in JSON must be Unicode, a name on disk need not.
fn unicode<S: Serializer>(path: &Path, serializer: S) -> std::result::Result<S::Ok, S::Error> {
    serializer.collect_str(&path.display())
}

/// The pictures that `paths` name: files, and all pictures of folders, sorted by name, without those of folders within.
fn pictures(paths: &[PathBuf]) -> Vec<Result<PathBuf>> {
    let inside = |path: &PathBuf| match picture_files(path) {
        Ok(files) if files.is_empty() => {
            vec![Err(Error::data(path, "no pictures in this folder, expected PNG or JPEG files"))]
        }
        Ok(files) => files.into_iter().map(Ok).collect(),
        Err(error) => vec![Err(error)],
    };
    paths.iter().flat_map(|path| if path.is_dir() { inside(path) } else { vec![Ok(path.clone())] }).collect()
}

/// The `top` likeliest classes of each picture that `paths` name, files or folders, computed on `device`. A picture that
/// cannot be used has its [`Answer::Unusable`].
///
/// # Errors
///
/// [`Error::Checkpoint`] for a network of other inputs than a picture gives, [`Error::Diverged`] if its answer is not
/// finite, [`Error::Resources`] where there is no memory for a picture, and what the device has.
pub fn classify(trained: &Trained, device: &Device, paths: &[PathBuf], top: usize) -> Result<Vec<Prediction>> {
    let spec = &trained.params.spec;
    if spec.inputs != INPUTS {
        let what = format!("a network of {} inputs, and a picture gives {INPUTS}", spec.inputs);
        return Err(Error::checkpoint(Path::new("weights.safetensors"), what));
    }
    let mut files = pictures(paths).into_iter().peekable();
    let mut predictions = Vec::with_capacity(files.len());
    while files.peek().is_some() {
        let some = files.by_ref().take(PICTURES);
        predictions.extend(classify_some(trained, device, some, top)?);
    }
    Ok(predictions)
}

fn classify_some(
    trained: &Trained,
    device: &Device,
    files: impl Iterator<Item = Result<PathBuf>>,
    top: usize,
) -> Result<Vec<Prediction>> {
    let mut pixels = Vec::new();
    let read: Vec<_> = files
        .map(|file| {
            let path = file?;
            let mut picture = vec![0; INPUTS];
            let resized = picture::read(&path, &mut picture)?;
            pixels.extend(picture);
            Ok((path, resized))
        })
        .collect();
    let mut answers = likelihoods(trained, device, pixels)?.into_iter();
    let predictions = read.into_iter().map(|file| match file {
        Ok((path, resized)) => {
            let mut classes = answers.next().unwrap_or_default();
            if classes.iter().any(|likelihood| !likelihood.probability.is_finite()) {
                let path = shown(&path);
                return Err(Error::Diverged(format!("{path}: the network's answer is not finite")));
            }
            // Stable: of equal ones the first label comes first, as in training.
            classes.sort_by(|a, b| b.probability.total_cmp(&a.probability));
            classes.truncate(top);
            Ok(Prediction { path, answer: Answer::Classes { resized, classes } })
        }
        Err(Error::Data { path, what }) => Ok(Prediction { path, answer: Answer::Unusable { error: what } }),
        Err(error) => Err(error),
    });
    predictions.collect()
}

/// The likelihood of every class, in the order of the labels, for each of the pictures `pixels [N, D]`.
fn likelihoods(trained: &Trained, device: &Device, pixels: Vec<u8>) -> Result<Vec<Vec<Likelihood>>> {
    let count = pixels.len() / INPUTS;
    if count == 0 {
        return Ok(Vec::new());
    }
    // Logits do not depend on labels.
    let dataset = Dataset::in_memory("pictures", trained.classes.clone(), INPUTS, pixels, vec![0; count], count);
    let standardisation = trained.standardisation.clone();
    let mut engine = device.trained(std::slice::from_ref(&trained.params), dataset.into(), standardisation.into())?;
    let rows: Vec<u32> = (0..count as u32).collect();
    let mut p = vec![0.0; trained.classes.len()];
    let picture = |logits: &[f32]| {
        softmax(logits, &mut p);
        let classes = trained.classes.iter().zip(&p).enumerate();
        let likelihood = |(label, (class, &p)): (_, (&String, &f32))| Likelihood {
            class: class.clone(),
            label,
            probability: p.into(),
        };
        classes.map(likelihood).collect()
    };
    Ok(engine.logits(&rows)?.concat().chunks_exact(trained.classes.len()).map(picture).collect())
}
