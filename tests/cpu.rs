//! The CPU engine against derivations by hand, the reference, and itself.

#![expect(clippy::unwrap_used, reason = "clippy.toml allows it in functions marked as tests, not in their helpers")]
#![expect(clippy::float_cmp, reason = "what can be exact is compared exactly")]

use std::sync::Arc;

use cyclone::cpu::CpuEngine;
use cyclone::cpu::real::Real;
use cyclone::data::{self, Dataset, Standardisation};
use cyclone::engine::{Chunk, Engine, Job, Tally};
use cyclone::error::Error;
use cyclone::model::optimizer::Optimizer;
use cyclone::model::params::{Init, Params, bias, tensors};
use cyclone::model::reference::{self, Layer, Matrix, Network, Pass};
use cyclone::model::regularise::{Regularise, Target, Training, keys};
use cyclone::model::{Hidden, ModelSpec};
use cyclone::util::random::{Purpose, stream};
use rand::{Rng, RngExt};

/// Random bytes and labels, with statistics that differ from dimension to dimension.
struct Images {
    data: Arc<Dataset>,
    statistics: Arc<Standardisation>,
}

impl Images {
    fn random(images: usize, spec: &ModelSpec) -> Self {
        let mut generator = stream(0, Purpose::Check, 0);
        let mut pixels = vec![0; images * spec.inputs];
        generator.fill_bytes(&mut pixels);
        let labels = (0..images).map(|_| generator.random_range(0..spec.classes as u8)).collect();
        let mean = (0..spec.inputs).map(|d| 100.0 + d as f32 % 50.0).collect();
        let scale = (0..spec.inputs).map(|d| 1.0 / (60.0 + d as f32 % 20.0)).collect();
        Self::new(pixels, labels, Standardisation { mean, scale }, spec)
    }

    fn new(pixels: Vec<u8>, labels: Vec<u8>, statistics: Standardisation, spec: &ModelSpec) -> Self {
        let classes = (0..spec.classes).map(|class| class.to_string()).collect();
        let images = labels.len();
        let data = Arc::new(Dataset::in_memory("random bytes", classes, spec.inputs, pixels, labels, images));
        Self { data, statistics: Arc::new(statistics) }
    }

    fn engine<T: Real>(&self, job: Job, threads: usize) -> CpuEngine<T> {
        CpuEngine::new(job, Arc::clone(&self.data), Arc::clone(&self.statistics), threads).unwrap()
    }

    /// The inputs `[B, D]` and labels of some rows.
    fn batch(&self, rows: &[u32]) -> (Matrix, Vec<u8>) {
        let mut pixels = vec![0; rows.len() * self.data.inputs];
        self.data.gather(rows, &mut pixels);
        let Standardisation { mean, scale } = &*self.statistics;
        let labels = rows.iter().map(|&row| self.data.labels[row as usize]).collect();
        (reference::standardise(&pixels, mean, scale), labels)
    }
}

fn job(model: &ModelSpec, decay: &[f32], batch_size: usize) -> Job {
    Job { decay: decay.to_vec(), batch_size, ..Job::new(model.clone()) }
}

/// Largest difference, relative to the largest expected magnitude; infinite where anything is not a finite number.
fn difference(found: &Network, expected: &Network) -> f64 {
    let [found, expected] = [found, expected].map(|network| network.tensors().concat());
    assert_eq!(found.len(), expected.len());
    if !found.iter().chain(&expected).all(|value| value.is_finite()) {
        return f64::INFINITY;
    }
    let largest = |values: &mut dyn Iterator<Item = f64>| values.fold(0.0, f64::max);
    largest(&mut found.iter().zip(&expected).map(|(f, e)| (f - e).abs()))
        / largest(&mut expected.iter().map(|e| e.abs()))
}

fn pass(batch: &(Matrix, Vec<u8>), network: &Network) -> Pass {
    pass_of(batch, network, &Training::default())
}

fn pass_of((x, labels): &(Matrix, Vec<u8>), network: &Network, training: &Training) -> Pass {
    let targets: Vec<Target> = labels.iter().map(|&label| label.into()).collect();
    let product = reference::forward(x, &network.layers[0].W, 0..x.columns);
    reference::pass(&product, &targets, network, training)
}

/// All weights 0.
fn zeros(spec: &ModelSpec) -> Params {
    let values = tensors(spec).iter().map(|tensor| vec![0.0; tensor.len()]).collect();
    Params { spec: spec.clone(), steps: 0, values }
}

#[test]
fn a_gradient_derived_by_hand_comes_out_exactly() {
    let spec = ModelSpec { inputs: 2, hidden: Hidden::new(&[3]), classes: 2 };
    // One image, x = (1, 2), label 0.
    let statistics = Standardisation { mean: vec![0.0; 2], scale: vec![1.0; 2] };
    let images = Images::new(vec![1, 2], vec![0], statistics, &spec);
    // z = x·W1 = (1 + 1, −1 − 2, 0.5 − 0.5) = (2, −3, 0): one unit alive, one dead, one at the kink, where we call it dead.
    // logits = (2, 0, 0)·W2 + b2 = (2 − 2, −2 + 2) = (0, 0), so p = (1/2, 1/2) and the loss is ln 2.
    let w1 = vec![1.0, -1.0, 0.5, 0.5, -1.0, -0.25];
    let values = vec![w1, vec![0.0; 3], vec![1.0, -1.0, 3.0, 5.0, 7.0, 9.0], vec![-2.0, 2.0]];
    let params = Params { spec: spec.clone(), steps: 0, values };
    // dlogits = p − (1, 0) = (−1/2, 1/2); dhidden = dlogits·W2ᵀ = (−1/2·1 + 1/2·−1) = −1 for the live unit.
    // dW1 = x ⊗ dhidden, dW2 = hidden ⊗ dlogits; the penalty adds W/4 to both.
    let layer =
        |values: &[f64], columns, b: &[f64]| Layer { W: Matrix { values: values.to_vec(), columns }, b: b.to_vec() };
    let expected = Network {
        layers: vec![
            layer(&[-1.0 + 0.25, -0.25, 0.125, -2.0 + 0.125, -0.25, -0.0625], 3, &[-1.0, 0.0, 0.0]),
            layer(&[-1.0 + 0.25, 1.0 - 0.25, 0.75, 1.25, 1.75, 2.25], 2, &[-0.5, 0.5]),
        ],
    };
    let mut network = Network::from(&params);
    // ΣW1² = 1 + 1 + 1/4 + 1/4 + 1 + 1/16; ΣW2² = 1 + 1 + 9 + 25 + 49 + 81.
    let squares = 3.5625 + 166.0;
    let (batch, decay) = (images.batch(&[0]), 0.25);
    let reference = pass(&batch, &network);
    assert_eq!(reference.loss, [2.0f64.ln()]);
    assert_eq!(reference::squares(&network), squares);
    let gradient = reference::gradient(&batch.0, &reference, &network, f64::from(decay));
    assert_eq!(gradient, expected);

    // A step at a rate of 1 takes away the gradient.
    let mut engine = images.engine::<f64>(job(&spec, &[decay], 1), 1);
    engine.load(&[params]).unwrap();
    assert_eq!(engine.squares().unwrap(), [squares]);
    engine.train(&Chunk { images: (&[0]).into(), lengths: &[1], rates: &[1.0], ..Chunk::default() }).unwrap();
    assert_eq!(engine.losses().unwrap(), [2.0f64.ln() as f32]);
    reference::step(&mut network, &gradient, 1.0);
    assert_eq!(engine.networks().next(), Some(network));
}

/// Hidden layers from none to four.
const DEPTHS: [&[usize]; 5] = [&[], &[7], &[9, 6], &[5, 11, 4], &[12, 9, 7, 6]];

/// Each optimizer. The rates are large for `AdamW`.
const OPTIMIZERS: [Optimizer; 4] = [
    Optimizer::Sgd { momentum: 0.0, nesterov: false },
    Optimizer::Sgd { momentum: 0.9, nesterov: false },
    Optimizer::Sgd { momentum: 0.9, nesterov: true },
    Optimizer::Adamw { weight_decay: 0.1 },
];

/// Every depth with every optimizer, and with masks and smoothed targets.
fn trainings() -> impl Iterator<Item = (&'static [usize], Optimizer, Regularise)> {
    let all = Regularise { label_smoothing: 0.1, mixup: 0.0, dropout: 0.3, input_dropout: 0.2 };
    let optimizers = |hidden| OPTIMIZERS.map(|optimizer| (hidden, optimizer, Regularise::default()));
    let regularised = DEPTHS.into_iter().map(move |hidden| (hidden, Optimizer::default(), all));
    DEPTHS.into_iter().flat_map(optimizers).chain(regularised)
}

/// Ten steps, two of them short, against the reference.
fn ten_steps_differ_by<T: Real>(hidden: &'static [usize], optimizer: Optimizer, regularise: Regularise) -> (f64, f64) {
    // Two slices of the products and three parts of standardising, the last ones short.
    let spec = ModelSpec { inputs: 1100, hidden: Hidden::new(hidden), classes: 3 };
    let images = Images::random(53, &spec);
    let lengths = [11, 11, 11, 11, 9, 11, 11, 11, 11, 9];
    let rows: Vec<u32> = (0..53).chain((0..53).rev()).collect();
    let rates: Vec<f32> = (1..=10).map(|step| 0.01 * step as f32).collect();
    let decay = 0.02;
    let params = Params::init(&spec, 3, Init::Report).with_moments(optimizer);
    let mut engine = images.engine::<T>(Job { optimizer, regularise, ..job(&spec, &[decay], 11) }, 2);
    engine.load(std::slice::from_ref(&params)).unwrap();
    let keys: Vec<_> = (0..10).map(keys(5)).collect();
    engine.train(&Chunk { images: (&rows).into(), lengths: &lengths, rates: &rates, keys: &keys }).unwrap();
    let losses = engine.losses().unwrap();
    assert_eq!(losses.len(), 10);
    assert!(engine.losses().unwrap().is_empty(), "losses are handed out once");

    let (mut network, mut moments) = (Network::from(&params), Network::moments(&params));
    let mut rows = &rows[..];
    let mut worst_loss = 0.0f64;
    for (step, ((&length, &rate), found)) in (0..).zip(lengths.iter().zip(&rates).zip(losses)) {
        let (now, later) = rows.split_at(length as usize);
        let training = Training { regularise, key: keys[step as usize] };
        let (x, labels) = images.batch(now);
        let batch = (reference::dropped(x, training.input_dropout()), labels);
        let pass = pass_of(&batch, &network, &training);
        let gradient = reference::gradient(&batch.0, &pass, &network, f64::from(decay));
        reference::optimize(optimizer, &mut network, &gradient, &mut moments, f64::from(rate), step);
        let loss = pass.loss.iter().sum::<f64>() / f64::from(length);
        rows = later;
        assert!(found.is_finite());
        // A loss near 0 is a difference of logits: its relative error says nothing.
        worst_loss = worst_loss.max((f64::from(found) - loss).abs() / loss.max(1.0));
    }
    (difference(&engine.networks().next().unwrap(), &network), worst_loss)
}

#[test]
fn ten_steps_with_short_batches_among_them_equal_the_references_f64() {
    // Weights: seen 3.7e-15 (AdamW). Losses are handed out as f32, so half a unit of its last place, 6e-8.
    for (hidden, optimizer, regularise) in trainings() {
        let (weights, losses) = ten_steps_differ_by::<f64>(hidden, optimizer, regularise);
        println!("{hidden:?} {optimizer:?}: weights {weights:.1e}, losses {losses:.1e}");
        assert!(weights <= 1e-13, "{hidden:?} {optimizer:?}, weights: {weights:e}");
        assert!(losses <= 6e-8, "{hidden:?} {optimizer:?}, losses: {losses:e}");
    }
}

#[test]
fn ten_steps_with_short_batches_among_them_equal_the_references_f32() {
    // Rounding drifts as some 2.5e-8·√steps, and 20 times that is allowed: 5e-7·√10; with AdamW, which divides a gradient by
    // its size and so moves a weight by its rounding as well as by anything, six times as much. Seen 2.3e-6 (AdamW; AVX2) and
    // 2.3e-7.
    for (hidden, optimizer, regularise) in trainings() {
        let (weights, losses) = ten_steps_differ_by::<f32>(hidden, optimizer, regularise);
        println!("{hidden:?} {optimizer:?}: weights {weights:.1e}, losses {losses:.1e}");
        let most = if matches!(optimizer, Optimizer::Adamw { .. }) { 1e-5 } else { 1.6e-6 };
        assert!(weights <= most, "{hidden:?} {optimizer:?}, weights: {weights:e}");
        assert!(losses <= 1.6e-6, "{hidden:?} {optimizer:?}, losses: {losses:e}");
    }
}

#[test]
fn an_evaluation_equals_the_references_and_leaves_the_weights_alone() {
    // 300 images are two tasks, the second one short.
    for hidden in DEPTHS {
        equals_the_references_evaluation(&ModelSpec { inputs: 19, hidden: Hidden::new(hidden), classes: 4 });
    }
}

fn equals_the_references_evaluation(spec: &ModelSpec) {
    let images = Images::random(301, spec);
    let rows: Vec<u32> = (1..301).collect();
    let mut engine = images.engine::<f64>(job(spec, &[0.0; 2], 1), 2);
    let params = [Params::init(spec, 5, Init::Report), Params::init(spec, 6, Init::Report)];
    engine.load(&params).unwrap();
    let tallies = engine.evaluate(&rows).unwrap();
    let logits = engine.logits(&rows).unwrap();
    assert_eq!((tallies.len(), logits.len()), (2, 2));
    for ((tally, logits), params) in tallies.iter().zip(&logits).zip(&params) {
        let pass = pass(&images.batch(&rows), &Network::from(params));
        approx::assert_relative_eq!(tally.loss, pass.loss.iter().sum(), max_relative = 1e-12);
        approx::assert_relative_eq!(logits[..], pass.logit().values[..], max_relative = 1e-9);
        assert_eq!(tally.correct, pass.right.iter().filter(|right| **right).count() as u64);
        assert_eq!(tally.images, 300);
    }
    assert_eq!(engine.params().unwrap(), params);
}

#[test]
fn the_first_of_equal_logits_counts_and_a_nan_never_does() {
    let spec = ModelSpec { inputs: 3, hidden: Hidden::new(&[2]), classes: 3 };
    let statistics = Standardisation { mean: vec![0.0; 3], scale: vec![0.0; 3] };
    let images = Images::new(vec![9; 9], vec![0, 1, 2], statistics, &spec);
    let mut engine = images.engine::<f32>(job(&spec, &[0.0], 3), 1);
    // All logits are 0: class 0 is the first largest, and each image's loss is ln 3.
    let tally = engine.evaluate(&[0, 1, 2]).unwrap()[0];
    approx::assert_relative_eq!(tally.loss, 3.0 * 3.0f64.ln(), max_relative = 1e-6);
    assert_eq!((tally.correct, tally.images), (1, 3));
    // A NaN must reach the loss: a ReLU written as max(z, 0) would swallow it.
    let mut params = zeros(&spec);
    params.values[bias(0)][1] = f32::NAN;
    engine.load(&[params]).unwrap();
    let tally = engine.evaluate(&[0, 1, 2]).unwrap()[0];
    assert!(tally.loss.is_nan());
    assert_eq!(tally.correct, 0);
    engine.train(&Chunk { images: (&[0, 1]).into(), lengths: &[2], rates: &[0.1], ..Chunk::default() }).unwrap();
    assert!(engine.losses().unwrap()[0].is_nan());
}

#[test]
fn logits_of_200_keep_losses_and_weights_finite() {
    let spec = ModelSpec { inputs: 3, hidden: Hidden::new(&[2]), classes: 3 };
    let images = Images::random(5, &spec);
    let mut engine = images.engine::<f32>(job(&spec, &[0.0], 5), 1);
    let mut params = zeros(&spec);
    params.values[bias(1)] = vec![200.0, -200.0, 0.0];
    engine.load(&[params]).unwrap();
    engine
        .train(&Chunk { images: (&[0, 1, 2, 3, 4]).into(), lengths: &[5], rates: &[0.1], ..Chunk::default() })
        .unwrap();
    assert!(engine.losses().unwrap()[0].is_finite());
    assert!(engine.params().unwrap()[0].is_finite());
}

/// Everything that a training gives, in bits.
#[derive(Debug, PartialEq)]
struct Bits {
    weights: Vec<u32>,
    losses: Vec<u32>,
    tally: (u64, u64),
    squares: u64,
}

/// Trains models of seeds `models` with their own decay and rates, each of them on shuffle `model % shuffles`.
fn train_bits(images: &Images, spec: &ModelSpec, models: &[usize], shuffles: &[usize], threads: usize) -> Vec<Bits> {
    train_bits_in_chunks(images, spec, models, shuffles, threads, &[3])
}

/// The same in chunks of so many of its three steps; after each the engine does other things that train nothing.
fn train_bits_in_chunks(
    images: &Images,
    spec: &ModelSpec,
    models: &[usize],
    shuffles: &[usize],
    threads: usize,
    chunks: &[usize],
) -> Vec<Bits> {
    let decay = models.iter().map(|&model| 0.01 * (model + 1) as f32).collect();
    let lengths = [13, 13, 5];
    let mut rows = Vec::new();
    for (step, &length) in lengths.iter().enumerate() {
        for shuffle in shuffles {
            rows.extend((0..length).map(|image| (image * (shuffle + 1) as u32 + 13 * step as u32) % 263));
        }
    }
    let rates: Vec<f32> =
        (1..=3).flat_map(|step| models.iter().map(move |&model| 0.1 / (step + model) as f32)).collect();
    let job = Job { decay, batch_size: 13, shuffles: shuffles.len(), ..Job::new(spec.clone()) };
    let mut engine = images.engine::<f32>(job, threads);
    engine
        .load(&models.iter().map(|&model| Params::init(spec, model as u64, Init::Report)).collect::<Vec<_>>())
        .unwrap();
    let (mut rest, mut lengths, mut rates) = (data::Images::from(&rows), &lengths[..], &rates[..]);
    for &steps in chunks {
        let (now, after) = lengths.split_at(steps);
        let (images, later) = rest.split_at(now.iter().sum::<u32>() as usize * shuffles.len());
        engine
            .train(&Chunk { images, lengths: now, rates: &rates[..steps * models.len()], ..Chunk::default() })
            .unwrap();
        (rest, lengths, rates) = (later, after, &rates[steps * models.len()..]);
        engine.evaluate(&[7, 8, 9]).unwrap();
        engine.logits(&[11, 12]).unwrap();
    }
    assert!(lengths.is_empty());
    let (losses, squares) = (engine.losses().unwrap(), engine.squares().unwrap());
    let tallies = engine.evaluate(&(0..263).collect::<Vec<_>>()).unwrap();
    let params = engine.params().unwrap();
    (0..models.len())
        .map(|m| Bits {
            weights: params[m].values.iter().flatten().map(|value| value.to_bits()).collect(),
            losses: losses.iter().skip(m).step_by(models.len()).map(|loss| loss.to_bits()).collect(),
            tally: (tallies[m].loss.to_bits(), tallies[m].correct),
            squares: squares[m].to_bits(),
        })
        .collect()
}

#[test]
fn a_model_gets_the_same_bits_alone_and_among_others_on_any_number_of_threads() {
    // More than one slice of inputs; units that no tile or thread has as many of as another; and so many that two threads take
    // them in wide panels and three do not.
    for hidden in [&[1][..], &[7], &[50], &[], &[7, 50], &[11, 8, 6], &[231, 13]] {
        let spec = ModelSpec { inputs: 1100, hidden: Hidden::new(hidden), classes: 3 };
        let images = Images::random(263, &spec);
        let all: Vec<usize> = (0..10).collect();
        let alone: Vec<Bits> = all.iter().flat_map(|&model| train_bits(&images, &spec, &[model], &[0], 1)).collect();
        assert_ne!(alone[0], alone[1]);
        for models in [1, 3, 10] {
            for threads in [1, 2, 3] {
                let together = train_bits(&images, &spec, &all[..models], &[0], threads);
                assert!(together == alone[..models], "H = {hidden:?}, M = {models}, {threads} threads");
            }
        }
    }
}

#[test]
fn a_training_gets_the_same_bits_however_it_is_cut_into_chunks() {
    let spec = ModelSpec { inputs: 1100, hidden: Hidden::new(&[7]), classes: 3 };
    let images = Images::random(263, &spec);
    for (models, shuffles) in [(&[0][..], &[0][..]), (&[0, 1, 2], &[4, 2, 7])] {
        let bits = |chunks| train_bits_in_chunks(&images, &spec, models, shuffles, 2, chunks);
        let whole = bits(&[3]);
        for chunks in [&[1, 1, 1][..], &[2, 1], &[0, 1, 0, 2, 0]] {
            assert!(bits(chunks) == whole, "{models:?} in chunks of {chunks:?}");
        }
    }
}

#[test]
fn a_model_with_a_shuffle_of_its_own_gets_the_bits_of_that_shuffle_alone() {
    let spec = ModelSpec { inputs: 1100, hidden: Hidden::new(&[5]), classes: 3 };
    let images = Images::random(263, &spec);
    let together = train_bits(&images, &spec, &[0, 1, 2], &[4, 2, 7], 2);
    for (model, shuffle) in [4, 2, 7].into_iter().enumerate() {
        assert_eq!(together[model..=model], train_bits(&images, &spec, &[model], &[shuffle], 1)[..]);
    }
    assert_ne!(together[1], train_bits(&images, &spec, &[1], &[0], 1)[0], "the shuffle matters");
}

#[test]
fn one_batch_is_learned_by_heart() {
    let spec = ModelSpec { inputs: 37, hidden: Hidden::new(&[50]), classes: 10 };
    let images = Images::random(23, &spec);
    let mut engine = images.engine::<f32>(job(&spec, &[0.0], 23), 2);
    engine.load(&[Params::init(&spec, 0, Init::Report)]).unwrap();
    let rows: Vec<u32> = (0..23).collect();
    let steps = 500;
    let rows_of_all = rows.repeat(steps);
    let (images, lengths, rates) = ((&rows_of_all).into(), vec![23; steps], vec![0.1; steps]);
    engine.train(&Chunk { images, lengths: &lengths, rates: &rates, ..Chunk::default() }).unwrap();
    let losses = engine.losses().unwrap();
    assert!(losses[0] > 1.0 && losses[steps - 1] < 0.02, "from {} to {}", losses[0], losses[steps - 1]);
    assert_eq!(engine.evaluate(&rows).unwrap(), [Tally { correct: 23, ..engine.evaluate(&rows).unwrap()[0] }]);
}

#[test]
fn a_chunk_of_no_steps_changes_nothing() {
    let spec = ModelSpec { inputs: 4, hidden: Hidden::new(&[3]), classes: 2 };
    let images = Images::random(5, &spec);
    let mut engine = images.engine::<f32>(job(&spec, &[0.0], 2), 1);
    let params = [Params::init(&spec, 0, Init::Report)];
    engine.load(&params).unwrap();
    engine.train(&Chunk { images: data::Images::default(), lengths: &[], rates: &[], ..Chunk::default() }).unwrap();
    assert!(engine.losses().unwrap().is_empty());
    assert_eq!(engine.params().unwrap(), params);
}

#[test]
fn shapes_that_do_not_fit_are_refused_by_name() {
    let spec = ModelSpec { inputs: 4, hidden: Hidden::new(&[3]), classes: 2 };
    let images = Images::random(5, &spec);
    let mut engine = images.engine::<f64>(job(&spec, &[0.0], 2), 1);
    let other = ModelSpec { inputs: 7, ..spec.clone() };
    let Images { data, statistics } = &images;
    let built = CpuEngine::<f64>::new(job(&other, &[0.0], 2), Arc::clone(data), Arc::clone(statistics), 1);
    let refusals = [
        ("inputs of an image", built.map(|_| ())),
        (
            "images of a step",
            engine.train(&Chunk { images: (&[0, 1, 2]).into(), lengths: &[3], rates: &[0.1], ..Chunk::default() }),
        ),
        (
            "images of a step",
            engine.train(&Chunk { images: data::Images::default(), lengths: &[0], rates: &[0.1], ..Chunk::default() }),
        ),
        (
            "rows of a chunk",
            engine.train(&Chunk { images: (&[0]).into(), lengths: &[2], rates: &[0.1], ..Chunk::default() }),
        ),
        (
            "rates of a chunk",
            engine.train(&Chunk { images: (&[0]).into(), lengths: &[1], rates: &[], ..Chunk::default() }),
        ),
        ("keys of a chunk", {
            let regularise = Regularise { dropout: 0.5, ..Regularise::default() };
            let mut engine = images.engine::<f32>(Job { regularise, ..job(&spec, &[0.0], 2) }, 1);
            engine.train(&Chunk { images: (&[0]).into(), lengths: &[1], rates: &[0.1], ..Chunk::default() })
        }),
        ("mixes of a chunk", {
            let images = data::Images { mixes: &[data::Mix::default()], ..(&[0, 1]).into() };
            engine.train(&Chunk { images, lengths: &[2], rates: &[0.1], ..Chunk::default() })
        }),
        ("row 5", engine.train(&Chunk { images: (&[5]).into(), lengths: &[1], rates: &[0.1], ..Chunk::default() })),
        ("row 9", engine.evaluate(&[9]).map(|_| ())),
        ("networks", engine.load(&[])),
        ("ModelSpec", engine.load(&[Params::init(&other, 0, Init::Report)])),
    ];
    for (name, refused) in refusals {
        match refused {
            Err(Error::Internal(what)) => assert!(what.contains(name), "{what}: does not name {name}"),
            other => panic!("{name}: {other:?}"),
        }
    }
}
