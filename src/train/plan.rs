//! Which steps are trained and where evaluations fall: integers only, known before anything runs.

use crate::config::spec::TrainSpec;

/// A run's steps, and the evaluations between them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Steps of the whole length, however early the run is cut.
    pub whole: u64,
    /// Where `--steps` ends it.
    pub cut: Option<u64>,
    /// `B`.
    pub batch_size: usize,
    steps_per_epoch: u64,
    cycle: u64,
    /// Whether the learning rate is low at a cycle's end, and nowhere else.
    is_cyclical: bool,
    evals_per_cycle: u64,
    /// Evaluations without a better validation accuracy after which the training ends early.
    patience: Option<u64>,
}

impl Plan {
    /// The steps of `spec` over `images` training images, ended after `cut` steps if that comes first.
    pub fn new(spec: &TrainSpec, images: usize, cut: Option<u64>) -> Self {
        // The last, short batch of an epoch counts.
        let steps_per_epoch = images.div_ceil(spec.batch_size).max(1) as u64;
        Self {
            whole: spec.length.steps(&spec.lr, steps_per_epoch),
            cut,
            batch_size: spec.batch_size,
            steps_per_epoch,
            cycle: spec.lr.cycle(),
            is_cyclical: spec.lr.policy.is_cyclical(),
            evals_per_cycle: spec.evals_per_cycle,
            patience: None,
        }
    }

    /// The same, ended early after so many evaluations without a better validation accuracy.
    #[must_use]
    pub fn patient(self, patience: u64) -> Self {
        Self { patience: Some(patience), ..self }
    }

    /// The patience, if it is used up at `step`: so many evaluations have come since the one after `best` steps.
    pub fn exhausted(&self, best: u64, step: u64) -> Option<u64> {
        let (patience, mut evaluated) = (self.patience?, best);
        for _ in 0..patience {
            let next = self.next_evaluation(evaluated);
            if next > step || next == evaluated {
                return None;
            }
            evaluated = next;
        }
        Some(patience)
    }

    /// Steps that will be trained.
    pub fn steps(&self) -> u64 {
        self.cut.map_or(self.whole, |cut| cut.min(self.whole))
    }

    /// Passes over the training images after `step` steps.
    pub fn epoch(&self, step: u64) -> f64 {
        step as f64 / self.steps_per_epoch as f64
    }

    /// Cycles after `step` steps.
    pub fn cycles(&self, step: u64) -> f64 {
        step as f64 / self.cycle as f64
    }

    /// The first evaluation after `step`. A cycle's `E` evaluations come after `⌊k · cycle / E⌋` of its steps, `k` from
    /// 1 to `E`, so one is at its end; an evaluation at step 0 precedes them, one at the last step ends them.
    pub fn next_evaluation(&self, step: u64) -> u64 {
        let (cycle, evaluations) = (u128::from(self.cycle), u128::from(self.evals_per_cycle));
        let (whole, rest) = (u128::from(step) / cycle * cycle, u128::from(step) % cycle);
        // The smallest k with ⌊k · cycle / E⌋ ≥ rest + 1.
        let k = ((rest + 1) * evaluations).div_ceil(cycle);
        let next = whole + k * cycle / evaluations;
        u64::try_from(next).unwrap_or(u64::MAX).min(self.steps())
    }

    /// Whether an evaluation falls on `step`.
    pub fn evaluates_at(&self, step: u64) -> bool {
        step == 0 || self.next_evaluation(step - 1) == step
    }

    /// The first step after `step` whose state is saved: a cycle's end, the training's end, a multiple of `every`.
    pub fn next_checkpoint(&self, step: u64, every: Option<u64>) -> u64 {
        let multiple = |of: u64| (step / of).saturating_add(1).saturating_mul(of);
        multiple(self.cycle).min(every.map_or(u64::MAX, multiple)).min(self.steps())
    }

    /// Whether a cycle of the learning rate ends at `step`.
    pub fn ends_cycle(&self, step: u64) -> bool {
        step > 0 && step.is_multiple_of(self.cycle)
    }

    /// A sentence about a whole run that ends inside a cycle, where the learning rate is not yet low again.
    pub fn warning(&self) -> Option<String> {
        let rest = self.whole % self.cycle;
        if self.cut.is_some() || rest == 0 || !self.is_cyclical {
            return None;
        }
        let cycles = self.whole.div_ceil(self.cycle);
        Some(format!(
            "the run ends inside a cycle of the learning rate, after {rest} of its {} steps: \
             --cycles {cycles} instead of --epochs would end with it, after {} steps",
            self.cycle,
            cycles.saturating_mul(self.cycle),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::config::schedule::{Policy, Schedule};
    use crate::config::spec::Length;

    fn plan(half_cycle: u64, length: Length, evals_per_cycle: u64, cut: Option<u64>) -> Plan {
        of(Schedule::triangular(0.1, 0.2, half_cycle), length, evals_per_cycle, cut)
    }

    fn of(lr: Schedule, length: Length, evals_per_cycle: u64, cut: Option<u64>) -> Plan {
        let spec = TrainSpec { lr, length, evals_per_cycle, batch_size: 4, ..Config::default().train_spec() };
        Plan::new(&spec, 10, cut)
    }

    fn evaluations(plan: &Plan) -> Vec<u64> {
        let mut steps = vec![0];
        while steps[steps.len() - 1] < plan.steps() {
            steps.push(plan.next_evaluation(steps[steps.len() - 1]));
        }
        steps
    }

    #[test]
    fn evaluations_divide_a_cycle_and_fall_on_its_end() {
        assert_eq!(evaluations(&plan(5, Length::Cycles(2), 2, None)), [0, 5, 10, 15, 20]);
        assert_eq!(evaluations(&plan(5, Length::Cycles(1), 3, None)), [0, 3, 6, 10]);
        assert_eq!(evaluations(&plan(7, Length::Cycles(2), 1, None)), [0, 14, 28]);
        // More evaluations than steps are one a step.
        assert_eq!(evaluations(&plan(2, Length::Cycles(1), 1000, None)), [0, 1, 2, 3, 4]);
    }

    #[test]
    fn a_run_that_ends_inside_a_cycle_is_evaluated_at_its_end_and_warns() {
        // 10 images in batches of 4 are 3 steps.
        let plan = plan(5, Length::Epochs(4), 2, None);
        assert_eq!(evaluations(&plan), [0, 5, 10, 12]);
        let warning = plan.warning().unwrap();
        assert!(warning.contains("after 2 of its 10 steps") && warning.contains("--cycles 2"), "{warning}");
    }

    #[test]
    fn without_cycles_a_cycle_still_is_the_unit_and_the_run_may_end_anywhere() {
        let cosine = Schedule { policy: Policy::Cosine, ..Schedule::triangular(0.1, 0.2, 5) };
        let plan = of(cosine, Length::Epochs(4), 2, None);
        assert_eq!((evaluations(&plan), plan.next_checkpoint(0, None)), (vec![0, 5, 10, 12], 10));
        assert_eq!(plan.warning(), None);
        assert_eq!(of(cosine, Length::Cycles(2), 2, None).steps(), 20);
    }

    #[test]
    fn a_cut_run_is_evaluated_at_the_cut_and_does_not_warn() {
        let cut = plan(5, Length::Cycles(2), 2, Some(7));
        assert_eq!(evaluations(&cut), [0, 5, 7]);
        assert_eq!(cut.warning(), None);
        assert_eq!(evaluations(&plan(5, Length::Cycles(1), 1, Some(99))), [0, 10]);
    }

    #[test]
    fn patience_counts_the_evaluations_after_the_best_one() {
        // Evaluated after 0, 5, 10, 15 and 20 steps.
        let plan = plan(5, Length::Cycles(2), 2, None);
        assert_eq!(plan.exhausted(0, 20), None);
        let plan = plan.patient(2);
        assert_eq!([5, 9, 10, 15].map(|step| plan.exhausted(0, step).is_some()), [false, false, true, true]);
        assert_eq!([5, 10, 15].map(|step| plan.exhausted(5, step).is_some()), [false, false, true]);
        assert_eq!(plan.patient(u64::MAX).exhausted(0, 20), None);
    }

    #[test]
    fn states_are_saved_at_cycles_ends_at_multiples_and_at_the_end() {
        let plan = plan(5, Length::Epochs(9), 2, None);
        let checkpoints = |every| {
            let mut steps = vec![0];
            while steps[steps.len() - 1] < plan.steps() {
                steps.push(plan.next_checkpoint(steps[steps.len() - 1], every));
            }
            steps
        };
        assert_eq!(checkpoints(None), [0, 10, 20, 27]);
        assert_eq!(checkpoints(Some(8)), [0, 8, 10, 16, 20, 24, 27]);
        assert_eq!((0..=27).filter(|&step| plan.ends_cycle(step)).collect::<Vec<_>>(), [10, 20]);
        let at: Vec<_> = (0..=27).filter(|&step| plan.evaluates_at(step)).collect();
        assert_eq!(at, evaluations(&plan));
    }

    #[test]
    fn the_largest_numbers_do_not_overflow() {
        let huge = plan(i64::MAX as u64, Length::Cycles(3), i64::MAX as u64, None);
        assert_eq!(huge.next_evaluation(0), 2);
        assert_eq!(huge.next_checkpoint(7, Some(u64::MAX)), u64::MAX - 1);
        assert_eq!(huge.next_evaluation(u64::MAX - 2), u64::MAX - 1);
    }

    #[test]
    fn epochs_count_the_short_batch() {
        approx::assert_relative_eq!(plan(5, Length::Cycles(2), 2, None).epoch(6), 2.0);
    }
}
