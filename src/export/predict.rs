//! What a trained network takes pictures for.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Serialize, Serializer};

use crate::data::{Dataset, INPUTS, picture, picture_files};
use crate::device::Device;
use crate::engine::Job;
use crate::error::{Error, Result, shown};
use crate::records::trained::Trained;

/// Rows given to an engine at a time, 12 MiB of pixels: a picture is a row for each class.
const ROWS: usize = 4096;

/// One picture, and what became of it.
#[derive(Clone, Debug, Serialize)]
pub struct Prediction {
    /// The picture; a folder, if its pictures cannot be had.
    #[serde(serialize_with = "unicode")]
    pub path: PathBuf,
    /// What it was taken for, or why it could not be used.
    #[serde(flatten)]
    pub answer: Answer,
}

/// What a picture was taken for, or why it could not be used.
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
    let spec = trained.params.spec;
    if spec.inputs != INPUTS {
        let what = format!("a network of {} inputs, and a picture gives {INPUTS}", spec.inputs);
        return Err(Error::checkpoint(Path::new("weights.safetensors"), what));
    }
    let mut files = pictures(paths).into_iter().peekable();
    let mut predictions = Vec::with_capacity(files.len());
    while files.peek().is_some() {
        let some = files.by_ref().take((ROWS / spec.classes).max(1));
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
    let mut answers = likelihoods(trained, device, &pixels)?.into_iter();
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
///
/// An engine tells losses, and the loss of an image under a label is −ln of that label's probability. So each picture
/// becomes a row for every class, and any engine will do.
fn likelihoods(trained: &Trained, device: &Device, pixels: &[u8]) -> Result<Vec<Vec<Likelihood>>> {
    if pixels.is_empty() {
        return Ok(Vec::new());
    }
    let spec = trained.params.spec;
    let pictures = pixels.chunks_exact(INPUTS);
    let labels: Vec<u8> = pictures.clone().flat_map(|_| (0..=u8::MAX).take(spec.classes)).collect();
    let pixels = pictures.flat_map(|picture| picture.repeat(spec.classes)).collect();
    let rows = labels.len();
    let dataset = Dataset::in_memory("pictures", trained.classes.clone(), INPUTS, pixels, labels, rows);
    let job = Job { model: spec, decay: vec![0.0], batch_size: 1, shuffles: 1 };
    let mut engine = device.engine(job, Arc::new(dataset), Arc::new(trained.standardisation.clone()))?;
    engine.load(std::slice::from_ref(&trained.params))?;

    let mut likelihood = |row: usize| {
        let tallies = engine.evaluate(&[row as u32])?;
        let loss = tallies.first().map_or(f64::NAN, |tally| tally.loss);
        let label = row % spec.classes;
        Ok(Likelihood { class: trained.classes[label].clone(), label, probability: (-loss).exp() })
    };
    (0..rows).step_by(spec.classes).map(|first| (first..first + spec.classes).map(&mut likelihood).collect()).collect()
}
