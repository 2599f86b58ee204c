//! The range test of learning rates: Smith, *Cyclical Learning Rates for Training Neural Networks*, 2017, section 3.3.
//!
//! A fresh network is trained while the rate grows by one factor a step from a value too small to one too large. Smith
//! takes two rates as the ends of the range: where the accuracy begins to rise, and where it "slows, becomes ragged, or
//! starts to fall". The rate grows exponentially and the loss is smoothed, as fastai does it, because good rates span
//! powers of ten and batches differ.
//!
//! Accuracies of some thousand images scatter, so only a change of more than two standard errors counts: the range
//! begins with the first rate from which the accuracy stays above the first one, and ends with the last rate whose
//! accuracy is not below the best. On CIFAR-10 (3072-50-10, two epochs) three seeds so have 1.5e-4 – 1.9e-4 to 7.0e-2 –
//! 1.2e-1, a test of 4,000 steps reaches 1.2e-1; the report uses 1e-5 to 1e-1. The rate of the least smoothed loss,
//! which was suggested before, is 3.9e-2 – 5.6e-2: there single batches' losses begin to scatter, while the accuracy still
//! rises. Twelve epochs with 4.2e-2, 7.0e-2, 1.2e-1 and 2.0e-1 at most validate at 51.0, 52.3, 52.9 and 52.6 % (means of two
//! seeds). The same range serves the other schedules: constant rates of 3e-2, 6e-2 and 1.2e-1 validate at 50.8, 51.2 and 48.5 %,
//! and, a tenth after every third of the run, at 49.8, 51.6 and 52.0 %.

use serde::Serialize;

use crate::config::schedule::Policy;
use crate::data::batches::Batches;
use crate::engine::{Chunks, Engine};
use crate::error::{Error, Result};
use crate::model::params::{Init, Params};

/// The smoothed loss is a mean in which a batch counts for `1/HORIZON` and one `HORIZON` steps older for 1/e of that.
const HORIZON: f64 = 25.0;
/// The test ends once the smoothed loss is so many times its least: fastai's bound.
const DIVERGED: f64 = 4.0;
/// Accuracies measured in a test.
const ACCURACIES: u64 = 50;
/// A loss that diverges below so many times the first rate had the first ones too large, not too few steps between.
const NEAR: f64 = 10.0;
/// A smoothed loss so many times the first has risen: single batches of 100 differ by 3 % before anything is learnt.
const RISEN: f64 = 1.2;
/// Standard errors of an accuracy that count as a change: 19 of 20 unchanged ones are nearer than that.
const ERRORS: f64 = 2.0;

/// The rates of a test.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Sweep {
    /// The first.
    pub from: f64,
    /// The last.
    pub to: f64,
    /// How many.
    pub steps: u64,
}

impl Sweep {
    /// The rate of step `t`, `from · (to/from)^(t / (steps − 1))`.
    pub fn at(&self, t: u64) -> f64 {
        let share = t as f64 / (self.steps - 1) as f64;
        self.from * (self.to / self.from).powf(share)
    }

    /// Rejects values outside their range, naming the flag.
    pub fn check(&self) -> Result<()> {
        let Self { from, to, steps } = *self;
        let positive = |x: f64| x.is_finite() && x > 0.0;
        if !(positive(from) && positive(to) && from < to) {
            return Err(Error::Usage(format!("--from {from} --to {to}: expected two finite numbers above 0, rising")));
        }
        if steps < 10 {
            return Err(Error::Usage(format!("--steps {steps}: expected 10 or more, better 200")));
        }
        Ok(())
    }
}

/// A step of a test.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Point {
    /// The step, the first being 0.
    pub step: u64,
    /// Its learning rate.
    pub rate: f64,
    /// The batch's mean loss before the update, in nats.
    pub loss: f64,
    /// The mean of this loss and those before, the last ones counting most.
    pub smoothed: f64,
    /// Share of right answers on the images kept for it before this step, where it was measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accuracy: Option<f64>,
}

/// What a test found.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Found {
    /// Every step before the loss diverged; one at least.
    pub points: Vec<Point>,
    /// Whether the test ended early because the loss grew far above its least.
    pub diverged: bool,
    /// The range to train with, if the accuracy rose.
    pub suggestion: Option<Suggestion>,
}

/// A range of learning rates, and why this one.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Suggestion {
    /// For `--lr-min`: where the accuracy begins to rise.
    pub min: f64,
    /// For `--lr-max`: the last rate before the accuracy falls.
    pub max: f64,
    /// The best accuracy, 0 to 1.
    pub accuracy: f64,
    /// Whether it does fall within the test.
    pub falls: bool,
}

impl Found {
    /// The range to train with by `schedule`, and how sure its ends are; without one, what may find it.
    pub fn advice(&self, schedule: Policy) -> String {
        let (Some(first), Some(last)) = (self.points.first(), self.points.last()) else { return String::new() };
        let Some(Suggestion { min, max, accuracy, falls }) = self.suggestion else {
            let why = if self.diverged && last.rate < NEAR * first.rate {
                format!("the loss diverges at {:.1e} already: try a smaller --from", last.rate)
            } else if self.diverged {
                format!("the accuracy hardly rises before the loss diverges at {:.1e}: try more --steps", last.rate)
            } else if last.smoothed > RISEN * first.smoothed {
                "the loss rises, and the accuracy hardly does: try a smaller --from".into()
            } else {
                format!("the accuracy hardly rises up to {:.1e}: try a larger --to, or more --steps", last.rate)
            };
            return format!("No suggestion: {why}.");
        };
        let mut scored = self.points.iter().filter(|point| point.accuracy.is_some());
        let begins = if scored.nth(1).is_none_or(|second| second.rate < min) {
            format!("begins to rise at {min:.1e}")
        } else if schedule.has_min() {
            "rises from the first steps on (a smaller --from may show a smaller --lr-min)".into()
        } else {
            "rises from the first steps on".into()
        };
        let best = format!("{:.1} %", accuracy * 100.0);
        let ends = if falls {
            format!("reaches {best}, and falls after {max:.1e}")
        } else if self.diverged {
            format!(
                "and is still {best} at {max:.1e}, just before the loss diverges: take a smaller --lr-max, or find the end with \
                 more --steps"
            )
        } else {
            format!("and is still {best} at {max:.1e}, the end: try a larger --to")
        };
        let policy =
            if schedule == Policy::default() { String::new() } else { format!("--schedule {} ", schedule.name()) };
        let lowest = if schedule.has_min() { format!("--lr-min {min:.1e} ") } else { String::new() };
        format!(
            "{policy}{lowest}--lr-max {max:.1e}\nThe accuracy {begins}, {ends}. Slower rates waste steps; faster ones undo what \
             earlier steps have learnt."
        )
    }
}

/// Runs the test with a fresh network of `seed` and `init` on an engine for one model.
///
/// It is trained on `batches`; `scored` are the rows that accuracies are measured on.
/// `watch` is called with the number of steps done.
///
/// # Errors
///
/// What the engine has, and [`Error::Diverged`] if the very first loss is not finite. A later divergence is what the test
/// is looking for, and no error.
pub fn run(
    engine: &mut dyn Engine,
    sweep: &Sweep,
    (seed, init): (u64, Init),
    batches: Batches,
    scored: &[u32],
    watch: &mut dyn FnMut(u64),
) -> Result<Found> {
    let (shape, rates) = (engine.job().model.clone(), *sweep);
    engine.load(&[Params::init(&shape, seed, init)])?;
    let mut chunks =
        Chunks::new(batches, 1, move |step, _| rates.at(step) as f32).regularised(engine.job().regularise, &[seed]);
    engine.prove(&chunks.steps(0..2))?;
    let mut smooth = Smooth::EMPTY;
    let (mut points, mut diverged): (Vec<Point>, bool) = (Vec::new(), false);
    let between = (sweep.steps / ACCURACIES).max(1);
    let mut step = 0;
    while step < sweep.steps && !diverged {
        let tallies = if scored.is_empty() { Vec::new() } else { engine.evaluate(scored)? };
        let accuracy = tallies.first().map(|tally| tally.correct as f64 / tally.images.max(1) as f64);
        let end = sweep.steps.min(step + between);
        engine.train(&chunks.steps(step..end))?;
        for (place, loss) in engine.losses()?.into_iter().map(f64::from).enumerate() {
            let smoothed = smooth.add(loss);
            let rate = sweep.at(step + place as u64);
            let accuracy = accuracy.filter(|_| place == 0);
            if !smoothed.is_finite() || smoothed > DIVERGED * smooth.least {
                diverged = true;
                break;
            }
            points.push(Point { step: step + place as u64, rate, loss, smoothed, accuracy });
        }
        step = end;
        watch(step);
    }
    if points.is_empty() {
        let what = format!("the first loss of the test is not finite, at rate {:e}: check the images", sweep.from);
        return Err(Error::Diverged(what));
    }
    engine.checks(true)?;
    let suggestion = suggest(&points, scored.len());
    Ok(Found { points, diverged, suggestion })
}

/// An exponential mean, without the pull to 0 that it has at its start.
struct Smooth {
    sum: f64,
    weight: f64,
    least: f64,
}

impl Smooth {
    const EMPTY: Self = Self { sum: 0.0, weight: 0.0, least: f64::INFINITY };

    fn add(&mut self, value: f64) -> f64 {
        let keep = 1.0 - 1.0 / HORIZON;
        self.sum = keep * self.sum + (1.0 - keep) * value;
        self.weight = keep * self.weight + (1.0 - keep);
        let mean = self.sum / self.weight;
        self.least = self.least.min(mean);
        mean
    }
}

/// The range from where the accuracy, measured on `images` images, begins to rise to where it begins to fall; none if it
/// does not rise.
pub fn suggest(points: &[Point], images: usize) -> Option<Suggestion> {
    let scored: Vec<_> = points.iter().filter_map(|point| Some((point.rate, point.accuracy?))).collect();
    let margin = |share: f64| ERRORS * (share * (1.0 - share) / images as f64).sqrt();
    let (_, first) = *scored.first()?;
    let best = scored.iter().map(|(_, accuracy)| *accuracy).fold(first, f64::max);
    let low = scored.iter().rposition(|(_, accuracy)| *accuracy >= best)?;
    let begun = scored[..low].iter().rposition(|(_, accuracy)| *accuracy <= first + margin(first))? + 1;
    let last = scored.iter().rposition(|(_, accuracy)| *accuracy >= best - margin(best))?;
    let (min, max) = (scored[begun].0, scored[last].0);
    (best > first + margin(first) && min < max).then_some(Suggestion {
        min,
        max,
        accuracy: best,
        falls: last + 1 < scored.len(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A test whose accuracy is 10 % up to the rate 1e-3, rises by `rise` up to 1e-2, stays up to 1e-1, and falls back.
    /// Between measurements it goes up and down by less than a standard error.
    fn points(sweep: &Sweep, rise: f64) -> Vec<Point> {
        let point = |step: u64| {
            let log = sweep.at(step).log10();
            let share = (log + 3.0).clamp(0.0, 1.0) - (log + 1.0).clamp(0.0, 1.0);
            let scatter = if step.is_multiple_of(40) { 0.003 } else { -0.003 };
            let accuracy = step.is_multiple_of(20).then_some(0.1 + rise * share + scatter);
            Point { step, rate: sweep.at(step), loss: 2.0, smoothed: 2.0, accuracy }
        };
        (0..sweep.steps).map(point).collect()
    }

    /// What is found in these points, the accuracies being those of 2,000 images.
    fn found(points: Vec<Point>, diverged: bool) -> Found {
        let suggestion = suggest(&points, 2000);
        Found { points, diverged, suggestion }
    }

    #[track_caller]
    fn says(found: &Found, part: &str, strangers: &[&str]) {
        let advice = found.advice(Policy::Triangular);
        assert!(advice.contains(part), "{part:?} in {advice}");
        assert!(!strangers.iter().any(|stranger| advice.contains(stranger)), "{strangers:?} in {advice}");
    }

    const SWEEP: Sweep = Sweep { from: 1e-5, to: 1.0, steps: 1001 };

    #[test]
    fn the_rate_grows_by_one_factor_between_its_ends() {
        approx::assert_relative_eq!(SWEEP.at(0), 1e-5);
        approx::assert_relative_eq!(SWEEP.at(600), 1e-2, max_relative = 1e-12);
        approx::assert_relative_eq!(SWEEP.at(1000), 1.0);
    }

    #[test]
    fn the_suggested_range_is_where_the_accuracy_rises_and_has_not_yet_fallen() {
        // 200 steps are a power of ten, ten accuracies. Two standard errors of 2,000 images are 1.3 % of 10 %, 2.2 % of 40 %.
        let found = found(points(&SWEEP, 0.3), false);
        let Suggestion { min, max, accuracy, falls } = found.suggestion.unwrap();
        assert!((1e-3..1.5e-3).contains(&min), "{min}");
        assert!((0.9e-1..1.3e-1).contains(&max), "{max}");
        assert!((0.39..0.41).contains(&accuracy) && falls);
        says(&found, "begins to rise at", &["--schedule"]);
        says(&found, "falls after", &["--from"]);
    }

    #[test]
    fn a_test_that_ends_before_the_accuracy_falls_says_so() {
        let short = points(&Sweep { to: 1e-1, ..SWEEP }, 0.3);
        let whole = found(short.clone(), false);
        assert!(!whole.suggestion.unwrap().falls);
        says(&whole, "the end: try a larger --to", &["diverges", "--from"]);
        // The same accuracies where a larger --to would be no help.
        says(&found(short, true), "just before the loss diverges: take a smaller --lr-max", &["--to"]);
    }

    #[test]
    fn an_accuracy_that_rises_at_once_may_have_risen_before() {
        // Between two accuracies the rate grows by 3.5, and the accuracy by 16 % at first.
        let late = points(&Sweep { from: 2e-3, steps: 101, ..SWEEP }, 0.3);
        says(&found(late, false), "rises from the first steps on (a smaller --from", &["begins"]);
    }

    #[test]
    fn the_flags_are_those_of_the_schedule() {
        // The accuracy rises at once, where a smaller --lr-min may be found if there is one.
        let found = found(points(&Sweep { from: 2e-3, steps: 101, ..SWEEP }, 0.3), false);
        let Suggestion { min, max, .. } = found.suggestion.unwrap();
        let flags = |schedule| found.advice(schedule).lines().next().unwrap().to_owned();
        assert_eq!(flags(Policy::Triangular), format!("--lr-min {min:.1e} --lr-max {max:.1e}"));
        assert_eq!(flags(Policy::OneCycle), format!("--schedule one-cycle --lr-min {min:.1e} --lr-max {max:.1e}"));
        assert_eq!(flags(Policy::Step), format!("--schedule step --lr-max {max:.1e}"));
        assert!(!found.advice(Policy::Constant).contains("--lr-min"));
    }

    #[test]
    fn without_a_range_the_advice_fits_what_was_seen() {
        let flat = |from: f64, to: f64| points(&Sweep { from, to, ..SWEEP }, 0.0);
        says(
            &found(flat(1e-6, 1e-4), false),
            "up to 1.0e-4: try a larger --to, or more --steps",
            &["diverges", "--from"],
        );
        says(
            &found(flat(1e2, 2e2), true),
            "the loss diverges at 2.0e2 already: try a smaller --from",
            &["--to", "--steps"],
        );
        says(&found(flat(1e-5, 1e1), true), "diverges at 1.0e1: try more --steps", &["--from", "--to"]);
        let mut risen = flat(1.0, 2.0);
        risen[1000].smoothed = 5.0;
        says(&found(risen, false), "the loss rises, and the accuracy hardly does: try a smaller --from", &["--to"]);
        // The first loss after an update was no number.
        says(&found(flat(1e2, 1e3)[..1].to_vec(), true), "diverges at 1.0e2 already", &["--to"]);
    }

    #[test]
    fn an_accuracy_that_hardly_rises_suggests_nothing() {
        assert_eq!(suggest(&points(&SWEEP, 0.005), 2000), None);
        assert_eq!(suggest(&[], 2000), None);
        let unmeasured: Vec<_> =
            points(&SWEEP, 0.3).into_iter().map(|point| Point { accuracy: None, ..point }).collect();
        assert_eq!(suggest(&unmeasured, 0), None);
    }

    #[test]
    fn a_smoothed_constant_is_that_constant_from_the_first_step() {
        let mut smooth = Smooth::EMPTY;
        for _ in 0..100 {
            approx::assert_relative_eq!(smooth.add(3.0), 3.0, max_relative = 1e-12);
        }
    }

    #[test]
    fn ends_that_make_no_sense_name_their_flags() {
        for sweep in [
            Sweep { from: 1.0, to: 0.5, ..SWEEP },
            Sweep { from: f64::NAN, ..SWEEP },
            Sweep { from: 0.0, ..SWEEP },
            Sweep { to: f64::INFINITY, ..SWEEP },
        ] {
            let error = sweep.check().unwrap_err();
            assert!(error.exit_code() == 2 && error.to_string().contains("--from"), "{error}");
        }
        assert!(Sweep { steps: 1, ..SWEEP }.check().unwrap_err().to_string().contains("--steps 1"));
    }
}
