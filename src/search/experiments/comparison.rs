//! Published numbers beside ours.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use super::experiment::{Part, Published};
use super::published::{Accuracies, GRADIENT};
use crate::search::trial::{Record, Scored};
use crate::util::statistics::Spread;

/// The band of training and test accuracies, in percentage points.
pub const POINTS: f64 = 1.5;

/// What a number is a share of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Of {
    /// The training images.
    Train,
    /// The validation images.
    Validation,
    /// The test images.
    Test,
    /// Entries of the gradient that agree to 5 decimals.
    #[serde(rename = "gradient-5")]
    Gradient5,
    /// Entries of the gradient that agree to 6 decimals.
    #[serde(rename = "gradient-6")]
    Gradient6,
}

/// Whether a number is inside its band.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// It differs by no more than its band.
    Inside,
    /// It differs by more, or is missing because the training diverged.
    Outside,
    /// The run was a rehearsal or on other images.
    None,
}

/// A published number beside ours: a line of `comparison.jsonl`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Number {
    /// The part's name.
    pub part: String,
    /// Whether the part is made as in the report.
    pub faithful: bool,
    /// Of the row, in a table.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lambda: Option<f64>,
    /// What it is a share of.
    pub images: Of,
    /// The published share, 0 to 1.
    pub published: f64,
    /// Ours; none if the training diverged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ours: Option<f64>,
    /// Standard deviation of ours, if it is a mean.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deviation: Option<f64>,
    /// How far they may differ, in points; for a gradient, how far ours may be below.
    pub band: f64,
    /// The verdict.
    pub verdict: Verdict,
    /// 1, or a rehearsal's share of the images and steps.
    pub scale: f64,
}

impl Number {
    /// Ours minus the published, in points.
    pub fn difference(&self) -> Option<f64> {
        self.ours.map(|ours| (ours - self.published) * 100.0)
    }

    /// With its verdict, for a run of the report's own size and images.
    fn judged(mut self) -> Self {
        let inside = self.difference().is_some_and(|difference| match self.images {
            Of::Gradient5 | Of::Gradient6 => difference >= -self.band,
            Of::Train | Of::Validation | Of::Test => difference.abs() <= self.band,
        });
        self.verdict = if inside { Verdict::Inside } else { Verdict::Outside };
        self
    }
}

/// Whether a run is comparable with the report.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Terms {
    /// The share of the images and steps, 1 for all.
    pub scale: f64,
    /// Whether the images are the report's.
    pub real: bool,
}

impl Terms {
    /// Whether verdicts are meaningful.
    pub fn comparable(self) -> bool {
        self.scale >= 1.0 && self.real
    }

    /// The warning in every output of a run that is not comparable.
    pub fn warning(self) -> Option<String> {
        let mut text = String::new();
        if self.scale < 1.0 {
            let _ = write!(text, "SCALED to {} of the images and steps: a rehearsal. ", self.scale);
        }
        if !self.real {
            text.push_str("Built-in images, not CIFAR-10. ");
        }
        (!text.is_empty()).then(|| format!("{text}No figure here compares with the report's."))
    }
}

/// The numbers of a part from the `records` of its trials, in the trials' order, validated on `validation` images.
pub fn numbers(part: &Part, records: &[Record], validation: usize, terms: Terms) -> Vec<Number> {
    let mut numbers = Vec::new();
    let mut add = |lambda: Option<f64>, published: [Option<f64>; 3], ours: &[Option<Scored>]| {
        for (images, published) in [Of::Train, Of::Validation, Of::Test].into_iter().zip(published) {
            let Some(published) = published else { continue };
            let share = |scored: &Option<Scored>| {
                let scored = (*scored)?;
                let score = match images {
                    Of::Validation => scored.validation?,
                    Of::Test => scored.test?,
                    _ => scored.train,
                };
                Some(score.accuracy)
            };
            // If one diverged there is no mean.
            let shares: Option<Vec<_>> = ours.iter().map(share).collect();
            let spread = shares.and_then(|shares| Spread::of(&shares));
            let band = if images == Of::Validation { 200.0 * (0.5 / validation.max(1) as f64).sqrt() } else { POINTS };
            let number = Number {
                part: part.name.into(),
                faithful: part.faithful,
                lambda,
                images,
                published,
                ours: spread.map(|spread| spread.mean),
                deviation: spread.filter(|_| ours.len() > 1).map(|spread| spread.deviation),
                band,
                verdict: Verdict::None,
                scale: terms.scale,
            };
            numbers.push(if terms.comparable() { number.judged() } else { number });
        }
    };
    let ours: Vec<_> = records.iter().map(|record| record.result).collect();
    match part.published {
        Published::One(Accuracies { train, validation, test })
        | Published::Mean(Accuracies { train, validation, test }) => {
            add(None, [Some(train), validation, Some(test)], &ours);
        }
        Published::Table(rows) => {
            for (row, ours) in rows.iter().zip(&ours) {
                add(Some(row.lambda), [Some(row.train), Some(row.validation), row.test], std::slice::from_ref(ours));
            }
        }
    }
    numbers
}

/// The gradient's two numbers, which do not depend on the scale.
pub fn gradient(ours: [f64; 2]) -> Vec<Number> {
    let numbers = [Of::Gradient5, Of::Gradient6].into_iter().zip(GRADIENT).zip(ours);
    let number = |((images, published), ours)| {
        let (part, ours, verdict) = ("gradient".into(), Some(ours), Verdict::None);
        let (faithful, lambda, deviation, band, scale) = (true, None, None, 0.0, 1.0);
        Number { part, faithful, lambda, images, published, ours, deviation, band, verdict, scale }.judged()
    };
    numbers.map(number).collect()
}

/// How many numbers are inside their bands, in the parts made as in the report and in the fresh tables.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Inside, in parts made as in the report.
    pub inside: usize,
    /// Out of.
    pub of: usize,
    /// Inside, in the fresh tables.
    pub fresh_inside: usize,
    /// Out of.
    pub fresh_of: usize,
}

impl Counts {
    /// Counts the numbers with a verdict.
    pub fn of(numbers: &[Number]) -> Self {
        let count = |faithful: bool, which: &dyn Fn(Verdict) -> bool| {
            numbers.iter().filter(|number| number.faithful == faithful && which(number.verdict)).count()
        };
        let (inside, judged) = (|verdict| verdict == Verdict::Inside, |verdict| verdict != Verdict::None);
        Self {
            inside: count(true, &inside),
            of: count(true, &judged),
            fresh_inside: count(false, &inside),
            fresh_of: count(false, &judged),
        }
    }
}
