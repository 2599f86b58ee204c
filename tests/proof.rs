//! The proof that goes with a run: an engine that computes one thing wrong is found out, and a right one passes.

#![expect(clippy::unwrap_used, reason = "clippy.toml allows it in functions marked as tests, not in their helpers")]

use std::sync::Arc;

use cyclone::config::spec::Check;
use cyclone::cpu::CpuEngine;
use cyclone::data::{Dataset, Images, Move, Planes, Standardisation};
use cyclone::engine::{Checks, Chunk, Engine, Job, Later, Tally, Witness};
use cyclone::error::{Error, Result};
use cyclone::model::params::{Init, Params, bias, weight};
use cyclone::model::regularise::{Key, Regularise, keys};
use cyclone::model::{Hidden, ModelSpec};
use cyclone::proof::{Checked, Pace};
use cyclone::util::random::{Purpose, stream};
use rand::{Rng, RngExt};

const SPEC: ModelSpec = ModelSpec { inputs: 48, hidden: Hidden::new(&[7]), classes: 3 };
const BATCH: usize = 8;
const IMAGES: usize = 64;

/// What an engine does wrong.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    Nothing,
    /// All results are 0.
    Everything,
    /// One weight is not the one that was loaded.
    Load,
    Squares,
    Logit,
    /// An image's logits are missing.
    Short,
    Right,
    EvaluationLoss,
    StepLoss,
    /// A step leaves the weights as they were.
    Update,
    /// A step leaves one tensor as it was.
    Tensor(usize),
    /// A step's penalty is twice too strong.
    Decay,
    /// A weight is off after a step that is not alone in its chunk.
    Chunk,
    /// The images of a step are not moved.
    Still,
    /// Other units are left out than a step's key says.
    Masks,
}

/// The CPU engine, which from some step on does one thing wrong.
struct Faulty {
    engine: CpuEngine<f32>,
    fault: Fault,
    from: u64,
    step: u64,
    /// Losses that a witness has seen and nobody has asked for.
    losses: Vec<f32>,
}

impl Faulty {
    fn is(&self, fault: Fault) -> bool {
        self.fault == fault && self.step >= self.from
    }

    fn spoil_tally(&self, tally: &mut Tally) {
        match self.fault {
            _ if !self.is(self.fault) => {}
            Fault::Everything => (tally.loss, tally.correct) = (0.0, 0),
            Fault::Right => tally.correct -= 1,
            Fault::EvaluationLoss => tally.loss *= 1.000_01,
            _ => {}
        }
    }

    fn spoil_logits(&self, model: usize, logits: &mut [f32]) {
        if self.is(Fault::Logit) && model == 0 {
            logits[1] *= 1.001;
        }
        if self.is(Fault::Everything) {
            logits.fill(0.0);
        }
    }
}

impl Engine for Faulty {
    fn describe(&self) -> String {
        "an engine with a fault".into()
    }
    fn job(&self) -> &Job {
        self.engine.job()
    }
    fn chunk_steps(&self) -> usize {
        self.engine.chunk_steps()
    }
    fn load(&mut self, params: &[Params]) -> Result<()> {
        let mut params = params.to_vec();
        if self.is(Fault::Load) {
            params[0].values[weight(1)][5] += 0.5;
        }
        self.engine.load(&params)
    }
    fn params(&mut self) -> Result<Vec<Params>> {
        let mut params = self.engine.params()?;
        if self.is(Fault::Everything) {
            params.iter_mut().flat_map(|params| params.values.iter_mut().flatten()).for_each(|value| *value = 0.0);
        }
        Ok(params)
    }
    fn train(&mut self, chunk: &Chunk<'_>) -> Result<()> {
        if chunk.lengths.is_empty() {
            return Ok(());
        }
        let before = self.engine.params()?;
        let still = Chunk { images: chunk.images.rows.into(), ..*chunk };
        let keys: Vec<_> = chunk.keys.iter().map(|[one, two]| [*one, two ^ 1]).collect();
        let masked = Chunk { keys: &keys, ..*chunk };
        let wrong = [(Fault::Still, &still), (Fault::Masks, &masked)].into_iter().find(|(fault, _)| self.is(*fault));
        self.engine.train(wrong.map_or(chunk, |(_, chunk)| chunk))?;
        let mut after = self.engine.params()?;
        for (before, after) in before.iter().zip(&mut after) {
            match self.fault {
                _ if !self.is(self.fault) => {}
                Fault::Update => *after = before.clone(),
                Fault::Tensor(place) => after.values[place].clone_from(&before.values[place]),
                Fault::Decay => {
                    let factor = chunk.rates[0] * self.engine.job().decay[0];
                    after.values[weight(0)]
                        .iter_mut()
                        .zip(&before.values[weight(0)])
                        .for_each(|(after, w)| *after -= factor * w);
                }
                Fault::Chunk if chunk.lengths.len() > 1 => after.values[weight(0)][3] += 0.5,
                _ => {}
            }
        }
        self.step += chunk.lengths.len() as u64;
        self.engine.load(&after)
    }
    fn losses(&mut self) -> Result<Vec<f32>> {
        let mut losses = std::mem::take(&mut self.losses);
        losses.extend(self.engine.losses()?);
        if self.is(Fault::Everything) {
            losses.fill(0.0);
        }
        Ok(losses)
    }
    fn evaluate(&mut self, rows: &[u32]) -> Result<Vec<Tally>> {
        let mut tallies = self.engine.evaluate(rows)?;
        for tally in &mut tallies {
            self.spoil_tally(tally);
        }
        Ok(tallies)
    }
    fn logits(&mut self, rows: &[u32]) -> Result<Vec<Vec<f32>>> {
        let mut logits = Engine::logits(&mut self.engine, rows)?;
        logits.iter_mut().enumerate().for_each(|(model, logits)| self.spoil_logits(model, logits));
        Ok(logits)
    }
    fn squares(&mut self) -> Result<Vec<f64>> {
        let squares = self.engine.squares()?;
        Ok(squares.iter().map(|square| if self.is(Fault::Squares) { square * 1.001 } else { *square }).collect())
    }
    fn witness(&mut self, step: &Chunk<'_>, model: usize, images: Images<'_>) -> Result<Later<Witness>> {
        let before = self.params()?.swap_remove(model);
        let none = Chunk { images: Images::default(), lengths: &[], rates: &[], ..Chunk::default() };
        let Witness { mut logits, mut tally, .. } = self.engine.witness(&none, model, images)?()?;
        self.spoil_logits(model, &mut logits);
        if self.is(Fault::Short) {
            logits.truncate(logits.len() - SPEC.classes);
        }
        self.spoil_tally(&mut tally);
        let wrong = self.is(Fault::StepLoss);
        self.train(step)?;
        let after = self.params()?.swap_remove(model);
        let models = self.job().models();
        self.losses.extend(self.engine.losses()?);
        let loss = |losses: &[f32]| losses[losses.len() - models + model] * if wrong { 1.000_1 } else { 1.0 };
        let step = (!step.lengths.is_empty()).then(|| (loss(&self.losses), after));
        Ok(Box::new(move || Ok(Witness { before, logits, tally, step })))
    }
}

struct Bench {
    engine: Checked,
    rows: Vec<u32>,
    moves: Vec<Move>,
    rates: Vec<f32>,
    keys: Vec<Key>,
    shuffles: usize,
}

impl Bench {
    fn new(fault: Fault, from: u64, models: (usize, usize), check: Check) -> Self {
        Self::regularised(fault, from, models, check, Regularise::default())
    }

    fn regularised(
        fault: Fault,
        from: u64,
        (models, shuffles): (usize, usize),
        check: Check,
        regularise: Regularise,
    ) -> Self {
        let mut random = stream(0, Purpose::Check, 0);
        let mut pixels = vec![0; IMAGES * SPEC.inputs];
        random.fill_bytes(&mut pixels);
        let labels = (0..IMAGES).map(|_| random.random_range(0..SPEC.classes as u8)).collect();
        let classes = (0..SPEC.classes).map(|class| class.to_string()).collect();
        let mut data = Dataset::in_memory("random bytes", classes, SPEC.inputs, pixels, labels, IMAGES);
        data.planes = Some(Planes { channels: 3, height: 2, width: 8 });
        let data = Arc::new(data);
        let statistics = Standardisation { mean: vec![120.0; SPEC.inputs], scale: vec![1.0 / 70.0; SPEC.inputs] };
        let statistics = Arc::new(statistics);
        let job = Job { decay: vec![0.01; models], batch_size: BATCH, shuffles, regularise, ..Job::new(SPEC) };
        let engine = CpuEngine::new(job, data.clone(), statistics.clone(), 1).unwrap();
        let engine = Box::new(Faulty { engine, fault, from, step: 0, losses: Vec::new() });
        let mut engine = Checked::new(engine, data, statistics, Pace { check, rest: 0 });
        engine
            .load(&(0..models as u64).map(|seed| Params::init(&SPEC, seed, Init::Report)).collect::<Vec<_>>())
            .unwrap();
        let rows = (0..3 * BATCH * shuffles).map(|row| (row % IMAGES) as u32).collect();
        let keys =
            if regularise.drops() { (0..3).flat_map(|step| vec![keys(7)(step); models]).collect() } else { vec![] };
        Self { engine, rows, moves: Vec::new(), rates: vec![0.1; 3 * models], keys, shuffles }
    }

    /// The same, its images mirrored and shifted.
    fn moved(mut self) -> Self {
        let by = |&row: &u32| Move { flip: row % 2 == 0, dx: row as i8 % 7 - 3, dy: row as i8 % 3 - 1 };
        self.moves = self.rows.iter().map(by).collect();
        self
    }

    /// Proves the first steps.
    fn prove(&mut self) -> Result<()> {
        let lengths = [BATCH as u32; 3];
        let images = Images { moves: &self.moves, ..(&self.rows).into() };
        self.engine.prove(&Chunk { images, lengths: &lengths, rates: &self.rates, keys: &self.keys })
    }

    /// Three steps and an evaluation, so often.
    fn train(&mut self, times: usize) -> Result<Option<Checks>> {
        self.prove()?;
        for _ in 0..times {
            self.engine.evaluate(&(0..IMAGES as u32).collect::<Vec<_>>())?;
            let lengths = [BATCH as u32; 3];
            let images = Images { moves: &self.moves, ..(&self.rows).into() };
            self.engine.train(&Chunk { images, lengths: &lengths, rates: &self.rates, keys: &self.keys })?;
            self.engine.losses()?;
            // Else a check might still run when the next is due.
            self.engine.checks(true)?;
        }
        assert_eq!(self.rows.len(), 3 * BATCH * self.shuffles);
        self.engine.checks(true)
    }
}

#[track_caller]
fn found<T: std::fmt::Debug>(result: Result<T>, what: &str) {
    let error = result.unwrap_err();
    assert!(matches!(error, Error::Wrong { .. }) && error.exit_code() == 11, "{error}");
    assert!(error.to_string().contains(what), "{error}, expected {what}");
}

/// Every fault, and the words that name it.
const FAULTS: [(Fault, &str); 15] = [
    (Fault::Everything, "logits (forward, head)"),
    (Fault::Load, "weights as loaded"),
    (Fault::Squares, "squares"),
    (Fault::Logit, "logits (forward, head)"),
    (Fault::Short, "logits (forward, head)"),
    (Fault::Right, "right answers (head, tally)"),
    (Fault::EvaluationLoss, "loss of some images (head, tally)"),
    (Fault::StepLoss, "loss of a step (head, update)"),
    (Fault::Update, "weights after a step (update)"),
    (Fault::Tensor(weight(0)), "weights after a step (update), W1, trial step 1, model 0"),
    (Fault::Tensor(bias(0)), "weights after a step (update), b1, trial step 1, model 0"),
    (Fault::Tensor(weight(1)), "weights after a step (update), W2, trial step 1, model 0"),
    (Fault::Tensor(bias(1)), "weights after a step (update), b2, trial step 1, model 0"),
    (Fault::Decay, "weights after a step (update)"),
    (Fault::Chunk, "weights after a step (update), W1, trial step 2, model 0"),
];

#[test]
fn every_fault_is_found_before_the_first_step() {
    for (fault, what) in FAULTS {
        let what = if fault == Fault::Everything { "weights as loaded" } else { what };
        found(Bench::new(fault, 0, (1, 1), Check::Start).prove(), what);
    }
}

#[test]
fn one_that_appears_later_is_found_at_an_evaluation() {
    // These show in a witness; the others are the start's alone, or are so wrong that no witness is needed.
    let shows = |fault| !matches!(fault, Fault::Load | Fault::Squares | Fault::Chunk | Fault::Everything);
    for (fault, what) in FAULTS.into_iter().filter(|(fault, _)| shows(*fault)) {
        let what = what.split(", trial").next().unwrap();
        found(Bench::new(fault, 12, (1, 1), Check::Always).train(6), what);
        Bench::new(fault, 12, (1, 1), Check::Start).train(6).unwrap();
    }
    found(Bench::new(Fault::Everything, 12, (1, 1), Check::Off).train(6), "loss of exactly 0 with 0 of 64");
}

#[test]
fn a_right_engine_passes_and_its_checks_are_counted() {
    for models in [(1, 1), (4, 1), (4, 4)] {
        let checks = Bench::new(Fault::Nothing, 0, models, Check::Always).train(6).unwrap().unwrap();
        assert_eq!(checks.times, 7, "the start and six evaluations");
        assert!(checks.worst > 0.0 && checks.worst < 0.5, "{checks:?}");
        assert_eq!(Bench::new(Fault::Nothing, 0, models, Check::Start).train(6).unwrap().unwrap().times, 1);
        assert_eq!(Bench::new(Fault::Update, 0, models, Check::Off).train(6).unwrap(), None);
    }
}

#[test]
fn moved_images_are_checked_as_they_were_trained_on() {
    for models in [(1, 1), (3, 3)] {
        let checks = Bench::new(Fault::Nothing, 0, models, Check::Always).moved().train(6).unwrap().unwrap();
        assert_eq!(checks.times, 7, "the start and six evaluations");
        assert!(checks.worst > 0.0 && checks.worst < 0.5, "{checks:?}");
        found(Bench::new(Fault::Still, 0, models, Check::Start).moved().prove(), "loss of a step (head, update)");
        found(Bench::new(Fault::Still, 12, models, Check::Always).moved().train(6), "loss of a step (head, update)");
    }
}

#[test]
fn steps_with_masks_and_other_targets_are_checked_as_they_were_trained() {
    let all = Regularise { label_smoothing: 0.1, mixup: 0.0, dropout: 0.3, input_dropout: 0.2 };
    for regularise in [all, Regularise { dropout: 0.0, ..all }, Regularise { input_dropout: 0.0, ..all }] {
        let bench = |fault, from, check| Bench::regularised(fault, from, (3, 1), check, regularise);
        let checks = bench(Fault::Nothing, 0, Check::Always).train(6).unwrap().unwrap();
        assert_eq!(checks.times, 7, "the start and six evaluations");
        assert!(checks.worst > 0.0 && checks.worst < 0.5, "{checks:?}");
        found(bench(Fault::Masks, 0, Check::Start).prove(), "loss of a step (head, update)");
        found(bench(Fault::Masks, 12, Check::Always).train(6), "loss of a step (head, update)");
        found(bench(Fault::Decay, 12, Check::Always).train(6), "weights after a step (update)");
    }
}

#[test]
fn checks_change_no_bits() {
    let weights = |check| {
        let mut bench = Bench::new(Fault::Nothing, 0, (2, 2), check);
        bench.train(3).unwrap();
        bench.engine.params().unwrap()
    };
    assert!(weights(Check::Always) == weights(Check::Off));
}

#[test]
fn a_training_that_diverges_is_no_fault_of_the_engine() {
    let mut bench = Bench::new(Fault::Nothing, 0, (1, 1), Check::Always);
    bench.rates.fill(1e30);
    bench.train(6).unwrap();
    assert!(!bench.engine.params().unwrap()[0].is_finite());
}

#[test]
fn a_model_that_diverges_does_not_keep_the_others_from_being_checked() {
    let mut bench = Bench::new(Fault::Nothing, 0, (2, 1), Check::Always);
    (0..3).for_each(|step| bench.rates[2 * step] = 1e30);
    let checks = bench.train(6).unwrap().unwrap();
    assert!((3..=5).contains(&checks.times), "the start and those of the second model: {checks:?}");
}

#[test]
fn an_engines_witness_has_what_it_says_of_itself() {
    for fault in [Fault::Nothing, Fault::StepLoss] {
        let mut bench = Bench::new(fault, 99, (3, 3), Check::Off);
        let images: Vec<u32> = (0..IMAGES as u32).collect();
        let (before, logits) = (bench.engine.params().unwrap(), bench.engine.logits(&images).unwrap());
        let tallies = bench.engine.evaluate(&images).unwrap();
        let (step, lengths) = ((&bench.rows[..3 * BATCH]).into(), [BATCH as u32]);
        let chunk = Chunk { images: step, lengths: &lengths, rates: &bench.rates[..3], ..Chunk::default() };
        let witness = bench.engine.witness(&chunk, 1, (&images).into()).unwrap()().unwrap();
        let (loss, after) = witness.step.unwrap();
        assert_eq!((&witness.before, &witness.logits, witness.tally), (&before[1], &logits[1], tallies[1]));
        assert!(after == bench.engine.params().unwrap()[1] && after != before[1]);
        assert_eq!(loss, bench.engine.losses().unwrap()[1]);
    }
}
