//! The experiments as searches of listed values.

use super::published::{Accuracies, BEST, FIGURE_1, FIGURE_2, FIGURE_3, Row, TABLE_1, TABLE_2};
use crate::config::preset::Preset;
use crate::data::split::Split;
use crate::error::{Error, Result};
use crate::search::Search;
use crate::search::parameter::{Parameter, Value};
use crate::search::space::{Axis, Sample, Space, Span};

/// What can be reproduced, with its help. To one belong all parts whose names begin with its own.
pub const EXPERIMENTS: [(&str, &str); 8] = [
    ("figure-1", "one cycle on a fifth of the training images"),
    ("figure-2", "three cycles on the same"),
    ("table-1", "the coarse search, warm-started and fresh"),
    ("table-2", "the fine search, warm-started and fresh"),
    ("best", "ten runs of the best lambda"),
    ("figure-3", "one run of it"),
    ("gradient", "the analytic gradient against differences"),
    (ALL, "all of them"),
];
/// Every experiment.
pub const ALL: &str = "all";

/// The published result of a part.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Published {
    /// Of its one training.
    One(Accuracies),
    /// The mean of all its trainings.
    Mean(Accuracies),
    /// One row per training, in the trials' order.
    Table(&'static [Row]),
}

/// Trainings with one published result.
pub struct Part {
    /// Its name, and its folder's.
    pub name: &'static str,
    /// Its description.
    pub title: &'static str,
    /// Whether it is made as in the report.
    pub faithful: bool,
    /// Its trainings.
    pub search: Search,
    /// Their published result.
    pub published: Published,
}

/// The parts of one of [`EXPERIMENTS`], with half-cycles scaled by a share above 0, at most 1; the gradient has none.
pub fn parts(experiment: &str, scale: f64) -> Result<Vec<Part>> {
    use Published::{Mean, One, Table};
    const WARM: &str = "one network through the sorted lambdas, as in the report";
    const FRESH: &str = "a fresh network for each lambda, which the report did not do";
    let parts = [
        ("figure-1", Preset::Figure1, "one cycle on data_batch_1", true, One(FIGURE_1)),
        ("figure-2", Preset::Figure2, "three cycles on data_batch_1", true, One(FIGURE_2)),
        ("table-1-warm", Preset::Table1, WARM, true, Table(&TABLE_1)),
        ("table-1-fresh", Preset::Table1, FRESH, false, Table(&TABLE_1)),
        ("table-2-warm", Preset::Table2, WARM, true, Table(&TABLE_2)),
        ("table-2-fresh", Preset::Table2, FRESH, false, Table(&TABLE_2)),
        ("best", Preset::Best, "ten runs of the best lambda", true, Mean(BEST)),
        ("figure-3", Preset::Best, "one run of it", true, One(FIGURE_3)),
    ];
    let wanted = parts.into_iter().filter(|part| experiment == ALL || part.0.starts_with(experiment));
    let part = |(name, preset, title, faithful, published)| {
        Ok(Part { name, title, faithful, search: search(preset, published, faithful, scale)?, published })
    };
    wanted.map(part).collect()
}

/// The trainings behind a published result.
fn search(preset: Preset, published: Published, faithful: bool, scale: f64) -> Result<Search> {
    let mut config = preset.config();
    let (parameter, values) = match published {
        Published::One(_) => (Parameter::LAMBDA, vec![config.lambda]),
        Published::Mean(_) => (Parameter::SEED, (0..10).map(f64::from).collect()),
        Published::Table(rows) => (Parameter::LAMBDA, rows.iter().map(|row| row.lambda).collect()),
    };
    if !matches!(published, Published::One(_)) {
        // Only the curves of a figure need more evaluations.
        config.evals_per_cycle = 1;
    }
    config.half_cycle = scaled(config.half_cycle as usize, scale) as u64;
    let span = Span::Values(values.into_iter().map(Value::Number).collect());
    let space = Space::new(Sample::List, vec![Axis { parameter, span }], None)?;
    let warm_start = faithful && matches!(published, Published::Table(_));
    let search = Search { config, space, warm_start, refine: 0, with_test: true, halving: None };
    search.check()?;
    Ok(search)
}

/// `scale` of `n`, at least 1.
fn scaled(n: usize, scale: f64) -> usize {
    ((n as f64 * scale).round() as usize).clamp(1, n.max(1))
}

/// The first images of each part of `split`, by the same scale as the steps, so that the epochs stay the same.
pub fn shorten(mut split: Split, scale: f64) -> Split {
    for rows in [&mut split.train, &mut split.validation, &mut split.test] {
        rows.truncate(scaled(rows.len(), scale));
    }
    split
}

/// Rejects a scale out of range, naming the flag.
pub fn check_scale(scale: f64) -> Result<()> {
    if scale > 0.0 && scale <= 1.0 {
        return Ok(());
    }
    Err(Error::Usage(format!("--scale {scale}: expected a share above 0, up to 1, the report's own size")))
}
