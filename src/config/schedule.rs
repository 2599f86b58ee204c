//! Learning-rate schedules: pure functions of the step, and of how many steps the run has.
//!
//! The first three are the policies of Smith, *Cyclical Learning Rates for Training Neural Networks*, 2017, and are those of
//! PyTorch's `CyclicLR`. The others are PyTorch's `OneCycleLR` with its defaults, but for `--lr-min` at both ends (`div_factor`
//! is max/min, `final_div_factor` 1), `CosineAnnealingLR` with the last step as `T_max`, and `StepLR`, stepped once a mini-batch.

use std::f64::consts::PI;
use std::fmt;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::util::text::grouped;

/// How the learning rate goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Policy {
    /// from lr-min up to lr-max and back in every cycle
    #[default]
    Triangular,
    /// the same, the amplitude halved from one cycle to the next
    Triangular2,
    /// the same, the amplitude times --gamma every step
    ExpRange,
    /// from lr-min up to lr-max in the first 30 % of the run, then back, along cosines
    OneCycle,
    /// from lr-max down to lr-min over the run, along a cosine
    Cosine,
    /// lr-max, times --gamma every --step-size steps
    Step,
    /// lr-max
    Constant,
}

impl Policy {
    /// Its name on the command line.
    pub fn name(self) -> String {
        self.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
    }

    /// Whether the rate goes up and down in cycles.
    pub fn is_cyclical(self) -> bool {
        matches!(self, Self::Triangular | Self::Triangular2 | Self::ExpRange)
    }

    /// Whether the rate depends on how long the run is.
    pub fn spans_run(self) -> bool {
        matches!(self, Self::OneCycle | Self::Cosine)
    }

    /// Whether the rate ever is `--lr-min`.
    pub fn has_min(self) -> bool {
        !matches!(self, Self::Step | Self::Constant)
    }
}

/// A learning-rate schedule.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Schedule {
    /// How the rate goes.
    #[serde(default)]
    pub policy: Policy,
    /// `eta_min`, the lowest rate.
    pub min: f64,
    /// `eta_max`, the highest.
    pub max: f64,
    /// `n_s`: steps from `min` to `max` of a cyclical rate. Two of them are a cycle, which without cycles still is the unit
    /// of a run's length, of its evaluations and of its checkpoints.
    pub half_cycle: u64,
    /// The factor of `exp-range` a step, and of `step`.
    #[serde(default)]
    pub gamma: f64,
    /// Steps of `step` between two factors.
    #[serde(default)]
    pub step_size: u64,
    /// `N`: the rates of the first `N` steps are multiplied by 1/N, 2/N and so on.
    #[serde(default)]
    pub warmup: u64,
}

/// The share of a run in which `one-cycle` rises: the default of PyTorch's `pct_start`.
const RISE: f64 = 0.3;

impl Schedule {
    /// Smith's triangular rate: with half-cycle `n_s` and cycle `l`, linearly up from `min` to `max` for
    /// `2·l·n_s ≤ t < (2l+1)·n_s`, then linearly down until `2(l+1)·n_s`.
    pub const fn triangular(min: f64, max: f64, half_cycle: u64) -> Self {
        Self { policy: Policy::Triangular, min, max, half_cycle, gamma: 1.0, step_size: half_cycle, warmup: 0 }
    }

    /// Steps of a whole cycle.
    pub fn cycle(&self) -> u64 {
        self.half_cycle.saturating_mul(2)
    }

    /// The learning rate of step `t`, the first being 0, in a run whose whole length is `steps`, however early it is cut.
    /// The last of these steps, and what would follow, has `min` with `one-cycle` and `cosine`.
    pub fn at(&self, t: u64, steps: u64) -> f64 {
        let (step, last) = (t as f64, steps.saturating_sub(1) as f64);
        let rate = match self.policy {
            Policy::Triangular => self.triangle(t, self.max),
            Policy::Triangular2 => self.triangle(t, self.mix(0.5_f64.powf((t / self.cycle()) as f64))),
            Policy::ExpRange => self.triangle(t, self.mix(self.gamma.powf(step))),
            Policy::OneCycle => {
                let top = RISE * steps as f64 - 1.0;
                let rises = step <= top;
                self.mix(if rises { 1.0 - fallen(step / top) } else { fallen((step - top) / (last - top)) })
            }
            Policy::Cosine => self.mix(fallen(step / last)),
            Policy::Step => self.max * self.gamma.powf((t / self.step_size.max(1)) as f64),
            Policy::Constant => self.max,
        };
        if t < self.warmup { rate * ((t + 1) as f64 / self.warmup as f64) } else { rate }
    }

    /// The triangular rate of step `t` with `top` in the place of `max`.
    fn triangle(&self, t: u64, top: f64) -> f64 {
        let t = t % self.cycle();
        let from_end = self.half_cycle.abs_diff(t);
        let down = from_end as f64 / self.half_cycle as f64;
        // This form of interpolation is exact at both ends; `min + share * (max - min)` misses `max` by a rounding.
        down * self.min + (1.0 - down) * top
    }

    /// The rate at this share of the way from `min` up to `max`, exact at both ends.
    fn mix(&self, share: f64) -> f64 {
        (1.0 - share) * self.min + share * self.max
    }

    /// Rejects rates outside their range, naming the flags.
    pub fn check(&self) -> Result<()> {
        let (min, max) = (if self.policy.has_min() { self.min } else { self.max }, self.max);
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

/// Half a cosine: 1 at 0, and 0 from 1 on, or where there is no way to go.
fn fallen(share: f64) -> f64 {
    if share < 1.0 { f64::midpoint(1.0, (PI * share).cos()) } else { 0.0 }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { min, max, gamma, .. } = self;
        let [half, every, warmup] = [self.half_cycle, self.step_size, self.warmup].map(grouped);
        match self.policy {
            Policy::Triangular => write!(f, "{min} to {max}, half-cycle {half} steps"),
            Policy::Triangular2 => write!(f, "{min} to {max}, half-cycle {half} steps, amplitude halved every cycle"),
            Policy::ExpRange => {
                write!(f, "{min} to {max}, half-cycle {half} steps, amplitude times {gamma} every step")
            }
            Policy::OneCycle => write!(f, "{min} to {max} and back, one cycle over the run"),
            Policy::Cosine => write!(f, "{max} to {min}, a cosine over the run"),
            Policy::Step => write!(f, "{max}, times {gamma} every {every} steps"),
            Policy::Constant => write!(f, "{max}, constant"),
        }?;
        if self.warmup > 0 { write!(f, "; warm-up {warmup} steps") } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REPORT: Schedule = Schedule::triangular(1e-5, 1e-1, 500);
    /// Two cycles and a half; neither `n_s` nor the step size divides it.
    const STEPS: u64 = 37;

    fn of(policy: Policy) -> Schedule {
        Schedule { policy, gamma: 0.9, step_size: 5, ..Schedule::triangular(0.02, 0.5, 7) }
    }

    /// Compares every step of [`STEPS`] with what a recurrence or closed form has, to within the roundings of some dozen
    /// operations.
    #[track_caller]
    fn equals(schedule: &Schedule, expected: impl Fn(u64) -> f64) {
        for t in 0..STEPS {
            approx::assert_relative_eq!(schedule.at(t, STEPS), expected(t), max_relative = 1e-13);
        }
    }

    /// `CyclicLR.get_lr` of PyTorch, with `step_size_up` = 7.
    fn cyclic_lr(t: u64, scale: impl Fn(f64) -> f64) -> f64 {
        let (base, max, total, ratio) = (0.02, 0.5, 14.0, 0.5);
        let cycle = (1.0 + t as f64 / total).floor();
        let x = 1.0 + t as f64 / total - cycle;
        let factor = if x <= ratio { x / ratio } else { (x - 1.0) / (ratio - 1.0) };
        base + (max - base) * factor * scale(cycle)
    }

    #[test]
    fn corners_are_exact() {
        for cycle in 0..3 {
            assert_eq!(REPORT.at(1000 * cycle, 3000), 1e-5);
            assert_eq!(REPORT.at(1000 * cycle + 500, 3000), 1e-1);
        }
        let zigzag = Schedule::triangular(0.5, 2.0, 1);
        assert_eq!([0, 1, 2, 3].map(|t| zigzag.at(t, 4)), [0.5, 2.0, 0.5, 2.0]);
    }

    #[test]
    fn rises_and_falls_by_the_same_amount_every_step() {
        let slope = (1e-1 - 1e-5) / 500.0;
        for t in 0..2000 {
            let rising = t % 1000 < 500;
            let step = REPORT.at(t + 1, 2000) - REPORT.at(t, 2000);
            approx::assert_abs_diff_eq!(step, if rising { slope } else { -slope }, epsilon = 1e-15);
        }
    }

    #[test]
    fn the_bits_of_the_reports_rates_do_not_change() {
        // Those of a cycle added up, each times its place.
        let sum = (0..1000).fold(0_u64, |sum, t| sum.wrapping_add(REPORT.at(t, 1000).to_bits().wrapping_mul(t + 1)));
        assert_eq!(sum, 0x90cd_690d_b5a4_f82d);
    }

    #[test]
    fn cyclical_policies_are_those_of_cyclic_lr() {
        equals(&of(Policy::Triangular), |t| cyclic_lr(t, |_| 1.0));
        equals(&of(Policy::Triangular2), |t| cyclic_lr(t, |cycle| 0.5_f64.powf(cycle - 1.0)));
        equals(&of(Policy::ExpRange), |t| cyclic_lr(t, |_| (0..t).fold(1.0, |scale, _| scale * 0.9)));
        // By hand: half-way up, and at the top of the second cycle.
        let by_hand = |policy, t| of(policy).at(t, STEPS);
        approx::assert_relative_eq!(by_hand(Policy::Triangular2, 21), 0.02 + 0.48 / 2.0, max_relative = 1e-14);
        approx::assert_relative_eq!(by_hand(Policy::ExpRange, 2), 0.02 + 0.48 * 2.0 / 7.0 * 0.81, max_relative = 1e-14);
    }

    #[test]
    fn one_cycle_is_that_of_one_cycle_lr() {
        // PyTorch's `get_lr` with pct_start .3, cosine annealing, div_factor .5/.02 and final_div_factor 1.
        let anneal = |start: f64, end: f64, pct: f64| end + (start - end) / 2.0 * (1.0 + (PI * pct).cos());
        let (end1, end2) = (0.3 * STEPS as f64 - 1.0, STEPS as f64 - 1.0);
        equals(&of(Policy::OneCycle), |t| {
            let step = t as f64;
            let falling = || anneal(0.5, 0.02, (step - end1) / (end2 - end1));
            if step <= end1 { anneal(0.02, 0.5, step / end1) } else { falling() }
        });
        // 30 % of 40 steps are 12: the top is the twelfth.
        assert_eq!([0, 11, 39].map(|t| of(Policy::OneCycle).at(t, 40)), [0.02, 0.5, 0.02]);
    }

    #[test]
    fn cosine_is_that_of_cosine_annealing_lr() {
        // PyTorch's recurrence, with T_max = the last step, so that this one has the lowest rate.
        let (period, lowest) = ((STEPS - 1) as f64, 0.02);
        let mut expected = vec![0.5];
        for t in 1..STEPS {
            let cos = |t: u64| 1.0 + (PI * t as f64 / period).cos();
            expected.push(cos(t) / cos(t - 1) * (expected[t as usize - 1] - lowest) + lowest);
        }
        equals(&of(Policy::Cosine), |t| expected[t as usize]);
        let ends = [0, 18, STEPS - 1].map(|t| of(Policy::Cosine).at(t, STEPS));
        assert_eq!([ends[0], ends[2]], [0.5, 0.02]);
        approx::assert_relative_eq!(ends[1], 0.26, max_relative = 1e-14);
    }

    #[test]
    fn step_is_that_of_step_lr_and_constant_does_not_change() {
        let mut expected = vec![0.5];
        for t in 1..STEPS {
            expected.push(expected[t as usize - 1] * if t % 5 == 0 { 0.9 } else { 1.0 });
        }
        equals(&of(Policy::Step), |t| expected[t as usize]);
        equals(&of(Policy::Constant), |_| 0.5);
    }

    #[test]
    fn warm_up_scales_the_first_steps_of_every_policy_and_no_others() {
        for &policy in Policy::value_variants() {
            let cold = of(policy);
            let warm = Schedule { warmup: 10, ..cold };
            equals(&warm, |t| cold.at(t, STEPS) * if t < 10 { (t + 1) as f64 / 10.0 } else { 1.0 });
            assert_eq!(warm.at(10, STEPS), cold.at(10, STEPS));
        }
        let constant = Schedule { warmup: 4, ..of(Policy::Constant) };
        assert_eq!([0, 1, 2, 3, 4].map(|t| constant.at(t, STEPS)), [0.125, 0.25, 0.375, 0.5, 0.5]);
    }

    #[test]
    fn the_shortest_runs_and_what_follows_a_run_have_rates_too() {
        for &policy in Policy::value_variants() {
            for (t, steps) in [(0, 0), (0, 1), (1, 1), (0, 2), (1, 2), (2, 3), (3, 3), (u64::MAX, STEPS), (5, u64::MAX)]
            {
                let rate = of(policy).at(t, steps);
                assert!((0.0..=0.5).contains(&rate), "{policy:?}, step {t} of {steps}: {rate}");
            }
        }
        for policy in [Policy::OneCycle, Policy::Cosine] {
            assert_eq!(of(policy).at(STEPS, STEPS), 0.02);
        }
    }

    #[test]
    fn bad_values_name_their_flags() {
        let message = |one: Schedule| one.check().unwrap_err().to_string();
        assert!(message(Schedule { min: 1.0, max: 0.5, ..REPORT }).contains("--lr-min 1 --lr-max 0.5"));
        assert!(message(Schedule { min: f64::NAN, ..REPORT }).contains("--lr-min NaN"));
        assert!(message(Schedule { max: f64::INFINITY, ..REPORT }).contains("--lr-max inf"));
        // A rate that is never used cannot be wrong.
        Schedule { min: 1.0, max: 0.5, ..of(Policy::Step) }.check().unwrap();
    }

    #[test]
    fn what_was_written_before_there_were_policies_is_triangular() {
        let old: Schedule = serde_json::from_str(r#"{"min":0.00001,"max":0.1,"half_cycle":500}"#).unwrap();
        assert_eq!((old.policy, old.warmup), (Policy::Triangular, 0));
        assert_eq!(old.at(123, 1000), REPORT.at(123, 1000));
    }
}
