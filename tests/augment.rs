//! Moved images on every engine: they train like a data set of such images, and whatever is scored is not moved.

#![expect(clippy::unwrap_used, reason = "clippy.toml allows it in functions marked as tests, not in their helpers")]

use std::sync::Arc;

use cyclone::config::device::Adapter;
use cyclone::config::spec::Feed;
use cyclone::cpu::CpuEngine;
use cyclone::data::batches::Batches;
use cyclone::data::spec::{Augment, Flip};
use cyclone::data::{Dataset, ImageList, Images, Planes, Standardisation};
use cyclone::engine::{Chunk, Chunks, Engine, Job, Tally};
use cyclone::gpu::{Gpu, GpuEngine, Options};
use cyclone::model::params::{Init, Params};
use cyclone::model::{Hidden, ModelSpec};
use cyclone::util::random::{Purpose, stream};
use rand::{Rng, RngExt};

/// 105 inputs: the last word of an image is not full.
const PLANES: Planes = Planes { channels: 3, height: 5, width: 7 };
const INPUTS: usize = PLANES.inputs();
const CLASSES: usize = 4;
const IMAGES: u32 = 60;
/// Steps of two epochs and a half, with short batches.
const STEPS: u64 = 13;
const SEEDS: [u64; 2] = [3, 8];

fn dataset(pixels: Vec<u8>, labels: Vec<u8>) -> Arc<Dataset> {
    let classes = (0..CLASSES).map(|class| class.to_string()).collect();
    let images = labels.len();
    let mut dataset = Dataset::in_memory("random bytes", classes, INPUTS, pixels, labels, images);
    dataset.planes = Some(PLANES);
    dataset.into()
}

fn random() -> Arc<Dataset> {
    let mut generator = stream(0, Purpose::Check, 0);
    let mut pixels = vec![0; IMAGES as usize * INPUTS];
    generator.fill_bytes(&mut pixels);
    dataset(pixels, (0..IMAGES).map(|_| generator.random_range(0..CLASSES as u8)).collect())
}

fn chunks(augment: Augment) -> Chunks {
    let batches = Batches::new((0..IMAGES).collect(), 13, SEEDS.to_vec()).augmented(augment);
    Chunks::new(batches, SEEDS.len(), |step, model| 0.1 / (1 + model) as f32 / (1 + step) as f32)
}

/// What a training leaves, in bits.
#[derive(Debug, PartialEq)]
struct Left {
    weights: Vec<u32>,
    losses: Vec<u32>,
}

type Make<'a> = &'a dyn Fn(&Arc<Dataset>) -> Box<dyn Engine>;

fn engine(make: Make<'_>, dataset: &Arc<Dataset>) -> Box<dyn Engine> {
    let mut engine = make(dataset);
    engine.load(&fresh()).unwrap();
    engine
}

fn left(engine: &mut dyn Engine) -> Left {
    let params = engine.params().unwrap();
    let weights = params.iter().flat_map(|params| params.values.iter().flatten()).map(|weight| weight.to_bits());
    let losses = engine.losses().unwrap().into_iter().map(f32::to_bits);
    Left { weights: weights.collect(), losses: losses.collect() }
}

fn scores(engine: &mut dyn Engine) -> (Vec<Tally>, Vec<Vec<f32>>) {
    let rows: Vec<u32> = (0..IMAGES).collect();
    (engine.evaluate(&rows).unwrap(), engine.logits(&rows).unwrap())
}

/// Trains in chunks that end after these steps, and scores images between them, which must change nothing.
fn trained(make: Make<'_>, augment: Augment, ends: &[u64]) -> Left {
    let mut engine = engine(make, &random());
    let mut first = 0;
    for &end in ends {
        // As a resumed run has them: without what came before.
        engine.train(&chunks(augment).steps(first..end)).unwrap();
        scores(&mut *engine);
        first = end;
    }
    left(&mut *engine)
}

/// Checks an engine, and returns what it left.
fn check(make: Make<'_>) -> Left {
    let augment = Augment { flip: Flip::Alternate, shift: 3 };
    let whole = trained(make, augment, &[STEPS]);
    assert!(whole == trained(make, augment, &[1, 2, 7, 12, STEPS]), "in chunks, and resumed");
    assert!(whole != trained(make, Augment::default(), &[STEPS]), "moves matter");

    // A data set of all the images that the steps see, in that order.
    let data = random();
    let mut chunks = chunks(augment);
    let chunk = chunks.steps(0..STEPS);
    let mut pixels = vec![0; chunk.images.len() * INPUTS];
    data.gather(chunk.images, &mut pixels);
    let labels = chunk.images.rows.iter().map(|&row| data.labels[row as usize]).collect();
    let rows: Vec<u32> = (0..chunk.images.len() as u32).collect();
    let mut beforehand = engine(make, &dataset(pixels, labels));
    beforehand.train(&Chunk { images: (&rows).into(), ..chunk }).unwrap();
    assert!(whole == left(&mut *beforehand), "moved beforehand");

    // What is scored is moved only where a witness asks for it.
    let mut engine = engine(make, &data);
    let unmoved = scores(&mut *engine);
    engine.train(&chunk).unwrap();
    engine.load(&fresh()).unwrap();
    assert!(unmoved == scores(&mut *engine), "scored as they are");
    let none = Chunk { images: Images::default(), lengths: &[], rates: &[], ..Chunk::default() };
    let moved = chunk.images.part(0..5);
    let images: ImageList = [moved, (&[7, 8]).into()].into_iter().collect();
    let witness = engine.witness(&none, 1, images.images()).unwrap()().unwrap();
    beforehand.load(&fresh()).unwrap();
    let expected = [&beforehand.logits(&rows[..5]).unwrap()[1][..], &engine.logits(&[7, 8]).unwrap()[1]].concat();
    assert_eq!(witness.logits, expected);
    whole
}

fn job() -> Job {
    let decay = vec![0.01, 0.02];
    Job { decay, batch_size: 13, shuffles: SEEDS.len(), ..Job::new(spec()) }
}

/// Two hidden layers, so that no layer's inputs are taken for an image's.
fn spec() -> ModelSpec {
    ModelSpec { inputs: INPUTS, hidden: Hidden::new(&[9, 6]), classes: CLASSES }
}

fn fresh() -> [Params; 2] {
    SEEDS.map(|seed| Params::init(&spec(), seed, Init::Report))
}

fn statistics() -> Standardisation {
    let mean = (0..INPUTS).map(|d| 100.0 + d as f32).collect();
    Standardisation { mean, scale: (0..INPUTS).map(|d| 1.0 / (50.0 + d as f32)).collect() }
}

#[test]
fn moved_images_train_like_a_data_set_of_them_cpu() {
    let on = |threads| {
        check(&|dataset: &Arc<Dataset>| {
            Box::new(CpuEngine::<f32>::new(job(), dataset.clone(), statistics().into(), threads).unwrap())
        })
    };
    assert!(on(1) == on(3));
}

#[test]
fn moved_images_train_like_a_data_set_of_them_gpu() {
    let gpu = Gpu::open(&Adapter::Any).expect("a Vulkan driver: ./test installs a software one");
    let fed = |feed| {
        check(&|dataset: &Arc<Dataset>| {
            let options = Options { feed, ..Options::default() };
            Box::new(GpuEngine::new(gpu.clone(), &job(), dataset.clone(), &statistics(), &options).unwrap())
        })
    };
    assert!(fed(Feed::Stream) == fed(Feed::Resident));
}
