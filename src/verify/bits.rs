//! Equalities by bits: the same device and the same build give the same numbers, however the work is cut.

use rand::Rng;

use super::Referee;
use crate::config::spec::Feed;
use crate::data::batches::Batches;
use crate::data::spec::{Augment, Flip};
use crate::data::{Dataset, Planes, Standardisation};
use crate::engine::{Chunks, Engine, Job, Tally};
use crate::error::Result;
use crate::gpu::plan::Tuning;
use crate::gpu::waves::{Waves, split};
use crate::model::optimizer::Optimizer;
use crate::model::params::{Init, Params};
use crate::model::regularise::Regularise;
use crate::model::{Hidden, ModelSpec};
use crate::proof::Finding;
use crate::proof::compare::{Outcome, Rule, compare};
use crate::util::random::{Purpose, stream};

/// Everything that a short training leaves behind.
#[derive(Clone, Debug, PartialEq)]
struct Left {
    losses: Vec<f32>,
    params: Vec<Params>,
    tallies: Vec<Tally>,
    logits: Vec<Vec<f32>>,
    squares: Vec<f64>,
}

impl Left {
    /// All of model `m`'s numbers, widened: f32 to f64 keeps every bit that is not a NaN, and a NaN is caught first.
    fn of(&self, m: usize) -> Vec<f64> {
        let widened = |value: &f32| f64::from(*value);
        let losses = self.losses.iter().skip(m).step_by(self.params.len()).map(widened);
        let weights = self.params[m].values.iter().flatten().map(widened);
        let sums = [self.tallies[m].loss, self.tallies[m].correct as f64, self.squares[m]];
        losses.chain(weights).chain(self.logits[m].iter().map(widened)).chain(sums).collect()
    }
}

/// How a training is cut to a GPU. No right result depends on it.
#[derive(Clone, Copy)]
struct Cut {
    chunk: u64,
    feed: Feed,
    tuning: Option<Tuning>,
    waves: usize,
    /// Whether weights and moments go to the host and back after each chunk, as at a resume.
    reloads: bool,
}

impl Cut {
    /// Everything as in a training of few models.
    const WHOLE: Self = Self { chunk: 12, feed: Feed::Stream, tuning: None, waves: 1, reloads: false };
}

const NESTEROV: Optimizer = Optimizer::Sgd { momentum: 0.9, nesterov: true };
const ADAMW: Optimizer = Optimizer::Adamw { weight_decay: 0.1 };

struct Training {
    spec: ModelSpec,
    optimizer: Optimizer,
    batch_size: usize,
    steps: u64,
    augment: Augment,
    regularise: Regularise,
    dataset: std::sync::Arc<Dataset>,
}

impl Training {
    /// On images as they are.
    fn new(d: usize, hidden: &'static [usize]) -> Self {
        Self::on(d, hidden, None)
    }

    /// On images of three planes of 5 × 7 pixels, mirrored and shifted, with everything else that a training may do.
    fn moved(hidden: &'static [usize]) -> Self {
        let augment = Augment { flip: Flip::Random, shift: 3 };
        let regularise = Regularise { label_smoothing: 0.1, mixup: 0.4, dropout: 0.3, input_dropout: 0.1 };
        Self { augment, regularise, ..Self::on(105, hidden, Some(Planes { channels: 3, height: 5, width: 7 })) }
    }

    fn on(d: usize, hidden: &'static [usize], planes: Option<Planes>) -> Self {
        let (c, images) = (7, 150);
        let mut draw = stream(0, Purpose::Check, 1);
        let pixels = (0..d * images).map(|_| draw.next_u32() as u8).collect();
        let labels = (0..images).map(|_| (draw.next_u32() % c as u32) as u8).collect();
        let classes = (0..c).map(|class| class.to_string()).collect();
        let mut dataset = Dataset::in_memory("random", classes, d, pixels, labels, images);
        dataset.planes = planes;
        let spec = ModelSpec { inputs: d, hidden: Hidden::new(hidden), classes: c };
        let (optimizer, augment, regularise) = Default::default();
        Self { spec, optimizer, batch_size: 31, steps: 12, augment, regularise, dataset: dataset.into() }
    }

    /// Trains the models of `seeds`, each from its own weights, with its own strength of penalty and learning rate, on its
    /// own shuffle if `own`.
    fn run(&self, referee: &Referee, seeds: &[u64], own: bool, cut: Cut) -> Result<Left> {
        let job = Job {
            decay: seeds.iter().map(|seed| 0.001 * (1 + seed) as f32).collect(),
            batch_size: self.batch_size,
            shuffles: if own { seeds.len() } else { 1 },
            optimizer: self.optimizer,
            regularise: self.regularise,
            ..Job::new(self.spec.clone())
        };
        let inputs = self.spec.inputs;
        let standardisation = Standardisation { mean: vec![127.0; inputs], scale: vec![1.0 / 70.0; inputs] };
        let engine = |job| referee.gpu_engine(job, &self.dataset, &standardisation, (cut.feed, cut.tuning));
        let mut engine: Box<dyn Engine> = match cut.waves {
            1 => Box::new(engine(&job)?),
            waves => {
                let engines = split(&job, waves).iter().map(engine).collect::<Result<_>>()?;
                Box::new(Waves::new(job.clone(), engines))
            }
        };
        let params: Vec<_> = seeds.iter().map(|seed| Params::init(&self.spec, *seed, Init::Report)).collect();
        engine.load(&params)?;

        let images = self.dataset.labels.len() as u32;
        // Every fifth batch is a short one.
        let shuffles = if own { seeds.to_vec() } else { vec![0] };
        let batches = Batches::new((0..images).collect(), self.batch_size, shuffles)
            .augmented(self.augment)
            .mixed(self.regularise.mixup);
        let slower: Vec<_> = seeds.iter().map(|seed| (1 + seed) as f32).collect();
        let rate = move |step: u64, model: usize| 0.05 / slower[model] / (1 + step) as f32;
        // Models that share batches share the masks of their inputs, so these must be of one seed, as in a training.
        let masks = if own { seeds.to_vec() } else { vec![0; seeds.len()] };
        let mut chunks = Chunks::new(batches, seeds.len(), rate).regularised(self.regularise, &masks);
        for first in (0..self.steps).step_by(cut.chunk as usize) {
            engine.train(&chunks.steps(first..self.steps.min(first + cut.chunk)))?;
            if cut.reloads {
                let params = engine.params()?;
                engine.load(&params)?;
            }
        }
        let evaluated: Vec<u32> = (0..images).collect();
        Ok(Left {
            losses: engine.losses()?,
            params: engine.params()?,
            tallies: engine.evaluate(&evaluated)?,
            logits: engine.logits(&evaluated)?,
            squares: engine.squares()?,
        })
    }
}

/// [`same`] for each model of two trainings.
fn each(what: &'static str, place: &str, got: &Left, expected: &Left) -> Vec<Finding> {
    let finding = |m| Finding::new(what, same(&got.of(m), &expected.of(m))).at(format!("{place}, model {m}"));
    (0..got.params.len()).map(finding).collect()
}

fn same(got: &[f64], expected: &[f64]) -> Outcome {
    // `==` on finite numbers but for the sign of zero, which no sum of ours can differ in.
    compare(got, expected, &Rule::Exact)
}

pub(super) fn rerun(referee: &Referee) -> Result<Vec<Finding>> {
    let training = Training::new(101, &[50]);
    let [first, second] =
        [training.run(referee, &[1], false, Cut::WHOLE)?, training.run(referee, &[1], false, Cut::WHOLE)?];
    Ok(vec![Finding::new("a rerun", same(&second.of(0), &first.of(0)))])
}

/// One submission of 12 steps against submissions of 1, 5 and 7, of moved images.
pub(super) fn chunks(referee: &Referee) -> Result<Vec<Finding>> {
    let training = Training { optimizer: ADAMW, ..Training::moved(&[9]) };
    let whole = training.run(referee, &[1, 2], true, Cut::WHOLE)?;
    let mut findings = Vec::new();
    for chunk in [1, 5, 7] {
        let cut = training.run(referee, &[1, 2], true, Cut { chunk, ..Cut::WHOLE })?;
        findings.extend(each("any chunk length", &format!("{chunk} steps"), &cut, &whole));
    }
    Ok(findings)
}

/// Weights and moments that went to the host and back, against those that stayed.
pub(super) fn resumed(referee: &Referee) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    let shapes: [(&[usize], _); 2] = [(&[9], NESTEROV), (&[33, 18], ADAMW)];
    for (hidden, optimizer) in shapes {
        let training = Training { optimizer, ..Training::moved(hidden) };
        let whole = training.run(referee, &[1, 2], true, Cut::WHOLE)?;
        let cut = training.run(referee, &[1, 2], true, Cut { chunk: 5, reloads: true, ..Cut::WHOLE })?;
        findings.extend(each("a resume", &format!("{} {optimizer}", training.spec), &cut, &whole));
    }
    Ok(findings)
}

/// Every tuning against the first, with a shared batch and with one each. A shape of several groups and a short last slice.
pub fn tunings(referee: &Referee) -> Result<Vec<Finding>> {
    let training = Training::new(1001, &[70]);
    let cut = |tuning| Cut { tuning: Some(tuning), ..Cut::WHOLE };
    let mut findings = Vec::new();
    for own in [false, true] {
        let [first, others @ ..] = Tuning::ALL;
        let expected = training.run(referee, &[1, 2], own, cut(first))?;
        for tuning in others {
            let got = training.run(referee, &[1, 2], own, cut(tuning))?;
            findings.extend(each("any tuning", &format!("{first} against {tuning}"), &got, &expected));
        }
    }
    Ok(findings)
}

/// Streamed images against resident ones, as they are and moved.
pub fn feeds(referee: &Referee) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    let trainings = [Training::new(101, &[33, 18]), Training::moved(&[33, 18])];
    for (training, own) in trainings.iter().flat_map(|training| [(training, false), (training, true)]) {
        let [streamed, resident] = [Feed::Stream, Feed::Resident]
            .map(|feed| training.run(referee, &[1, 2], own, Cut { chunk: 5, feed, ..Cut::WHOLE }))
            .map(|left| left.map(|left| [left.of(0), left.of(1)].concat()));
        findings.push(Finding::new("streamed and resident", same(&resident?, &streamed?)));
    }
    Ok(findings)
}

/// Models together against each alone, with a shared batch and with one each.
pub(super) fn together(referee: &Referee) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    let plain = Optimizer::default();
    let shapes: [(&[usize], _); 5] =
        [(&[1], plain), (&[50], plain), (&[65], ADAMW), (&[33, 18, 9], NESTEROV), (&[], plain)];
    for (hidden, optimizer) in shapes {
        let training = if optimizer == plain { Training::new(101, hidden) } else { Training::moved(hidden) };
        let training = Training { optimizer, ..training };
        for own in [false, true] {
            let seeds = [1, 2, 3, 4, 5];
            let together = training.run(referee, &seeds, own, Cut::WHOLE)?;
            for (m, seed) in seeds.iter().enumerate() {
                let alone = training.run(referee, &[*seed], own, Cut::WHOLE)?;
                let outcome = same(&together.of(m), &alone.of(0));
                let batches = if own { "own" } else { "shared" };
                findings.push(
                    Finding::new("alone and together", outcome)
                        .at(format!("{} {optimizer}, {batches}, model {m}", training.spec)),
                );
            }
        }
    }
    Ok(findings)
}

/// Models in two and three waves against all at once, of moved images, with a shared batch and with one each.
pub(super) fn waves(referee: &Referee) -> Result<Vec<Finding>> {
    let training = Training { optimizer: NESTEROV, ..Training::moved(&[33]) };
    let seeds = [1, 2, 3, 4, 5];
    let mut findings = Vec::new();
    for own in [false, true] {
        let whole = training.run(referee, &seeds, own, Cut::WHOLE)?;
        for waves in [2, 3] {
            let cut = training.run(referee, &seeds, own, Cut { waves, ..Cut::WHOLE })?;
            findings.extend(each("any waves", &format!("{waves} waves"), &cut, &whole));
        }
    }
    Ok(findings)
}
