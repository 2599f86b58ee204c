//! The experiments as searches of listed values.

use clap::ValueEnum;

use super::published::{self, Accuracies, Row};
use crate::config::Config;
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
        let wanted = |one: Self| self == one || self == Self::All;
        let mut parts = Vec::new();
        for (experiment, preset, name, title, published) in [
            (Self::Figure1, Preset::Figure1, "figure-1", "one cycle on data_batch_1", published::FIGURE_1),
            (Self::Figure2, Preset::Figure2, "figure-2", "three cycles on data_batch_1", published::FIGURE_2),
        ] {
            if wanted(experiment) {
                let search = one(preset.config(), scale)?;
                parts.push(Part { name, title, faithful: true, search, published: Published::One(published) });
            }
        }
        for (experiment, preset, warm, fresh, rows) in [
            (Self::Table1, Preset::Table1, "table-1-warm", "table-1-fresh", &published::TABLE_1[..]),
            (Self::Table2, Preset::Table2, "table-2-warm", "table-2-fresh", &published::TABLE_2[..]),
        ] {
            if wanted(experiment) {
                let part = |name, title, faithful| -> Result<Part> {
                    let search = table(preset, rows, faithful, scale)?;
                    Ok(Part { name, title, faithful, search, published: Published::Table(rows) })
                };
                parts.push(part(warm, "one network through the sorted lambdas, as in the report", true)?);
                parts.push(part(fresh, "a fresh network for each lambda, which the report did not do", false)?);
            }
        }
        if wanted(Self::Best) {
            let seeds = Axis { parameter: Parameter::Seed, span: Span::Values((0..10).map(f64::from).collect()) };
            let config = once_a_cycle(Preset::Best.config());
            let published = Published::Mean(published::BEST);
            let search = listed(config, seeds, false, scale)?;
            parts.push(Part { name: "best", title: "ten runs of the best lambda", faithful: true, search, published });
        }
        if wanted(Self::Figure3) {
            let search = one(Preset::Best.config(), scale)?;
            let published = Published::One(published::FIGURE_3);
            parts.push(Part { name: "figure-3", title: "one run of it", faithful: true, search, published });
        }
        Ok(parts)
    }
}

/// One training, with the configuration's own lambda.
fn one(config: Config, scale: f64) -> Result<Search> {
    let lambda = Axis { parameter: Parameter::Lambda, span: Span::Values(vec![config.train.lambda]) };
    listed(config, lambda, false, scale)
}

fn table(preset: Preset, rows: &[Row], warm_start: bool, scale: f64) -> Result<Search> {
    let lambdas = rows.iter().map(|row| row.lambda).collect();
    let axis = Axis { parameter: Parameter::Lambda, span: Span::Values(lambdas) };
    listed(once_a_cycle(preset.config()), axis, warm_start, scale)
}

/// Only the curves of a figure need more evaluations.
fn once_a_cycle(mut config: Config) -> Config {
    config.train.evals_per_cycle = 1;
    config
}

fn listed(mut config: Config, axis: Axis, warm_start: bool, scale: f64) -> Result<Search> {
    let half_cycle = &mut config.train.lr.half_cycle;
    *half_cycle = scaled(*half_cycle as usize, scale) as u64;
    let space = Space::new(Sample::List, vec![axis], None)?;
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
