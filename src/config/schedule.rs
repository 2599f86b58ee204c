//! The cyclical learning rate: a pure function of the step.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// A triangular learning rate (Smith, *Cyclical Learning Rates for Training Neural Networks*, 2017): with half-cycle
/// `n_s` and cycle `l`, linearly up from `min` to `max` for `2·l·n_s ≤ t < (2l+1)·n_s`, then linearly down until
/// `2(l+1)·n_s`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Triangle {
    /// `eta_min`, reached at the start of every cycle.
    pub min: f64,
    /// `eta_max`, reached half-way.
    pub max: f64,
    /// `n_s`: steps from `min` to `max`.
    pub half_cycle: u64,
}

impl Triangle {
    /// Steps of a whole cycle.
    pub fn cycle(&self) -> u64 {
        self.half_cycle.saturating_mul(2)
    }

    /// The learning rate of step `t`, the first being 0.
    pub fn at(&self, t: u64) -> f64 {
        let t = t % self.cycle();
        let from_end = self.half_cycle.abs_diff(t);
        let down = from_end as f64 / self.half_cycle as f64;
        // This form of interpolation is exact at both ends; `min + share * (max - min)` misses `max` by a rounding.
        down * self.min + (1.0 - down) * self.max
    }

    /// Rejects rates outside their range, naming the flags.
    pub fn check(&self) -> Result<()> {
        let Self { min, max, .. } = *self;
        let positive = |x: f64| x.is_finite() && x > 0.0;
        if !positive(min) || !positive(max) {
            return Err(Error::Usage(format!("--lr-min {min} --lr-max {max}: expected two finite numbers above 0")));
        }
        if min > max {
            return Err(Error::Usage(format!(
                "--lr-min {min} --lr-max {max}: expected the minimum not to exceed the maximum"
            )));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REPORT: Triangle = Triangle { min: 1e-5, max: 1e-1, half_cycle: 500 };

    #[test]
    fn corners_are_exact() {
        for cycle in 0..3 {
            assert_eq!(REPORT.at(1000 * cycle), 1e-5);
            assert_eq!(REPORT.at(1000 * cycle + 500), 1e-1);
        }
        let zigzag = Triangle { min: 0.5, max: 2.0, half_cycle: 1 };
        assert_eq!([0, 1, 2, 3].map(|t| zigzag.at(t)), [0.5, 2.0, 0.5, 2.0]);
    }

    #[test]
    fn rises_and_falls_by_the_same_amount_every_step() {
        let slope = (1e-1 - 1e-5) / 500.0;
        for t in 0..2000 {
            let rising = t % 1000 < 500;
            let step = REPORT.at(t + 1) - REPORT.at(t);
            approx::assert_abs_diff_eq!(step, if rising { slope } else { -slope }, epsilon = 1e-15);
        }
    }

    #[test]
    fn bad_values_name_their_flags() {
        let message = |t: Triangle| t.check().unwrap_err().to_string();
        assert!(message(Triangle { min: 1.0, max: 0.5, ..REPORT }).contains("--lr-min 1 --lr-max 0.5"));
        assert!(message(Triangle { min: f64::NAN, ..REPORT }).contains("--lr-min NaN"));
        assert!(message(Triangle { max: f64::INFINITY, ..REPORT }).contains("--lr-max inf"));
    }
}
