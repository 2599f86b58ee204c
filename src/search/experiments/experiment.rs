//! The experiments as searches of listed values.

use clap::ValueEnum;

use super::published::{Accuracies, BEST, FIGURE_1, FIGURE_2, FIGURE_3, Row, TABLE_1, TABLE_2};
use crate::config::preset::Preset;
use crate::data::split::Split;
use crate::error::{Error, Result};
use crate::search::Search;
use crate::search::parameter::Parameter;
use crate::search::space::{Axis, Sample, Space, Span};

/// What can be reproduced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Experiment {
    /// one cycle on a fifth of the training images
    #[value(name = "figure-1")]
    Figure1,
    /// three cycles on the same
    #[value(name = "figure-2")]
    Figure2,
    /// the coarse search, warm-started and fresh
    #[value(name = "table-1")]
    Table1,
    /// the fine search, warm-started and fresh
    #[value(name = "table-2")]
    Table2,
    /// ten runs of the best lambda
    Best,
    /// one run of it
    #[value(name = "figure-3")]
    Figure3,
    /// the analytic gradient against differences
    Gradient,
    /// all of them
    All,
}

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

impl Experiment {
    /// Whether it includes the check of the gradient.
    pub fn has_gradient(self) -> bool {
        matches!(self, Self::Gradient | Self::All)
    }

    /// Its parts, with half-cycles scaled by a share above 0, at most 1.
    pub fn parts(self, scale: f64) -> Result<Vec<Part>> {
        use Published::{Mean, One, Table};
        const WARM: &str = "one network through the sorted lambdas, as in the report";
        const FRESH: &str = "a fresh network for each lambda, which the report did not do";
        let parts = [
            (Self::Figure1, Preset::Figure1, "figure-1", "one cycle on data_batch_1", true, One(FIGURE_1)),
            (Self::Figure2, Preset::Figure2, "figure-2", "three cycles on data_batch_1", true, One(FIGURE_2)),
            (Self::Table1, Preset::Table1, "table-1-warm", WARM, true, Table(&TABLE_1)),
            (Self::Table1, Preset::Table1, "table-1-fresh", FRESH, false, Table(&TABLE_1)),
            (Self::Table2, Preset::Table2, "table-2-warm", WARM, true, Table(&TABLE_2)),
            (Self::Table2, Preset::Table2, "table-2-fresh", FRESH, false, Table(&TABLE_2)),
            (Self::Best, Preset::Best, "best", "ten runs of the best lambda", true, Mean(BEST)),
            (Self::Figure3, Preset::Best, "figure-3", "one run of it", true, One(FIGURE_3)),
        ];
        let wanted = parts.into_iter().filter(|part| self == part.0 || self == Self::All);
        let part = |(_, preset, name, title, faithful, published)| {
            Ok(Part { name, title, faithful, search: search(preset, published, faithful, scale)?, published })
        };
        wanted.map(part).collect()
    }
}

/// The trainings behind a published result.
fn search(preset: Preset, published: Published, faithful: bool, scale: f64) -> Result<Search> {
    let mut config = preset.config();
    let (parameter, values) = match published {
        Published::One(_) => (Parameter::Lambda, vec![config.lambda]),
        Published::Mean(_) => (Parameter::Seed, (0..10).map(f64::from).collect()),
        Published::Table(rows) => (Parameter::Lambda, rows.iter().map(|row| row.lambda).collect()),
    };
    if !matches!(published, Published::One(_)) {
        // Only the curves of a figure need more evaluations.
        config.evals_per_cycle = 1;
    }
    config.half_cycle = scaled(config.half_cycle as usize, scale) as u64;
    let space = Space::new(Sample::List, vec![Axis { parameter, span: Span::Values(values) }], None)?;
    let warm_start = faithful && matches!(published, Published::Table(_));
    let search = Search { config, space, warm_start, refine: 0, with_test: true };
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
