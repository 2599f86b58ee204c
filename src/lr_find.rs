//! The range test of learning rates: Smith, *Cyclical Learning Rates for Training Neural Networks*, 2017, section 3.3.
//!
//! A fresh network is trained while the rate grows by one factor a step from a value too small to one too large. Where the
//! loss begins to fall and where it stops falling are the ends of the range that training should use. The rate grows
//! exponentially and the loss is smoothed, as fastai does it, because good rates span powers of ten and batches differ.

use std::fmt;

use serde::Serialize;

use crate::data::batches::Batches;
use crate::engine::{Chunk, Engine};
use crate::error::{Error, Result};
use crate::params::Params;

pub mod chart;

/// The smoothed loss is a mean in which a batch counts for `1/HORIZON` and one `HORIZON` steps older for 1/e of that.
const HORIZON: f64 = 25.0;
/// The test ends once the smoothed loss is so many times its least: fastai's bound.
const DIVERGED: f64 = 4.0;
/// Accuracies measured in a test.
const ACCURACIES: u64 = 50;
/// A smoothed loss this share of the whole fall below the first one has begun to fall.
const MARGIN: f64 = 0.05;

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
    ///
    /// # Errors
    ///
    /// [`Error::Usage`].
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
    /// Every step, the last one perhaps that of a divergence.
    pub points: Vec<Point>,
    /// Whether the test ended early because the loss grew far above its least.
    pub diverged: bool,
    /// The range to train with, if the loss fell at all.
    pub suggestion: Option<Suggestion>,
}

/// A range of learning rates, and why this one.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Suggestion {
    /// For `--lr-min`: where the loss has begun to fall.
    pub min: f64,
    /// Where it falls fastest.
    pub steepest: f64,
    /// For `--lr-max`: where it is least. Smith takes the rate at which the accuracy starts to fall.
    pub max: f64,
}

impl fmt::Display for Suggestion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { min, steepest, max } = *self;
        write!(
            f,
            "--lr-min {min:.1e} --lr-max {max:.1e}\n\
             The smoothed loss has begun to fall at {min:.1e}, falls fastest at {steepest:.1e} and is least at {max:.1e}. \
             Slower rates waste steps; faster ones undo what earlier steps have learnt."
        )
    }
}

/// Runs the test with a fresh network of `seed` on an engine for one model.
///
/// `train` are the rows trained on, in batches of the engine's size; `scored` those that accuracies are measured on.
/// `watch` is told of every step done.
///
/// # Errors
///
/// What the engine has, and [`Error::Diverged`] if the very first loss is not finite. A later divergence is what the test
/// is looking for, and no error.
pub fn run(
    engine: &mut dyn Engine,
    sweep: &Sweep,
    seed: u64,
    train: &[u32],
    scored: &[u32],
    watch: &mut dyn FnMut(u64),
) -> Result<Found> {
    let (shape, batch_size) = (engine.job().model, engine.job().batch_size);
    engine.load(&[Params::init(&shape, seed)])?;
    let mut batches = Batches::new(train.to_vec(), batch_size, vec![seed]);
    let mut smooth = Smooth::default();
    let (mut points, mut diverged): (Vec<Point>, bool) = (Vec::new(), false);
    let (mut rows, mut lengths, mut rates) = (Vec::new(), Vec::new(), Vec::new());
    let between = (sweep.steps / ACCURACIES).max(1);
    let mut step = 0;
    while step < sweep.steps && !diverged {
        let accuracy = if scored.is_empty() { None } else { accuracy(engine, scored)? };
        rows.clear();
        lengths.clear();
        rates.clear();
        let end = sweep.steps.min(step + between);
        for step in step..end {
            lengths.push(batches.append(step, &mut rows));
            rates.push(sweep.at(step) as f32);
        }
        engine.train(&Chunk { rows: &rows, lengths: &lengths, rates: &rates })?;
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
    let suggestion = suggest(&points);
    Ok(Found { points, diverged, suggestion })
}

fn accuracy(engine: &mut dyn Engine, rows: &[u32]) -> Result<Option<f64>> {
    let tallies = engine.evaluate(rows)?;
    Ok(tallies.first().map(|tally| tally.correct as f64 / tally.images.max(1) as f64))
}

/// An exponential mean, without the pull to 0 that it has at its start.
#[derive(Debug)]
struct Smooth {
    sum: f64,
    weight: f64,
    least: f64,
}

impl Default for Smooth {
    fn default() -> Self {
        Self { sum: 0.0, weight: 0.0, least: f64::INFINITY }
    }
}

impl Smooth {
    fn add(&mut self, value: f64) -> f64 {
        let keep = 1.0 - 1.0 / HORIZON;
        self.sum = keep * self.sum + (1.0 - keep) * value;
        self.weight = keep * self.weight + (1.0 - keep);
        let mean = self.sum / self.weight;
        self.least = self.least.min(mean);
        mean
    }
}

/// The range in which the smoothed loss falls; none if it falls by less than a tenth.
pub fn suggest(points: &[Point]) -> Option<Suggestion> {
    // The first means are of a few batches only: they would be taken for a fall or a rise.
    let settled = points.get(points.len().min(HORIZON as usize)..)?;
    let least = settled.iter().min_by(|a, b| a.smoothed.total_cmp(&b.smoothed))?;
    let falling: Vec<_> = settled.iter().take_while(|point| point.step <= least.step).collect();
    let first = falling.first()?.smoothed;
    let fall = first - least.smoothed;
    if fall < first / 10.0 {
        return None;
    }
    let begun = falling.iter().rfind(|point| point.smoothed > first - MARGIN * fall)?;
    // Every step grows by one factor, so over the logarithm of the rate differences are slopes. Between neighbours they
    // would be those of single batches.
    let window = (HORIZON as usize).min(falling.len() - 1);
    let drop = |pair: &&[&Point]| pair[window].smoothed - pair[0].smoothed;
    let steepest = falling.windows(window + 1).min_by(|a, b| drop(a).total_cmp(&drop(b)))?[window / 2];
    Some(Suggestion { min: begun.rate, steepest: steepest.rate, max: least.rate })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A test whose loss is flat at 2.4, falls to 1.4 between the rates 1e-3 and 1e-1, and rises after that.
    fn points(sweep: &Sweep, fall: f64) -> Vec<Point> {
        let mut smooth = Smooth::default();
        let point = |step| {
            let rate = sweep.at(step);
            let share = (0.5 * (rate.log10() + 3.0)).clamp(0.0, 1.0);
            let loss = 2.4 - fall * share + (rate - 0.1).max(0.0) * 9.0;
            Point { step, rate, loss, smoothed: smooth.add(loss), accuracy: None }
        };
        (0..sweep.steps).map(point).collect()
    }

    const SWEEP: Sweep = Sweep { from: 1e-5, to: 1.0, steps: 1001 };

    #[test]
    fn the_rate_grows_by_one_factor_between_its_ends() {
        approx::assert_relative_eq!(SWEEP.at(0), 1e-5);
        approx::assert_relative_eq!(SWEEP.at(600), 1e-2, max_relative = 1e-12);
        approx::assert_relative_eq!(SWEEP.at(1000), 1.0);
    }

    #[test]
    fn the_suggested_range_is_where_the_loss_falls() {
        let Suggestion { min, steepest, max } = suggest(&points(&SWEEP, 1.0)).unwrap();
        // 200 steps are a power of ten. The smoothing is 25 steps late, and 5 % of the fall are 20 steps.
        assert!((1e-3..2e-3).contains(&min), "{min}");
        assert!((1e-3..1e-1).contains(&steepest), "{steepest}");
        assert!((1e-1..2e-1).contains(&max), "{max}");
    }

    #[test]
    fn a_loss_that_hardly_falls_suggests_nothing() {
        assert_eq!(suggest(&points(&SWEEP, 0.1)), None);
        assert_eq!(suggest(&[]), None);
        assert_eq!(suggest(&points(&Sweep { steps: 10, ..SWEEP }, 0.0)), None);
    }

    #[test]
    fn a_smoothed_constant_is_that_constant_from_the_first_step() {
        let mut smooth = Smooth::default();
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
