//! Results that no right engine has, whatever it trains: looked for always, since it costs nothing.

use std::time::Duration;

use crate::engine::{Job, Tally};
use crate::model::params::Params;

/// More operations a second in f32 than any device has.
const FLOPS: f64 = 1e15;

/// So few images may have the same losses by chance: a network of few units, all of them dead, gives the same scores to all.
const IMAGES: u64 = 100;

/// Why scores cannot be: a loss of 0 where not all answers are right, or equal losses of all models, which have different
/// weights if they `differ`.
pub fn scores(tallies: &[Tally], differ: bool) -> Option<String> {
    if let Some(model) = tallies.iter().position(|tally| tally.loss == 0.0 && tally.correct < tally.images) {
        let Tally { correct, images, .. } = tallies[model];
        return Some(format!("model {model} has a loss of exactly 0 with {correct} of {images} answers right"));
    }
    let [first, others @ ..] = tallies else { return None };
    let same = !others.is_empty() && others.iter().all(|other| other.loss.to_bits() == first.loss.to_bits());
    let why = || format!("all {} models, of different weights, have the loss {}", tallies.len(), first.loss);
    (differ && same && first.loss.is_finite() && first.images >= IMAGES).then(why)
}

/// Whether no network is the same as the next one.
pub fn differ(params: &[Params]) -> bool {
    params.windows(2).all(|pair| pair[0] != pair[1])
}

/// Why a training of so many images cannot have taken so little time.
pub fn rate(job: &Job, images: u64, took: Duration) -> Option<String> {
    let flops = job.model.step_flops() as f64 * images as f64 * job.models() as f64;
    let rate = flops / took.as_secs_f64();
    // Not `rate > FLOPS`: no time at all is not possible either.
    let possible = images == 0 || rate <= FLOPS;
    (!possible)
        .then(|| format!("{images} images in {took:?} are {rate:.1e} operations a second, more than any device has"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Hidden, ModelSpec};

    fn tally(loss: f64, correct: u64) -> Tally {
        Tally { loss, correct, images: 100 }
    }

    #[test]
    fn a_loss_of_0_with_a_wrong_answer_cannot_be() {
        assert!(scores(&[tally(0.0, 99)], true).unwrap().contains("99 of 100"));
        assert_eq!(scores(&[tally(0.0, 100)], true), None);
        assert_eq!(scores(&[tally(1e-9, 99)], true), None);
    }

    #[test]
    fn different_models_cannot_have_equal_losses() {
        assert!(scores(&[tally(23.0, 1), tally(23.0, 1)], true).unwrap().contains("all 2 models"));
        assert_eq!(scores(&[tally(23.0, 1), tally(23.0, 1)], false), None, "of the same weights");
        assert_eq!(scores(&[tally(23.0, 1), tally(23.5, 1)], true), None);
        assert_eq!(scores(&[tally(f64::NAN, 0), tally(f64::NAN, 0)], true), None, "both diverged");
    }

    #[test]
    fn no_device_has_a_petaflop_a_second() {
        let job = Job { ..Job::new(ModelSpec { inputs: 3072, hidden: Hidden::new(&[50]), classes: 10 }) };
        // 617,400 operations an image.
        assert_eq!(rate(&job, 1000, Duration::from_micros(1)), None);
        assert!(rate(&job, 1000, Duration::from_nanos(600)).unwrap().contains("1.0e15"));
        assert!(rate(&job, 1, Duration::ZERO).is_some());
        assert_eq!(rate(&job, 0, Duration::ZERO), None);
    }
}
