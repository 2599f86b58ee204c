//! Published numbers beside ours.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use super::experiment::{Part, Published};
use super::published::{Accuracies, GRADIENT};
use crate::search::trial::{Record, Scored};
use crate::util::statistics::Spread;

/// How far training and test accuracies may be from the published ones, in points.
pub const POINTS: f64 = 1.5;

/// What an accuracy, or a share, is of.
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

/// Whether a number is where it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// It differs by no more than its band.
    Inside,
    /// It differs by more, or there is none because the training diverged.
    Outside,
    /// The run was not the report's.
    None,
}

/// A published number beside ours: a line of `comparison.jsonl`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Number {
    /// The part's name.
    pub part: String,
    /// Whether the part is as the report made it.
    pub faithful: bool,
    /// The row's, in a table.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lambda: Option<f64>,
    /// What the share is of.
    pub images: Of,
    /// The published share, 0 to 1.
    pub published: f64,
    /// Ours; none if the training diverged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ours: Option<f64>,
    /// Standard deviation of ours, where it is a mean.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deviation: Option<f64>,
    /// How far they may differ, in points; of a gradient, how far ours may be below.
    pub band: f64,
    /// The verdict.
    pub verdict: Verdict,
    /// 1, or the share of the images and steps that a rehearsal took.
    pub scale: f64,
}

impl Number {
    /// Ours less the published, in points.
    pub fn difference(&self) -> Option<f64> {
        self.ours.map(|ours| (ours - self.published) * 100.0)
    }

    /// With the verdict that a run of the report's own size and images deserves.
    fn judged(mut self) -> Self {
        let inside = self.difference().is_some_and(|difference| match self.images {
            Of::Gradient5 | Of::Gradient6 => difference >= -self.band,
            Of::Train | Of::Validation | Of::Test => difference.abs() <= self.band,
        });
        self.verdict = if inside { Verdict::Inside } else { Verdict::Outside };
        self
    }
}

/// How a run compares with the report.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Terms {
    /// The share of the images and steps.
    pub scale: f64,
    /// Whether the images are the report's.
    pub real: bool,
}

impl Terms {
    /// Whether verdicts mean anything.
    pub fn comparable(self) -> bool {
        self.scale >= 1.0 && self.real
    }

    /// What every output says of a run whose figures are not the report's.
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

/// The numbers of a part whose trials have the records `records`, in the trials' order, validated on `validation` images.
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
            // One that diverged leaves no mean.
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

/// The gradient's two numbers, which no share of images or steps touches.
pub fn gradient(ours: [f64; 2]) -> Vec<Number> {
    let number = |((images, published), ours)| Number {
        part: "gradient".into(),
        faithful: true,
        lambda: None,
        images,
        published,
        ours: Some(ours),
        deviation: None,
        band: 0.0,
        verdict: Verdict::None,
        scale: 1.0,
    };
    let numbers = [Of::Gradient5, Of::Gradient6].into_iter().zip(GRADIENT).zip(ours);
    numbers.map(|number_of| number(number_of).judged()).collect()
}

/// A part's numbers as text, a line a training or a mean: for each kind of images the report's, ours, the difference in
/// points, and a mark where it is outside its band.
pub fn table(name: &str, title: &str, numbers: &[Number]) -> String {
    let mut text = format!("{name}: {title}\n");
    let kinds: Vec<Of> = [Of::Train, Of::Validation, Of::Test, Of::Gradient5, Of::Gradient6]
        .into_iter()
        .filter(|kind| numbers.iter().any(|number| number.images == *kind))
        .collect();
    let _ = write!(text, "{:<13}", if numbers.iter().any(|number| number.lambda.is_some()) { "lambda" } else { "" });
    for kind in &kinds {
        let band = numbers.iter().find(|number| number.images == *kind).map_or(0.0, |number| number.band);
        let title = match kind {
            Of::Train => format!("training ±{band:.1}"),
            Of::Validation => format!("validation ±{band:.1}"),
            Of::Test => format!("test ±{band:.1}"),
            Of::Gradient5 => "5 decimals".into(),
            Of::Gradient6 => "6 decimals".into(),
        };
        let _ = write!(text, "  {title:<27}");
    }
    let _ = write!(text, "\n{:<13}", "");
    text.push_str(&"  report    ours    diff     ".repeat(kinds.len()));
    text.push('\n');
    for row in numbers.chunk_by(|a, b| a.lambda == b.lambda) {
        let lambda = row[0].lambda.map_or_else(String::new, |lambda| format!("{lambda:.6e}"));
        let _ = write!(text, "{lambda:<13}");
        for number in row {
            let ours = number.ours.map_or_else(|| "none".into(), |ours| format!("{:.2}", ours * 100.0));
            let difference = number.difference().map_or_else(|| "-".into(), |points| format!("{points:+.2}"));
            let mark = if number.verdict == Verdict::Outside { "OUT" } else { "" };
            let _ = write!(text, "  {:>6.2}  {ours:>6}  {difference:>6} {mark:<4}", number.published * 100.0);
        }
        text.push('\n');
        let deviations: Vec<_> = row.iter().filter_map(|number| number.deviation).collect();
        if !deviations.is_empty() {
            let _ = write!(text, "{:<13}", "  deviation");
            for deviation in deviations {
                let _ = write!(text, "          {:>6.2}             ", deviation * 100.0);
            }
            text.push('\n');
        }
    }
    let lines: Vec<_> = text.lines().map(str::trim_end).collect();
    lines.join("\n") + "\n"
}

/// How many numbers are inside their bands, of the parts as the report made them and of the others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Inside, of parts as the report made them.
    pub inside: usize,
    /// Of so many.
    pub of: usize,
    /// Inside, of the fresh tables.
    pub fresh_inside: usize,
    /// Of so many.
    pub fresh_of: usize,
}

impl Counts {
    /// Of numbers with a verdict.
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
