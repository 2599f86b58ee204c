//! What a trained network takes pictures for.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Serialize, Serializer};

use crate::data::{Dataset, picture, picture_files};
use crate::device::Device;
use crate::engine::Job;
use crate::error::{Error, Result};
use crate::trained::Trained;

/// Rows given to an engine at a time, 12 MiB of pixels: a picture is a row for each class.
const ROWS: usize = 4096;

/// What one picture was taken for.
#[derive(Clone, Debug, Serialize)]
pub struct Prediction {
    /// The picture.
    #[serde(serialize_with = "shown")]
    pub path: PathBuf,
    /// Whether it had another size than the network's 32 × 32 pixels.
    pub resized: bool,
    /// The likeliest classes, the likeliest first.
    pub classes: Vec<Likelihood>,
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
fn shown<S: Serializer>(path: &Path, serializer: S) -> std::result::Result<S::Ok, S::Error> {
    serializer.collect_str(&path.display())
}

/// The pictures that `paths` name: files, and all pictures of folders, sorted by name, without those of folders within.
///
/// # Errors
///
/// [`Error::Data`] for a path that cannot be read, or a folder without pictures.
pub fn pictures(paths: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for path in paths {
        if path.is_dir() {
            let inside = picture_files(path)?;
            if inside.is_empty() {
                return Err(Error::data(path, "no pictures in this folder, expected PNG or JPEG files"));
            }
            files.extend(inside);
        } else {
            files.push(path.clone());
        }
    }
    Ok(files)
}

/// The `top` likeliest classes of each picture, computed on `device`.
///
/// An engine tells losses, and the loss of an image under a label is −ln of that label's probability. So each picture
/// becomes a row for every class, and any engine will do.
///
/// # Errors
///
/// [`Error::Data`] for a file that is no picture, and what the device has.
pub fn classify(trained: &Trained, device: &Device, files: &[PathBuf], top: usize) -> Result<Vec<Prediction>> {
    let mut predictions = Vec::with_capacity(files.len());
    for files in files.chunks((ROWS / trained.classes.len()).max(1)) {
        predictions.extend(classify_some(trained, device, files, top)?);
    }
    Ok(predictions)
}

fn classify_some(trained: &Trained, device: &Device, files: &[PathBuf], top: usize) -> Result<Vec<Prediction>> {
    let spec = trained.params.spec;
    let classes = spec.classes;
    let mut pixels = Vec::with_capacity(files.len() * classes * spec.inputs);
    let mut resized = Vec::with_capacity(files.len());
    let mut picture = vec![0; crate::data::INPUTS];
    if spec.inputs != picture.len() {
        let what = format!("a network of {} inputs, and a picture gives {}", spec.inputs, picture.len());
        return Err(Error::checkpoint(Path::new("weights.safetensors"), what));
    }
    for path in files {
        resized.push(picture::read(path, &mut picture)?);
        (0..classes).for_each(|_| pixels.extend_from_slice(&picture));
    }
    let labels: Vec<u8> = files.iter().flat_map(|_| (0..=u8::MAX).take(classes)).collect();
    let rows = labels.len();
    let dataset = Dataset::in_memory("pictures", trained.classes.clone(), spec.inputs, pixels, labels, rows);
    let job = Job { model: spec, decay: vec![0.0], batch_size: 1, shuffles: 1 };
    let mut engine = device.engine(job, Arc::new(dataset), Arc::new(trained.standardisation.clone()))?;
    engine.load(std::slice::from_ref(&trained.params))?;

    let mut predictions = Vec::with_capacity(files.len());
    for ((path, resized), picture) in files.iter().zip(resized).zip(0..) {
        let mut likelihoods = Vec::with_capacity(classes);
        for (label, class) in trained.classes.iter().enumerate() {
            let tallies = engine.evaluate(&[(picture * classes + label) as u32])?;
            let loss = tallies.first().map_or(f64::NAN, |tally| tally.loss);
            likelihoods.push(Likelihood { class: class.clone(), label, probability: (-loss).exp() });
        }
        if likelihoods.iter().any(|likelihood| !likelihood.probability.is_finite()) {
            return Err(Error::Diverged(format!("{}: the network's answer is not finite", path.display())));
        }
        // Stable: of equal ones the first label comes first, as in training.
        likelihoods.sort_by(|a, b| b.probability.total_cmp(&a.probability));
        likelihoods.truncate(top);
        predictions.push(Prediction { path: path.clone(), resized, classes: likelihoods });
    }
    Ok(predictions)
}
