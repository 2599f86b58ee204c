//! The hyper-parameters that can be searched.

use super::trial::Trial;
use crate::config::Config;
use crate::model::Hidden;

/// A hyper-parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parameter {
    /// Strength of the L2 penalty.
    Lambda,
    /// Highest learning rate.
    LrMax,
    /// Lowest learning rate.
    LrMin,
    /// `n_s`.
    HalfCycle,
    /// Factor of the schedules `step` and `exp-range`.
    Gamma,
    /// Steps between two factors of `step`.
    StepSize,
    /// Steps of the warm-up.
    Warmup,
    /// `H`, of one hidden layer.
    Hidden,
    /// `B`.
    BatchSize,
    /// Seed of the initial weights and the shuffles.
    Seed,
}

impl Parameter {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::Lambda,
        Self::LrMax,
        Self::LrMin,
        Self::HalfCycle,
        Self::Gamma,
        Self::StepSize,
        Self::Warmup,
        Self::Hidden,
        Self::BatchSize,
        Self::Seed,
    ];

    /// The name of its flag.
    pub fn name(self) -> &'static str {
        match self {
            Self::Lambda => "lambda",
            Self::LrMax => "lr-max",
            Self::LrMin => "lr-min",
            Self::HalfCycle => "half-cycle",
            Self::Gamma => "gamma",
            Self::StepSize => "step-size",
            Self::Warmup => "warmup",
            Self::Hidden => "hidden",
            Self::BatchSize => "batch-size",
            Self::Seed => "seed",
        }
    }

    /// Whether its values are integers.
    pub fn is_integer(self) -> bool {
        !matches!(self, Self::Lambda | Self::LrMax | Self::LrMin | Self::Gamma)
    }

    /// Whether it changes the shape of the network.
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
            Self::Gamma => spec.lr.gamma,
            Self::StepSize => spec.lr.step_size as f64,
            Self::Warmup => spec.lr.warmup as f64,
            Self::Hidden => trial.hidden.first().copied().unwrap_or(0) as f64,
            Self::BatchSize => spec.batch_size as f64,
            Self::Seed => spec.seed as f64,
        }
    }

    /// Sets the value in `config`, truncated if it is an integer there.
    pub fn set(self, config: &mut Config, value: f64) {
        match self {
            Self::Lambda => config.lambda = value,
            Self::LrMax => config.lr_max = value,
            Self::LrMin => config.lr_min = value,
            Self::HalfCycle => config.half_cycle = value as u64,
            Self::Gamma => config.gamma = Some(value),
            Self::StepSize => config.step_size = Some(value as u64),
            Self::Warmup => config.warmup = value as u64,
            Self::Hidden => config.hidden = Hidden::one(value as usize),
            Self::BatchSize => config.batch_size = value as usize,
            Self::Seed => config.seed = value as u64,
        }
    }

    /// The value as displayed, real numbers in a short form.
    pub fn show(self, value: f64) -> String {
        if self.is_integer() { format!("{value}") } else { format!("{value:.6e}") }
    }
}
