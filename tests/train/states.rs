//! States on the way: when they are saved, and that a training resumes from any of them.

use cyclone::config::spec::TrainSpec;
use cyclone::data::Images;
use cyclone::engine::{Chunk, Engine, Job, Later, Tally, Witness};
use cyclone::error::{Error, Result};
use cyclone::model::params::{Params, weight};
use cyclone::train::{BatchLosses, Keeper, State};

use super::{Books, Diary, SHAPE, run, spec, training};

#[test]
fn a_training_out_of_patience_ends_with_its_state_saved_and_so_does_a_resumed_one() {
    // The accuracy of the books never changes, so the evaluation before the first step stays the best.
    let patient = || training(vec![spec()]).patient(2);
    let end = |state: State| {
        let training = patient();
        let mut album = Album { every: Some(2), ..Album::default() };
        let mut books = Books::new(&training, 3);
        let outcome = training.run_from(state, &mut books, &mut Diary::default(), &mut album, None).unwrap();
        assert_eq!(outcome.evaluation.step, 6);
        let stopped = outcome.stopped.unwrap();
        assert_eq!((stopped.patience, stopped.best.step), (2, 0));
        album.saved
    };
    let saved = end(patient().fresh(&SHAPE));
    assert_eq!(saved.iter().map(|state| state.step).collect::<Vec<_>>(), [2, 4, 6]);
    for state in saved {
        end(state);
    }
}

/// Keeps every state, and ends the training where it is told to.
#[derive(Default)]
struct Album {
    every: Option<u64>,
    stop_at: Option<u64>,
    saved: Vec<State>,
    held: Vec<u64>,
}

impl Keeper for Album {
    fn every(&self) -> Option<u64> {
        self.every
    }

    fn stop(&self, step: u64) -> Option<Error> {
        let reached = self.stop_at.is_some_and(|stop| step >= stop);
        reached.then_some(Error::Interrupted { name: "SIGINT", code: 130, after: format!("step {step}") })
    }

    fn holds_best(&self) -> bool {
        true
    }

    fn hold(&mut self, state: State) {
        self.held.push(state.step);
    }

    fn save(&mut self, state: &State) -> Result<()> {
        self.saved.push(state.clone());
        Ok(())
    }
}

#[test]
fn states_are_saved_at_cycles_ends_and_as_often_as_asked() {
    let training = training(vec![spec()]);
    let mut album = Album { every: Some(8), ..Album::default() };
    let mut diary = Diary::default();
    training.run_from(training.fresh(&SHAPE), &mut Books::new(&training, 3), &mut diary, &mut album, None).unwrap();
    assert_eq!(album.saved.iter().map(|state| state.step).collect::<Vec<_>>(), [8, 10, 16, 20]);
    // The books are as right at every evaluation as at the first.
    assert_eq!(album.held, [0]);
    // Evaluations come after steps 3, 6, 10, 13, 16, 20: the losses of steps 6 and 7 are 8 and 9.
    assert_eq!(album.saved[0].losses, BatchLosses { steps: 2, sums: vec![17.0] });
    // A state is one before the evaluation that falls on it.
    assert_eq!(album.saved[1].losses, BatchLosses { steps: 4, sums: vec![8.0 + 9.0 + 10.0 + 11.0] });
    // Checkpoints change no evaluation.
    let plain = run(&training, &mut Books::new(&training, 100)).1;
    let figures = |diary: &Diary| diary.evaluations.iter().map(|e| (e.step, e.models.clone())).collect::<Vec<_>>();
    assert_eq!(figures(&diary), figures(&plain));
}

#[test]
fn a_training_that_goes_on_from_any_state_does_what_the_whole_one_did_after_it() {
    let training = training(vec![spec(), TrainSpec { seed: 5, ..spec() }]);
    let mut album = Album { every: Some(1), ..Album::default() };
    let mut whole = Books::new(&training, 3);
    let mut diary = Diary::default();
    training.run_from(training.fresh(&SHAPE), &mut whole, &mut diary, &mut album, None).unwrap();
    assert_eq!(album.saved.len(), 20);
    for state in album.saved {
        let step = state.step as usize;
        // The books' losses go by the steps done.
        let mut books = Books { steps: step, ..Books::new(&training, 4) };
        let mut rest = Diary::default();
        training.run_from(state, &mut books, &mut rest, &mut (), None).unwrap();
        assert_eq!(books.rates, whole.rates[step * 2..], "from step {step}");
        assert!(whole.rows.ends_with(&books.rows), "from step {step}");
        let later: Vec<_> = diary.evaluations.iter().filter(|e| e.step >= step as u64).collect();
        assert_eq!(rest.evaluations.len(), later.len());
        for (one, other) in rest.evaluations.iter().zip(later) {
            assert_eq!((one.step, &one.models), (other.step, &other.models), "from step {step}");
        }
    }
}

#[test]
fn a_training_that_must_stop_finishes_its_chunk_saves_and_does_not_evaluate() {
    let training = training(vec![spec()]);
    for (stop_at, stopped) in [(0, 0), (1, 2), (5, 5), (6, 6)] {
        let mut album = Album { stop_at: Some(stop_at), ..Album::default() };
        let mut diary = Diary::default();
        let mut books = Books::new(&training, 2);
        let error = training.run_from(training.fresh(&SHAPE), &mut books, &mut diary, &mut album, None).unwrap_err();
        assert_eq!(error.exit_code(), 130);
        assert_eq!(album.saved.iter().map(|state| state.step).collect::<Vec<_>>(), [stopped]);
        assert!(diary.evaluations.iter().all(|evaluation| evaluation.step < stopped.max(1)), "stop at {stop_at}");
    }
}

#[test]
fn weights_that_are_no_numbers_are_never_saved() {
    /// Books whose weights overflow.
    struct Overflown(Books);

    impl Engine for Overflown {
        fn describe(&self) -> String {
            self.0.describe()
        }
        fn job(&self) -> &Job {
            self.0.job()
        }
        fn chunk_steps(&self) -> usize {
            self.0.chunk_steps()
        }
        fn load(&mut self, params: &[Params]) -> Result<()> {
            self.0.load(params)
        }
        fn params(&mut self) -> Result<Vec<Params>> {
            let mut params = self.0.params()?;
            params[1].values[weight(0)][2] = f32::INFINITY;
            Ok(params)
        }
        fn train(&mut self, chunk: &Chunk<'_>) -> Result<()> {
            self.0.train(chunk)
        }
        fn losses(&mut self) -> Result<Vec<f32>> {
            self.0.losses()
        }
        fn evaluate(&mut self, rows: &[u32]) -> Result<Vec<Tally>> {
            self.0.evaluate(rows)
        }
        fn logits(&mut self, rows: &[u32]) -> Result<Vec<Vec<f32>>> {
            self.0.logits(rows)
        }
        fn squares(&mut self) -> Result<Vec<f64>> {
            self.0.squares()
        }
        fn witness(&mut self, step: &Chunk<'_>, model: usize, images: Images<'_>) -> Result<Later<Witness>> {
            self.0.witness(step, model, images)
        }
    }

    let training = training(vec![spec(), spec()]);
    let albums = [
        Album { every: Some(2), ..Album::default() },
        Album { stop_at: Some(2), ..Album::default() },
        Album::default(),
    ];
    for mut album in albums {
        let mut engine = Overflown(Books::new(&training, 2));
        let error = training
            .run_from(training.fresh(&SHAPE), &mut engine, &mut Diary::default(), &mut album, None)
            .unwrap_err();
        assert_eq!(error.exit_code(), 6, "{error}");
        assert!(error.to_string().contains("model 1"), "{error}");
        assert!(album.saved.is_empty() && album.held.is_empty());
    }
}

#[test]
fn a_state_that_does_not_fit_is_refused() {
    let training = training(vec![spec()]);
    let state = training.fresh(&SHAPE);
    let wrong = [
        State { step: 21, ..state.clone() },
        State { params: vec![], ..state.clone() },
        State { losses: BatchLosses::new(2), ..state },
    ];
    for state in wrong {
        let outcome = training.run_from(state, &mut Books::new(&training, 2), &mut Diary::default(), &mut (), None);
        assert_eq!(outcome.unwrap_err().exit_code(), 70);
    }
}
