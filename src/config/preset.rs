//! The report's experiments by name.

use clap::ValueEnum;

use crate::config::Config;
use crate::config::device::Choice;
use crate::config::schedule::Triangle;
use crate::config::spec::{Feed, Length, Penalty, TrainSpec};
use crate::data::spec::{DataSpec, Pick, Source, Validation};

/// An experiment of the report: two-layer networks of 50 hidden units, mini-batches of 100, learning rates of 1e-5 to
/// 1e-1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Preset {
    /// 10,000 training images (`data_batch_1`), lambda .01, one cycle of 2 · 500 steps
    #[value(name = "figure-1")]
    Figure1,
    /// the same images and lambda, three cycles of 2 · 800 steps
    #[value(name = "figure-2")]
    Figure2,
    /// 45,000 training images, two cycles of 2 · 900 steps; as a search the report's 25 lambdas, else the best of them
    #[value(name = "table-1")]
    Table1,
    /// the same images, four cycles of 2 · 900 steps; as a search the report's 30 lambdas, else the best of them
    #[value(name = "table-2")]
    Table2,
    /// 49,000 training images, lambda .00895, three cycles of 2 · 980 steps
    #[value(name = "best")]
    Best,
}

impl Preset {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Figure1, Self::Figure2, Self::Table1, Self::Table2, Self::Best];

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Figure1 => "figure-1",
            Self::Figure2 => "figure-2",
            Self::Table1 => "table-1",
            Self::Table2 => "table-2",
            Self::Best => "best",
        }
    }

    /// Its settings. What the report leaves open: evaluations (10 a cycle), seed (0), device (auto).
    pub fn config(self) -> Config {
        let (train_batches, validation) = match self {
            Self::Figure1 | Self::Figure2 => (vec![1], Validation::Batches(vec![2])),
            Self::Table1 | Self::Table2 => (vec![1, 2, 3, 4, 5], Validation::Images { count: 5000, pick: Pick::Last }),
            Self::Best => (vec![1, 2, 3, 4, 5], Validation::Images { count: 1000, pick: Pick::Last }),
        };
        let (lambda, half_cycle, cycles) = match self {
            Self::Figure1 => (0.01, 500, 1),
            Self::Figure2 => (0.01, 800, 3),
            Self::Table1 => (0.011_315_807_1, 900, 2),
            Self::Table2 => (0.008_950_028_3, 900, 4),
            Self::Best => (0.00895, 980, 3),
        };
        Config {
            data: DataSpec { source: Source::Auto, train_batches, validation },
            hidden: 50,
            train: TrainSpec {
                lambda,
                penalty: Penalty::Half,
                batch_size: 100,
                lr: Triangle { min: 1e-5, max: 1e-1, half_cycle },
                length: Length::Cycles(cycles),
                seed: 0,
                evals_per_cycle: 10,
            },
            device: Choice::Auto,
            feed: Feed::Auto,
            steps: None,
            repeats: 1,
            checkpoint_every: None,
            overfit_one_batch: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn presets_last_as_many_epochs_as_the_report_says() {
        for (preset, images, epochs) in [
            (Preset::Figure1, 10_000, 10),
            (Preset::Figure2, 10_000, 48),
            (Preset::Table1, 45_000, 8),
            (Preset::Table2, 45_000, 16),
            (Preset::Best, 49_000, 12),
        ] {
            let train = preset.config().train;
            assert_eq!(train.length.steps(&train.lr, images, train.batch_size) * 100, images as u64 * epochs);
        }
    }

    #[test]
    fn names_are_those_of_the_command_line() {
        for preset in Preset::ALL {
            assert_eq!(Preset::from_str(preset.name(), false), Ok(preset));
        }
    }
}
