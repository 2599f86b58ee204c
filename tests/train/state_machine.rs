//! The loop without any engine: what it says is written down, what it is told is made up.

use std::time::Duration;

use cyclone::config::schedule::Schedule;
use cyclone::config::spec::TrainSpec;
use cyclone::data::Images;
use cyclone::engine::{Chunk, Tally};
use cyclone::error::{Error, Result};
use cyclone::model::params::{Init, Params};
use cyclone::train::{Action, BatchLosses, Divergence, Driver, Loop, Outcome, Plan, State, Timing};

use super::{SHAPE, spec};

/// Four images a step.
const LENGTHS: [u32; 8] = [4; 8];

/// Chunks of two steps; nothing is kept.
const DRIVER: Driver = Driver { chunk_steps: 2, every: None, holds_best: false, averages: false };

/// Two cycles of eight steps, each evaluated twice.
fn start(models: usize, driver: Driver, state: &State) -> Loop {
    let spec = TrainSpec { lr: Schedule { half_cycle: 4, ..spec().lr }, evals_per_cycle: 2, ..spec() };
    Loop::new(&vec![spec.clone(); models], Plan::new(&spec, 16, None), driver, state).unwrap()
}

fn fresh(models: usize) -> State {
    State::fresh((0..models as u64).map(|seed| Params::init(&SHAPE, seed, Init::Report)).collect())
}

/// What an engine, images and a user would do.
struct Script {
    /// The loss of a step and a model.
    loss: fn(u64, usize) -> f32,
    /// Right answers among ten validation images after so many steps.
    right: fn(u64) -> u64,
    /// The first step after which it is to stop.
    stop: u64,
}

const SCRIPT: Script = Script { loss: |step, _| step as f32, right: |_| 5, stop: u64::MAX };

/// What was said and what came of it.
struct Played {
    actions: Vec<String>,
    states: Vec<State>,
    divergences: Vec<Divergence>,
    outcome: Result<Outcome>,
}

impl Script {
    fn play(&self, mut next: Loop, models: usize) -> Played {
        let (mut actions, mut states, mut divergences) = (Vec::new(), Vec::new(), Vec::new());
        let (squares, second) = (vec![1.0; models], Duration::from_secs(1));
        let params = || fresh(models).params;
        let tally = |correct| vec![Tally { loss: 10.0, correct, images: 10 }; models];
        let mut handed = Vec::new();
        loop {
            let step = next.step();
            let stop = || (step >= self.stop).then(|| Error::Usage("enough".into()));
            let action = match next.next(stop()) {
                Ok(action) => action,
                Err(error) => return Played { actions, states, divergences, outcome: Err(error) },
            };
            assert_eq!(next.next(stop()).unwrap(), action, "the same until it is told");
            assert!(actions.len() < 100, "no end: {actions:?}");
            actions.push(match &action {
                Action::Train(steps) => format!("train {}-{}", steps.start, steps.end),
                action => format!("{action:?} {step}").to_lowercase(),
            });
            match action {
                Action::Train(steps) => {
                    handed.extend(steps.clone());
                    let lengths = &LENGTHS[..steps.count()];
                    next.trained(&Chunk { images: Images::default(), lengths, rates: &[], ..Chunk::default() });
                }
                Action::Losses => {
                    let losses =
                        handed.drain(..).flat_map(|step| (0..models).map(move |model| (self.loss)(step, model)));
                    divergences.extend(next.losses(&losses.collect::<Vec<_>>(), second).unwrap());
                }
                Action::Evaluate => {
                    let validation = tally((self.right)(step));
                    divergences.extend(next.scored(&tally(7), &validation, &squares, second).unwrap());
                    assert_eq!(next.evaluation().unwrap().step, step);
                }
                Action::Average => {
                    assert!(next.check_weights(&params()).is_empty());
                    next.averaged(second);
                }
                Action::Hold | Action::Save => {
                    states.push(next.state(params()));
                    next.kept();
                }
                Action::Test => {
                    let outcome = next.finish(&tally(3), &squares, params(), second);
                    return Played { actions, states, divergences, outcome };
                }
            }
        }
    }

    fn says(&self, next: Loop, expected: &str) {
        assert_eq!(self.play(next, 1).actions.join(", "), expected);
    }
}

#[test]
fn a_plan_is_evaluated_trained_in_chunks_saved_at_cycles_ends_and_tested_last() {
    SCRIPT.says(
        start(1, DRIVER, &fresh(1)),
        "evaluate 0, train 0-2, train 2-4, losses 4, evaluate 4, train 4-6, train 6-8, losses 8, evaluate 8, save 8, \
         train 8-10, train 10-12, losses 12, evaluate 12, train 12-14, train 14-16, losses 16, evaluate 16, save 16, test 16",
    );
}

#[test]
fn a_checkpoint_ends_a_chunk_and_changes_no_evaluation() {
    SCRIPT.says(
        start(1, Driver { every: Some(7), chunk_steps: 100, ..DRIVER }, &fresh(1)),
        "evaluate 0, train 0-4, losses 4, evaluate 4, train 4-7, losses 7, save 7, train 7-8, losses 8, evaluate 8, save 8, \
         train 8-12, losses 12, evaluate 12, train 12-14, losses 14, save 14, train 14-16, losses 16, evaluate 16, save 16, \
         test 16",
    );
}

#[test]
fn a_resumed_training_evaluates_where_it_was_saved_and_does_not_save_again() {
    let saved = SCRIPT.play(start(1, Driver { every: Some(7), ..DRIVER }, &fresh(1)), 1).states;
    assert_eq!(saved.iter().map(|state| state.step).collect::<Vec<_>>(), [7, 8, 14, 16]);
    // Of steps 4, 5 and 6; of those and step 7, before the evaluation.
    assert_eq!(saved[0].losses, BatchLosses { steps: 3, sums: vec![15.0] });
    assert_eq!(saved[1].losses, BatchLosses { steps: 4, sums: vec![22.0] });
    assert_eq!((saved[1].timing.steps, saved[1].timing.images), (8, 32));
    SCRIPT.says(
        start(1, Driver { chunk_steps: 8, ..DRIVER }, &saved[1]),
        "evaluate 8, train 8-12, losses 12, evaluate 12, train 12-16, losses 16, evaluate 16, save 16, test 16",
    );
    SCRIPT.says(start(1, DRIVER, &saved[3]), "evaluate 16, test 16");
}

#[test]
fn time_and_batch_losses_add_up() {
    let outcome = SCRIPT.play(start(1, DRIVER, &fresh(1)), 1).outcome.unwrap();
    // Four stretches of steps; five evaluations and the test.
    let [training, evaluation] = [4, 6].map(Duration::from_secs);
    assert_eq!(outcome.timing, Timing { training, evaluation, steps: 16, images: 64 });
    // Of steps 12 to 15.
    assert_eq!(outcome.evaluation.models[0].batch_loss, Some(13.5));
    assert_eq!(outcome.test[0].unwrap().accuracy.to_string(), "0.3");
}

#[test]
fn the_best_is_held_before_it_is_saved_and_equal_is_not_better() {
    let script = Script { right: |step| [5, 5, 8, 6, 8][step as usize / 4], ..SCRIPT };
    let driver = Driver { chunk_steps: 8, holds_best: true, ..DRIVER };
    let played = script.play(start(1, driver, &fresh(1)), 1);
    let kept = |played: &Played| -> Vec<_> {
        let kept = played.actions.iter().filter(|action| action.starts_with("hold") || action.starts_with("save"));
        kept.cloned().collect()
    };
    assert_eq!(kept(&played), ["hold 0", "hold 8", "save 8", "save 16"]);
    assert_eq!(
        played.states.iter().map(|state| state.best.map(|best| best.accuracy)).collect::<Vec<_>>(),
        [Some(0.5), Some(0.8), Some(0.8), Some(0.8)]
    );
    // A resumed training knows it.
    let resumed = script.play(start(1, driver, &played.states[2]), 1);
    assert_eq!(kept(&resumed), ["save 16"]);
}

#[test]
fn a_stop_ends_after_a_chunk_saves_and_does_not_evaluate() {
    let stopped = |stop: u64, expected: &str| {
        let played = Script { stop, ..SCRIPT }.play(start(1, DRIVER, &fresh(1)), 1);
        assert_eq!(played.actions.join(", "), expected);
        assert!(matches!(played.outcome, Err(Error::Usage(reason)) if reason == "enough"));
    };
    stopped(0, "save 0");
    stopped(1, "evaluate 0, train 0-2, losses 2, save 2");
    stopped(4, "evaluate 0, train 0-2, train 2-4, losses 4, save 4");
}

#[test]
fn a_stop_after_an_evaluation_trains_a_chunk_first() {
    let mut next = start(1, DRIVER, &fresh(1));
    let tally = [Tally { loss: 10.0, correct: 5, images: 10 }];
    assert_eq!(next.next(None).unwrap(), Action::Evaluate);
    next.scored(&tally, &tally, &[1.0], Duration::ZERO).unwrap();
    // A state saved here would be evaluated again, without the losses before it.
    assert_eq!(next.next(Some(Error::Usage("enough".into()))).unwrap(), Action::Train(0..2));
}

#[test]
fn weights_are_averaged_at_cycles_ends_before_all_else_and_only_such_states_are_kept() {
    let driver = Driver { averages: true, holds_best: true, chunk_steps: 8, ..DRIVER };
    let script = Script { right: |step| step.min(9), ..SCRIPT };
    script.says(
        start(1, driver, &fresh(1)),
        "evaluate 0, train 0-4, losses 4, evaluate 4, train 4-8, losses 8, average 8, evaluate 8, hold 8, save 8, \
         train 8-12, losses 12, evaluate 12, train 12-16, losses 16, average 16, evaluate 16, hold 16, save 16, test 16",
    );
    Script { stop: 4, ..SCRIPT }.says(start(1, driver, &fresh(1)), "evaluate 0, train 0-4, losses 4");
    let stopped = "evaluate 0, train 0-4, losses 4, evaluate 4, train 4-8, losses 8, average 8, save 8";
    Script { stop: 8, ..SCRIPT }.says(start(1, driver, &fresh(1)), stopped);
}

#[test]
fn a_model_that_diverges_is_named_once_and_the_others_go_on() {
    let script = Script { loss: |step, model| if model == 1 && step >= 5 { f32::NAN } else { step as f32 }, ..SCRIPT };
    let played = script.play(start(2, DRIVER, &fresh(2)), 2);
    let [divergence] = &played.divergences[..] else { panic!("{:?}", played.divergences) };
    assert_eq!((divergence.model, divergence.step), (1, 5));
    assert_eq!(divergence.what, "the batch's loss is NaN; the last finite one was 4.0000e0, a step before");
    assert!(divergence.message.starts_with("model 1: the training diverged at step 5 of 16, at learning rate "));
    assert_eq!(played.outcome.unwrap().evaluation.step, 16);
}

#[test]
fn when_all_models_have_diverged_the_next_evaluation_is_the_last() {
    let script = Script { loss: |_, _| f32::INFINITY, ..SCRIPT };
    let played = script.play(start(2, DRIVER, &fresh(2)), 2);
    assert_eq!(played.actions.join(", "), "evaluate 0, train 0-2, train 2-4, losses 4, evaluate 4, test 4");
    assert_eq!(played.divergences.len(), 2);
}

#[test]
fn scores_and_weights_that_are_not_finite_are_divergences() {
    let mut next = start(1, DRIVER, &fresh(1));
    next.next(None).unwrap();
    let infinite = [Tally { loss: f64::INFINITY, correct: 0, images: 10 }];
    let [divergence] = &next.scored(&infinite, &infinite, &[1.0], Duration::ZERO).unwrap()[..] else { panic!("none") };
    assert_eq!(divergence.what, "the training loss is inf");

    let mut next = start(1, DRIVER, &fresh(1));
    let mut params = fresh(1).params;
    assert!(next.check_weights(&params).is_empty());
    params[0].values[0][1] = f32::NAN;
    assert_eq!(next.check_weights(&params)[0].what, "a weight is no longer a finite number");
}

#[test]
fn lengths_that_do_not_fit_are_refused() {
    let mut next = start(2, DRIVER, &fresh(2));
    next.next(None).unwrap();
    let (tally, none) = ([Tally::default(); 2], Duration::ZERO);
    assert!(next.scored(&tally[..1], &tally, &[1.0; 2], none).is_err());
    assert!(next.scored(&tally, &tally[..1], &[1.0; 2], none).is_err());
    assert!(next.scored(&tally, &tally, &[1.0; 3], none).is_err());
    next.scored(&tally, &tally, &[1.0; 2], none).unwrap();
    assert_eq!(next.next(None).unwrap(), Action::Train(0..2));
    assert!(next.losses(&[], none).is_err(), "not asked for yet");
    next.trained(&Chunk { images: Images::default(), lengths: &[4; 4], rates: &[], ..Chunk::default() });
    assert_eq!(next.next(None).unwrap(), Action::Losses);
    let error = next.losses(&[1.0; 7], none).unwrap_err().to_string();
    assert!(error.contains("steps 0 to 4: 7 batch losses, expected 8"), "{error}");
}
