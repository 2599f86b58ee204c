//! What trained networks take the test images for: each class for which, and where they are most sure and wrong.
//!
//! They come from the logits of the engine that scored the training, so the matrix adds up to `summary.json`'s accuracy.
//!
//! # Records
//!
//! `answers.json` has
//!
//! - `classes`: their names, in the order of the labels;
//! - `confusion`: for each model a row for each label, which has the images of that label by the class they were taken
//!   for;
//! - `mistakes`: the wrong answers that model 0 was most sure of, the surest first: `image` (its number among the test
//!   images tested), `label`, `answer`, `probability` of the answer, `of_label` (that of the label) and `picture` (PNG,
//!   base64).

use std::io::Cursor;
use std::path::Path;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use image::ImageFormat;
use serde::{Deserialize, Serialize};

use crate::data::{Dataset, picture};
use crate::error::{Error, Result};
use crate::model::softmax::{largest, softmax};
use crate::records::files::optional;

/// The record's name.
pub const FILE: &str = "answers.json";
/// How many mistakes are kept: 24 fill rows of 2, 3, 4, 6, 8 and 12, and take some 70 kB.
const MISTAKES: usize = 24;

/// The answers of some models to the same images.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Answers {
    /// Names of the `C` classes.
    pub classes: Vec<String>,
    /// Images by label and answer: `[M][C][C]`.
    pub confusion: Vec<Vec<Vec<u64>>>,
    /// Of model 0, the surest first.
    pub mistakes: Vec<Mistake>,
}

/// A wrong answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Mistake {
    /// Its number among the images tested, from 0.
    pub image: usize,
    /// What it is.
    pub label: usize,
    /// The predicted label.
    pub answer: usize,
    /// The network's probability for the answer.
    pub probability: f64,
    /// The network's probability for the label.
    pub of_label: f64,
    /// The image, as PNG in base64.
    pub picture: String,
}

impl Answers {
    /// What each model's `logits [rows, C]` say of the images `rows`; none if there are no images.
    pub fn of(logits: &[Vec<f32>], dataset: &Dataset, rows: &[u32]) -> Result<Option<Self>> {
        if rows.is_empty() {
            return Ok(None);
        }
        let classes = dataset.classes.len();
        let mut answers = Self { classes: dataset.classes.clone(), confusion: Vec::new(), mistakes: Vec::new() };
        let mut p = vec![0.0; classes];
        for (model, logits) in logits.iter().enumerate() {
            let mut confusion = vec![vec![0; classes]; classes];
            for (image, (logits, &row)) in logits.chunks_exact(classes).zip(rows).enumerate() {
                let label = usize::from(dataset.labels[row as usize]);
                let answer = largest(logits);
                confusion[label][answer] += 1;
                if model == 0 && answer != label {
                    softmax(logits, &mut p);
                    let [probability, of_label] = [answer, label].map(|class| f64::from(p[class]));
                    let picture = String::new();
                    answers.mistakes.push(Mistake { image, label, answer, probability, of_label, picture });
                }
            }
            answers.confusion.push(confusion);
        }
        // Stable: of equally sure ones the first image comes first.
        answers.mistakes.sort_by(|a, b| b.probability.total_cmp(&a.probability));
        answers.mistakes.truncate(MISTAKES);
        let mut planes = vec![0; dataset.inputs];
        for mistake in &mut answers.mistakes {
            dataset.gather(&[rows[mistake.image]], &mut planes);
            mistake.picture = png(&planes)?;
        }
        Ok(Some(answers))
    }

    /// The record's text.
    pub fn to_json(&self) -> Result<Vec<u8>> {
        let mut text = serde_json::to_vec(self).map_err(|error| Error::Internal(format!("{FILE}: {error}")))?;
        text.push(b'\n');
        Ok(text)
    }
}

/// Recall and precision of each class: the right answers' share of the images of the class, and of the images taken for
/// it; none where there are no such images. `confusion [C][C]` has the images by label and answer.
pub fn by_class(confusion: &[Vec<u64>]) -> Vec<[Option<f64>; 2]> {
    let classes = confusion.iter().enumerate();
    let shares = classes.map(|(class, row)| {
        let column = confusion.iter().map(|row| row[class]).sum();
        [row.iter().sum(), column].map(|of: u64| (of > 0).then(|| row[class] as f64 / of as f64))
    });
    shares.collect()
}

/// Whether it has as many rows and columns as there are classes.
pub fn is_square(confusion: &[Vec<u64>], classes: usize) -> bool {
    confusion.len() == classes && confusion.iter().all(|row| row.len() == classes)
}

/// A record that was written; none if it is not there.
///
/// # Errors
///
/// [`Error::Checkpoint`] if it is damaged: no such record, or parts of it of other sizes than its classes.
pub fn read(path: &Path) -> Result<Option<Answers>> {
    let Some(bytes) = optional(path)? else { return Ok(None) };
    let damaged = |what: &str| Error::checkpoint(path, format!("{what}; remove it, or train anew"));
    let answers: Answers = serde_json::from_slice(&bytes).map_err(|error| damaged(&error.to_string()))?;
    let classes = answers.classes.len();
    if !answers.confusion.iter().all(|matrix| is_square(matrix, classes)) {
        return Err(damaged(&format!("expected matrices of {classes} by {classes} classes")));
    }
    if !answers.mistakes.iter().all(|mistake| mistake.label < classes && mistake.answer < classes) {
        return Err(damaged(&format!("a mistake with a label that is none of the {classes} classes")));
    }
    if !answers.mistakes.iter().all(|mistake| BASE64_STANDARD.decode(&mistake.picture).is_ok()) {
        return Err(damaged("a picture that is not base64"));
    }
    Ok(Some(answers))
}

/// An image's `planes [D]` as PNG in base64.
pub fn png(planes: &[u8]) -> Result<String> {
    let mut bytes = Cursor::new(Vec::new());
    let image = picture::from_planes(planes);
    image.write_to(&mut bytes, ImageFormat::Png).map_err(|error| Error::Internal(format!("a picture: {error}")))?;
    Ok(BASE64_STANDARD.encode(bytes.into_inner()))
}
