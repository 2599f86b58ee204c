//! The training loop against an engine that only keeps the books.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]
#![allow(clippy::float_cmp, reason = "the books hold small integers and halves of them, which are exact")]

use cyclone::config::Config;
use cyclone::config::schedule::Schedule;
use cyclone::config::spec::{Length, TrainSpec};
use cyclone::data::spec::{Augment, Flip};
use cyclone::data::split::Split;
use cyclone::data::{Images, Move};
use cyclone::engine::{Chunk, Engine, Job, Later, Tally, Witness};
use cyclone::error::{Error, Result};
use cyclone::model::params::{Init, Params, weight};
use cyclone::model::{Hidden, ModelSpec};
use cyclone::train::{Evaluation, Observer, Outcome, Training};

mod state_machine;
mod states;

const SHAPE: ModelSpec = ModelSpec { inputs: 5, hidden: Hidden::new(&[3]), classes: 2 };
/// Eleven training images in batches of four: an epoch has three steps, the last of three images.
const TRAIN: usize = 11;
const BATCH: usize = 4;

/// Its loss at step `t` is `2 + t` for model 0, ten more for each model after it.
struct Books {
    job: Job,
    chunk_steps: usize,
    /// Lengths of every chunk's steps.
    chunks: Vec<Vec<u32>>,
    rows: Vec<u32>,
    moves: Vec<Move>,
    rates: Vec<f32>,
    evaluated: Vec<Vec<u32>>,
    losses: Vec<f32>,
    steps: usize,
    squares: f64,
    /// The step and model whose loss is not a number.
    not_a_number: Option<(usize, usize)>,
    /// Losses that are lost.
    missing: usize,
}

impl Books {
    fn new(training: &Training, chunk_steps: usize) -> Self {
        Self {
            job: training.job(&SHAPE),
            chunk_steps,
            chunks: vec![],
            rows: vec![],
            moves: vec![],
            rates: vec![],
            evaluated: vec![],
            losses: vec![],
            steps: 0,
            squares: 6.0,
            not_a_number: None,
            missing: 0,
        }
    }
}

fn loss(step: usize, model: usize) -> f32 {
    (2 + step + 10 * model) as f32
}

impl Engine for Books {
    fn describe(&self) -> String {
        "books".into()
    }

    fn job(&self) -> &Job {
        &self.job
    }

    fn chunk_steps(&self) -> usize {
        self.chunk_steps
    }

    fn load(&mut self, params: &[Params]) -> Result<()> {
        assert_eq!(params.len(), self.job.models());
        Ok(())
    }

    fn params(&mut self) -> Result<Vec<Params>> {
        Ok((0..self.job.models()).map(|model| Params::init(&SHAPE, model as u64, Init::Report)).collect())
    }

    fn train(&mut self, chunk: &Chunk<'_>) -> Result<()> {
        assert!(chunk.lengths.len() <= self.chunk_steps, "a chunk has at most {} steps", self.chunk_steps);
        assert_eq!(chunk.rates.len(), chunk.lengths.len() * self.job.models());
        assert_eq!(chunk.images.len(), chunk.lengths.iter().sum::<u32>() as usize * self.job.shuffles);
        self.chunks.push(chunk.lengths.to_vec());
        self.rows.extend(chunk.images.rows);
        self.moves.extend(chunk.images.moves);
        self.rates.extend(chunk.rates);
        for _ in chunk.lengths {
            for model in 0..self.job.models() {
                let bad = self.not_a_number == Some((self.steps, model));
                self.losses.push(if bad { f32::NAN } else { loss(self.steps, model) });
            }
            self.steps += 1;
        }
        Ok(())
    }

    fn losses(&mut self) -> Result<Vec<f32>> {
        let mut losses = std::mem::take(&mut self.losses);
        losses.truncate(losses.len() - self.missing);
        Ok(losses)
    }

    fn evaluate(&mut self, rows: &[u32]) -> Result<Vec<Tally>> {
        self.evaluated.push(rows.to_vec());
        let images = rows.len() as u64;
        let tally = Tally { loss: 0.5 * images as f64, correct: images - 1, images };
        Ok(vec![tally; self.job.models()])
    }

    fn logits(&mut self, rows: &[u32]) -> Result<Vec<Vec<f32>>> {
        Ok(vec![vec![0.0; rows.len() * SHAPE.classes]; self.job.models()])
    }

    fn squares(&mut self) -> Result<Vec<f64>> {
        Ok(vec![self.squares; self.job.models()])
    }

    fn witness(&mut self, _: &Chunk<'_>, _: usize, _: Images<'_>) -> Result<Later<Witness>> {
        Err(Error::Internal("nobody checks these".into()))
    }
}

#[derive(Default)]
struct Diary {
    stepped: Vec<u64>,
    evaluations: Vec<Evaluation>,
}

impl Observer for Diary {
    fn stepped(&mut self, step: u64) -> Result<()> {
        self.stepped.push(step);
        Ok(())
    }

    fn evaluated(&mut self, evaluation: &Evaluation) -> Result<()> {
        self.evaluations.push(evaluation.clone());
        Ok(())
    }
}

/// Two cycles of ten steps, evaluated three times each.
fn spec() -> TrainSpec {
    TrainSpec {
        lambda: 0.25,
        batch_size: BATCH,
        lr: Schedule::triangular(0.125, 0.5, 5),
        length: Length::Cycles(2),
        evals_per_cycle: 3,
        ..Config::default().train_spec()
    }
}

fn split() -> Split {
    let train = TRAIN as u32;
    Split {
        train: (0..train).collect(),
        validation: (train..train + 7).collect(),
        test: (train + 7..train + 12).collect(),
    }
}

fn training(models: Vec<TrainSpec>) -> Training {
    Training::new(models, split(), None).unwrap()
}

fn run(training: &Training, books: &mut Books) -> (Result<Outcome>, Diary) {
    let mut diary = Diary::default();
    (training.run_from(training.fresh(&SHAPE), books, &mut diary, &mut (), None), diary)
}

#[test]
fn evaluations_come_first_last_and_in_between() {
    let training = training(vec![spec()]);
    let (outcome, diary) = run(&training, &mut Books::new(&training, 4));
    outcome.unwrap();
    let steps: Vec<_> = diary.evaluations.iter().map(|evaluation| evaluation.step).collect();
    assert_eq!(steps, [0, 3, 6, 10, 13, 16, 20]);
    assert_eq!(diary.evaluations[2].epoch, 2.0);
}

#[test]
fn chunks_end_at_evaluations() {
    let training = training(vec![spec()]);
    let mut books = Books::new(&training, 2);
    let (_, diary) = run(&training, &mut books);
    assert_eq!(books.chunks.iter().map(Vec::len).collect::<Vec<_>>(), [2, 1, 2, 1, 2, 2, 2, 1, 2, 1, 2, 2]);
    assert_eq!(diary.stepped, [2, 3, 5, 6, 8, 10, 12, 13, 15, 16, 18, 20]);
}

#[test]
fn the_steps_do_not_depend_on_the_chunks() {
    let training = training(vec![spec()]);
    let (mut short, mut long) = (Books::new(&training, 1), Books::new(&training, 100));
    run(&training, &mut short).0.unwrap();
    run(&training, &mut long).0.unwrap();
    assert_eq!(short.rows, long.rows);
    assert_eq!(short.rates, long.rates);
    assert_eq!(short.chunks.concat(), long.chunks.concat());
}

#[test]
fn every_step_has_its_learning_rate_and_every_epoch_every_image() {
    let training = training(vec![spec()]);
    let mut books = Books::new(&training, 4);
    run(&training, &mut books).0.unwrap();
    let rates: Vec<_> = (0..20).map(|step| spec().lr.at(step, 20) as f32).collect();
    assert_eq!(books.rates, rates);
    assert_eq!(books.chunks.concat()[..6], [4, 4, 3, 4, 4, 3]);
    for epoch in books.rows.chunks_exact(TRAIN) {
        let mut rows = epoch.to_vec();
        rows.sort_unstable();
        assert_eq!(rows, split().train);
    }
}

#[test]
fn scores_are_means_and_the_cost_has_the_penalty() {
    let training = training(vec![spec()]);
    let mut books = Books::new(&training, 4);
    let (outcome, diary) = run(&training, &mut books);
    let scores = diary.evaluations[1].models[0];
    // Steps 0, 1 and 2 have the losses 2, 3 and 4.
    assert_eq!(scores.batch_loss, Some(3.0));
    assert_eq!(diary.evaluations[0].models[0].batch_loss, None);
    assert_eq!(scores.rate, spec().lr.at(3, 20));
    assert_eq!(scores.train.loss, 0.5);
    // Penalty half: 0.25 / 2 · 6.
    assert_eq!(scores.train.cost, 0.5 + 0.75);
    assert_eq!(scores.train.accuracy, 10.0 / 11.0);
    assert_eq!(scores.validation.unwrap().accuracy, 6.0 / 7.0);
    let outcome = outcome.unwrap();
    assert_eq!(outcome.test[0].unwrap().accuracy, 4.0 / 5.0);
    assert_eq!(outcome.test[0].unwrap().cost, 1.25);
    assert_eq!((outcome.timing.steps, outcome.timing.images), (20, 6 * 11 + 2 * 4));
}

#[test]
fn the_test_images_are_seen_once_and_last() {
    let training = training(vec![spec()]);
    let mut books = Books::new(&training, 4);
    run(&training, &mut books).0.unwrap();
    let tests: Vec<_> = books.evaluated.iter().map(|rows| *rows == split().test).collect();
    assert_eq!(tests.iter().filter(|&&test| test).count(), 1);
    assert_eq!(tests.last(), Some(&true));
}

#[test]
fn models_keep_their_own_figures_and_share_batches_with_the_seed() {
    let models = vec![spec(), TrainSpec { lambda: 0.5, ..spec() }, TrainSpec { lambda: 0.0, ..spec() }];
    let training = training(models);
    let mut books = Books::new(&training, 4);
    assert_eq!(books.job.decay, [0.25, 0.5, 0.0]);
    assert_eq!(books.job.shuffles, 1);
    let (_, diary) = run(&training, &mut books);
    let models = &diary.evaluations[1].models;
    assert_eq!(models.iter().map(|scores| scores.batch_loss.unwrap()).collect::<Vec<_>>(), [3.0, 13.0, 23.0]);
    assert_eq!(models.iter().map(|scores| scores.train.cost).collect::<Vec<_>>(), [1.25, 2.0, 0.5]);
}

#[test]
fn models_of_different_seeds_have_their_own_batches() {
    let together = training(vec![spec(), TrainSpec { seed: 9, ..spec() }]);
    let alone = training(vec![TrainSpec { seed: 9, ..spec() }]);
    let (mut both, mut one) = (Books::new(&together, 1), Books::new(&alone, 1));
    assert_eq!(both.job.shuffles, 2);
    run(&together, &mut both).0.unwrap();
    run(&alone, &mut one).0.unwrap();
    assert_eq!(both.rows[BATCH..2 * BATCH], one.rows[..BATCH]);
}

#[test]
fn images_are_moved_alike_whatever_the_chunks_and_by_each_seed_of_its_own() {
    let moved = |seed| TrainSpec { seed, augment: Augment { flip: Flip::Alternate, shift: 2 }, ..spec() };
    let moves = |models: Vec<TrainSpec>, chunk_steps| {
        let training = training(models);
        let mut books = Books::new(&training, chunk_steps);
        run(&training, &mut books).0.unwrap();
        assert_eq!(books.moves.len(), books.rows.len());
        books.moves
    };
    let one = moves(vec![moved(9)], 1);
    assert_eq!(one, moves(vec![moved(9)], 100));
    assert_eq!(one, moves(vec![moved(9), TrainSpec { lambda: 0.5, ..moved(9) }], 3), "who share batches share moves");
    let both = moves(vec![moved(0), moved(9)], 1);
    assert_eq!(both[BATCH..2 * BATCH], one[..BATCH]);
    assert_ne!(both[..BATCH], one[..BATCH]);
    let mut still = Books::new(&training(vec![spec()]), 3);
    run(&training(vec![spec()]), &mut still).0.unwrap();
    assert!(still.moves.is_empty());
}

#[test]
fn models_with_different_steps_or_moves_are_refused() {
    let augment = Augment { flip: Flip::None, shift: 1 };
    for other in [TrainSpec { batch_size: 5, ..spec() }, TrainSpec { augment, ..spec() }] {
        assert!(matches!(Training::new(vec![spec(), other], split(), None), Err(Error::Internal(_))));
    }
    assert!(matches!(Training::new(vec![], split(), None), Err(Error::Internal(_))));
}

#[test]
fn a_loss_that_is_no_number_ends_the_run_and_names_its_step() {
    let training = training(vec![spec(), spec()]);
    let mut books = Books { not_a_number: Some((4, 1)), ..Books::new(&training, 2) };
    let (outcome, diary) = run(&training, &mut books);
    let error = outcome.unwrap_err();
    assert_eq!(error.exit_code(), 6);
    let message = error.to_string();
    // Step 3 of model 1 had the loss 15.
    for part in ["model 1", "step 4 of 20", "NaN", "1.5000e1", "--lr-max"] {
        assert!(message.contains(part), "{part} in: {message}");
    }
    assert_eq!(diary.evaluations.last().unwrap().step, 3);
}

#[test]
fn weights_that_overflow_end_the_run_though_every_loss_is_finite() {
    let training = training(vec![spec()]);
    let mut books = Books { squares: f64::INFINITY, ..Books::new(&training, 2) };
    let (outcome, diary) = run(&training, &mut books);
    assert_eq!(outcome.unwrap_err().exit_code(), 6);
    assert!(diary.evaluations.is_empty());
}

#[test]
fn an_engine_that_loses_a_loss_is_found_out() {
    let training = training(vec![spec()]);
    let mut books = Books { missing: 1, ..Books::new(&training, 2) };
    let error = run(&training, &mut books).0.unwrap_err();
    assert_eq!(error.exit_code(), 70);
    assert!(error.to_string().contains("2 batch losses, expected 3"), "{error}");
}

#[test]
fn one_batch_alone_is_the_first_images_without_penalty() {
    let augment = Augment { flip: Flip::Random, shift: 2 };
    let training = training(vec![TrainSpec { augment, ..spec() }]).on_one_batch().unwrap();
    let mut books = Books::new(&training, 7);
    assert_eq!(books.job.decay, [0.0]);
    assert!(books.moves.is_empty(), "the same pixels in every epoch");
    let (outcome, diary) = run(&training, &mut books);
    assert!(books.rows.iter().all(|&row| row < BATCH as u32));
    assert_eq!(diary.evaluations[0].models[0].validation, None);
    let outcome = outcome.unwrap();
    assert_eq!(outcome.test, [None]);
    // The books' loss on the whole set is always 0.5.
    assert_eq!(outcome.check_overfit().unwrap_err().exit_code(), 1);
}

#[test]
fn a_batch_larger_than_the_set_is_the_set() {
    let training = training(vec![TrainSpec { batch_size: 1000, ..spec() }]);
    let mut books = Books::new(&training, 3);
    assert_eq!(books.job.batch_size, TRAIN);
    run(&training, &mut books).0.unwrap();
    assert!(books.chunks.concat().iter().all(|&length| length as usize == TRAIN));
}

#[test]
fn the_final_weights_are_the_engines() {
    let training = training(vec![spec()]);
    let outcome = run(&training, &mut Books::new(&training, 4)).0.unwrap();
    assert_eq!(outcome.params[0].values[weight(0)], Params::init(&SHAPE, 0, Init::Report).values[weight(0)]);
}
