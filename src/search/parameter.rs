//! The hyper-parameters that can be searched.

use super::trial::Trial;
use crate::config::Config;

/// A hyper-parameter, by the name of its flag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parameter {
    /// Strength of the penalty.
    Lambda,
    /// Learning rate half-way through a cycle.
    LrMax,
    /// Learning rate at the start of a cycle.
    LrMin,
    /// `n_s`.
    HalfCycle,
    /// `H`.
    Hidden,
    /// `B`.
    BatchSize,
    /// Seed of the initial weights and the shuffles.
    Seed,
}

impl Parameter {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::Lambda, Self::LrMax, Self::LrMin, Self::HalfCycle, Self::Hidden, Self::BatchSize, Self::Seed];

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Lambda => "lambda",
            Self::LrMax => "lr-max",
            Self::LrMin => "lr-min",
            Self::HalfCycle => "half-cycle",
            Self::Hidden => "hidden",
            Self::BatchSize => "batch-size",
            Self::Seed => "seed",
        }
    }

    /// Whether its values are integers.
    pub fn is_integer(self) -> bool {
        !matches!(self, Self::Lambda | Self::LrMax | Self::LrMin)
    }

    /// Whether networks of different values have different shapes.
    pub fn decides_shape(self) -> bool {
        self == Self::Hidden
    }

    /// Its value in `trial`.
    pub fn of(self, trial: &Trial) -> f64 {
        let spec = &trial.spec;
        match self {
            Self::Lambda => spec.lambda,
            Self::LrMax => spec.lr.max,
            Self::LrMin => spec.lr.min,
            Self::HalfCycle => spec.lr.half_cycle as f64,
            Self::Hidden => trial.hidden as f64,
            Self::BatchSize => spec.batch_size as f64,
            Self::Seed => spec.seed as f64,
        }
    }

    /// Gives `config` the value, an integer where it must be one.
    pub fn set(self, config: &mut Config, value: f64) {
        match self {
            Self::Lambda => config.lambda = value,
            Self::LrMax => config.lr_max = value,
            Self::LrMin => config.lr_min = value,
            Self::HalfCycle => config.half_cycle = value as u64,
            Self::Hidden => config.hidden = value as usize,
            Self::BatchSize => config.batch_size = value as usize,
            Self::Seed => config.seed = value as u64,
        }
    }

    /// As people write it: a short form for real numbers.
    pub fn show(self, value: f64) -> String {
        if self.is_integer() { format!("{value}") } else { format!("{value:.6e}") }
    }
}
