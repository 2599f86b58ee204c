//! The report's experiments by name.

use clap::ValueEnum;

use super::settings::{Config, Settings};

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
    /// Its name on the command line.
    pub fn name(self) -> String {
        self.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
    }

    /// What it has in the place of the defaults, which are those of the report's best network.
    pub fn settings(self) -> Settings {
        let figure = Settings {
            train_batches: Some(vec![1]),
            val_batches: Some(vec![2]),
            lambda: Some(0.01),
            ..Settings::default()
        };
        let table = Settings { val_images: Some(5000), half_cycle: Some(900), ..Settings::default() };
        match self {
            Self::Figure1 => Settings { half_cycle: Some(500), cycles: Some(1), ..figure },
            Self::Figure2 => Settings { half_cycle: Some(800), cycles: Some(3), ..figure },
            Self::Table1 => Settings { lambda: Some(0.011_315_807_1), cycles: Some(2), ..table },
            Self::Table2 => Settings { lambda: Some(0.008_950_028_3), cycles: Some(4), ..table },
            Self::Best => Settings::default(),
        }
    }

    /// The defaults with its settings over them.
    pub fn config(self) -> Config {
        Config::default().with(self.settings())
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
            let config = preset.config();
            let steps = config.length().steps(&config.lr(), images / 100);
            assert_eq!((steps, config.batch_size), (images / 100 * epochs, 100));
        }
    }
}
