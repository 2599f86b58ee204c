//! How a gradient moves the weights, in `PyTorch`'s formulas and with its defaults.

use std::fmt::{self, Display, Formatter};

use serde::{Deserialize, Serialize};

/// `β₁` and `β₂` of `AdamW`: how much of a moment stays at a step.
pub const BETAS: [f64; 2] = [0.9, 0.999];
/// `ε` of `AdamW`, added to the root of the second moment.
pub const EPS: f64 = 1e-8;

/// `weight_decay` of `AdamW` where nobody says another.
pub const WEIGHT_DECAY: f64 = 0.01;

/// An optimizer, the same for all models of a job. `g` is the gradient of the cost, `w` a weight or a bias.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Optimizer {
    /// `v ← momentum·v + g`, then `w ← w − rate·v`, or with `nesterov` `w ← w − rate·(g + momentum·v)`. Without momentum there
    /// is no `v`.
    Sgd {
        /// How much of `v` stays.
        momentum: f32,
        /// Whether the step looks ahead (Sutskever et al. 2013).
        nesterov: bool,
    },
    /// `m ← β₁·m + (1 − β₁)·g`, `v ← β₂·v + (1 − β₂)·g²`, `w ← w − rate·weight_decay·w`, then at step `t`, from 1,
    /// `w ← w − rate/(1 − β₁ᵗ) · m / (√v/√(1 − β₂ᵗ) + ε)` (Loshchilov and Hutter 2019). Biases do not decay.
    Adamw {
        /// The share of a weight that a step at a rate of 1 takes away.
        weight_decay: f32,
    },
}

impl Default for Optimizer {
    /// Plain SGD.
    fn default() -> Self {
        Self::Sgd { momentum: 0.0, nesterov: false }
    }
}

impl Display for Optimizer {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Sgd { momentum: 0.0, .. } => write!(f, "SGD"),
            Self::Sgd { momentum, nesterov: false } => write!(f, "SGD, momentum {momentum}"),
            Self::Sgd { momentum, nesterov: true } => write!(f, "SGD, Nesterov's momentum {momentum}"),
            Self::Adamw { weight_decay } => write!(f, "AdamW, weight decay {weight_decay}"),
        }
    }
}

impl Optimizer {
    /// What `PyTorch` calls the moments that it keeps of each weight and bias.
    pub fn moments(self) -> &'static [&'static str] {
        match self {
            Self::Sgd { momentum: 0.0, .. } => &[],
            Self::Sgd { .. } => &["momentum_buffer"],
            Self::Adamw { .. } => &["exp_avg", "exp_avg_sq"],
        }
    }

    /// `1/(1 − β₁ᵗ)` and `1/√(1 − β₂ᵗ)` of the step after `steps` steps; 1 where there are none.
    pub fn corrections(self, steps: u64) -> [f64; 2] {
        let Self::Adamw { .. } = self else { return [1.0; 2] };
        let [first, second] = BETAS.map(|beta| 1.0 - beta.powf(steps as f64 + 1.0));
        [1.0 / first, 1.0 / second.sqrt()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn corrections_undo_that_moments_begin_at_0() {
        let adamw = Optimizer::Adamw { weight_decay: 0.01 };
        let [first, second] = adamw.corrections(0);
        approx::assert_relative_eq!(first, 10.0, max_relative = 1e-12);
        approx::assert_relative_eq!(second, 1e3f64.sqrt(), max_relative = 1e-12);
        let [first, second] = adamw.corrections(1);
        approx::assert_relative_eq!(first, 1.0 / 0.19, max_relative = 1e-12);
        approx::assert_relative_eq!(second, 1.0 / 0.001_999f64.sqrt(), max_relative = 1e-12);
        assert_eq!(adamw.corrections(1 << 40), [1.0; 2]);
        assert_eq!(Optimizer::default().corrections(0), [1.0; 2]);
    }
}
