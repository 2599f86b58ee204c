//! What `evaluate --json` prints, and `report` reads: scores of trained networks on some images, alone and together.

use std::fmt;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use super::answers::by_class;
use crate::model::softmax::largest;
use crate::util::text::grouped;

/// Bins of the expected calibration error, as in Guo et al.
const BINS: usize = 15;

/// Which images of a data set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Part {
    /// Those that the runs trained on
    Train,
    /// Those that they validated on
    Val,
    /// The test images
    Test,
}

/// The whole document.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evaluated {
    /// This program's.
    pub version: String,
    /// What computed it, in the engine's words.
    pub engine: String,
    /// What the images are.
    pub data: String,
    /// SHA-256 over shapes, labels and pixels of the data set.
    pub sha256: String,
    /// Which of its images.
    pub part: Part,
    /// How many.
    pub images: usize,
    /// Whether the probabilities are means over the image and the flipped one.
    pub mirror: bool,
    /// Names of the classes, in the order of the labels.
    pub classes: Vec<String>,
    /// Each network.
    pub members: Vec<Member>,
    /// The means of all their probabilities, where there are several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ensemble: Option<Scores>,
}

/// A network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Member {
    /// The folder of its run.
    pub run: String,
    /// Which one of the run's, where it has several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<usize>,
    /// Of a snapshot, its step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<u64>,
    /// Its own scores.
    #[serde(flatten)]
    pub scores: Scores,
}

/// How good predictions are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Scores {
    /// Mean cross-entropy, in nats.
    pub loss: f64,
    /// Share of images classified rightly.
    pub accuracy: f64,
    /// Expected calibration error, 0 to 1: see [`Self::of`].
    pub ece: f64,
    /// Of each class, the share of its images that are recognised; none of a class without images.
    pub recall: Vec<Option<f64>>,
    /// Of each class, the share of the images taken for it that are of it; none of a class that no image is taken for.
    pub precision: Vec<Option<f64>>,
    /// Images by label and answer, `[C][C]`.
    pub confusion: Vec<Vec<u64>>,
}

impl Evaluated {
    /// The scores of all networks together, or of the only one; none without any.
    pub fn together(&self) -> Option<&Scores> {
        self.ensemble.as_ref().or_else(|| self.members.first().map(|member| &member.scores))
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Train => "train",
            Self::Val => "val",
            Self::Test => "test",
        })
    }
}

impl fmt::Display for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.run)?;
        self.model.map_or(Ok(()), |model| write!(f, ", model {model}"))?;
        self.step.map_or(Ok(()), |step| write!(f, ", step {}", grouped(step)))
    }
}

impl Scores {
    /// Of the logarithms of probabilities `[N, C]` for images of these labels, one at least.
    ///
    /// The expected calibration error is that of Guo et al., *On Calibration of Modern Neural Networks*, 2017: with the
    /// images in 15 bins `B` of equal width by the probability of their answer, `Σ_B |B|/N · |accuracy(B) − confidence(B)|`.
    pub fn of(log_p: &[f64], labels: &[u8], classes: usize) -> Self {
        let images = labels.len() as f64;
        let mut loss = 0.0;
        let mut confusion = vec![vec![0; classes]; classes];
        // |B| · (accuracy(B) − confidence(B))
        let mut gaps = [0.0; BINS];
        for (log_p, &label) in log_p.chunks_exact(classes).zip(labels) {
            let (label, answer) = (usize::from(label), largest(log_p));
            loss -= log_p[label];
            confusion[label][answer] += 1;
            let confidence = log_p[answer].exp();
            // A bin has its upper end.
            let bin = (confidence * BINS as f64).ceil() as usize;
            gaps[bin.clamp(1, BINS) - 1] += f64::from(u8::from(answer == label)) - confidence;
        }
        let right: u64 = (0..classes).map(|class| confusion[class][class]).sum();
        let (recall, precision) =
            by_class(&confusion).into_iter().map(|[recall, precision]| (recall, precision)).unzip();
        Self {
            loss: loss / images,
            accuracy: right as f64 / images,
            ece: gaps.iter().map(|gap: &f64| gap.abs()).sum::<f64>() / images,
            recall,
            precision,
            confusion,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_of_five_images_are_those_counted_by_hand() {
        let p = [[0.7, 0.2, 0.1], [0.7, 0.1, 0.2], [0.6, 0.3, 0.1], [0.05, 0.9, 0.05], [0.25, 0.35, 0.4]];
        let labels = [0, 1, 0, 1, 1];
        let log_p: Vec<f64> = p.iter().flatten().map(|p: &f64| p.ln()).collect();
        let scores = Scores::of(&log_p, &labels, 3);
        assert_eq!(scores.confusion, [[2, 0, 0], [1, 1, 1], [0, 0, 0]]);
        assert_eq!(scores.recall, [Some(1.0), Some(1.0 / 3.0), None]);
        assert_eq!(scores.precision, [Some(2.0 / 3.0), Some(1.0), Some(0.0)]);
        approx::assert_abs_diff_eq!(scores.accuracy, 3.0 / 5.0, epsilon = 1e-15);
        let loss = -(0.7_f64 * 0.1 * 0.6 * 0.9 * 0.35).ln() / 5.0;
        approx::assert_abs_diff_eq!(scores.loss, loss, epsilon = 1e-12);
        // Bins of a fifteenth: 0.7 and 0.7 share one, of which one is right: |1 − 1.4|. Then 0.6 and 0.9, right, and 0.4,
        // wrong.
        let ece = (0.4 + 0.4 + 0.1 + 0.4) / 5.0;
        approx::assert_abs_diff_eq!(scores.ece, ece, epsilon = 1e-12);
    }
}
