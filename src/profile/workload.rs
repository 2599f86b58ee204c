//! What is timed: some steps of the training loop, from fresh weights, and the bits that they must give.

use std::sync::Arc;
use std::time::Instant;

use crate::config::Config;
use crate::config::spec::TrainSpec;
use crate::data::batches::Batches;
use crate::data::spec::Standardise;
use crate::data::split::Split;
use crate::data::{Dataset, Standardisation};
use crate::device::Device;
use crate::engine::{Chunks, Engine, Job};
use crate::error::{Error, Result};
use crate::model::ModelSpec;
use crate::model::params::{Init, Params};

/// A learning rate in the middle of the report's range. No weight is lost to it, whatever the shape.
const RATE: f32 = 0.01;
/// The report's lambda.
const DECAY: f32 = 0.00895;

/// Networks and the images that they are trained on.
#[derive(Clone)]
pub struct Workload {
    /// The images.
    pub dataset: Arc<Dataset>,
    /// Means and scales of the training images.
    pub standardisation: Arc<Standardisation>,
    /// Their parts; the training images alone are trained on and evaluated.
    pub split: Arc<Split>,
    /// `D → H → C`.
    pub model: ModelSpec,
    /// `B`.
    pub batch_size: usize,
    /// `M`; all see the same batches.
    pub models: usize,
    /// How they are trained: the optimizer, and what happens to images, units and labels.
    pub spec: TrainSpec,
}

/// A run of some steps.
pub struct Run {
    /// Before the first chunk's first row was looked up.
    pub start: Instant,
    /// When the last step's loss was known.
    pub end: Instant,
    /// When each chunk was handed over, from and to.
    pub chunks: Vec<(Instant, Instant)>,
    /// The losses' and the weights' bits.
    pub bits: Vec<u32>,
}

impl Workload {
    /// So many models of the training of `config`; and the seconds that opening the images and working out their statistics
    /// took.
    pub fn open(config: &Config, models: usize) -> Result<(Self, [f64; 2])> {
        let (start, batch_size, spec) = (Instant::now(), config.batch_size, config.train_spec());
        let dataset = Arc::new(Dataset::open(&config.data)?);
        let opened = start.elapsed().as_secs_f64();
        spec.augment.check(&dataset)?;
        let split = Arc::new(Split::new(&dataset, &config.data_spec())?);
        let standardisation = Arc::new(Standardisation::of(&dataset, &split.train, Standardise::default())?);
        let known = start.elapsed().as_secs_f64();
        let images = split.train.len();
        if batch_size > images {
            return Err(Error::Usage(format!("--batch-size {batch_size}: there are only {images} training images")));
        }
        let model = ModelSpec::new(dataset.inputs, config.hidden.clone(), dataset.classes.len())?;
        let workload = Self { dataset, standardisation, split, model, batch_size, models, spec };
        Ok((workload, [opened, known - opened]))
    }

    /// An engine for it.
    pub fn engine(&self, device: &Device) -> Result<Box<dyn Engine>> {
        let (decay, batch_size) = (vec![DECAY; self.models], self.batch_size);
        let TrainSpec { optimizer, regularise, .. } = self.spec;
        let job = Job { decay, batch_size, optimizer, regularise, ..Job::new(self.model.clone()) };
        device.trainer(job, &self.split, self.dataset.clone(), self.standardisation.clone())
    }

    /// How they are trained, for people.
    pub fn technique(&self) -> String {
        let TrainSpec { optimizer, augment, regularise, .. } = &self.spec;
        let some = |text: String| if text == "none" { String::new() } else { format!("; {text}") };
        format!("{optimizer}{}{}", some(augment.to_string()), some(regularise.to_string()))
    }

    /// Operations of a step of all models.
    pub fn step_flops(&self) -> f64 {
        self.model.step_flops() as f64 * (self.batch_size * self.models) as f64
    }

    /// Steps of a pass over the training images.
    pub fn steps_per_epoch(&self) -> u64 {
        self.split.train.len().div_ceil(self.batch_size) as u64
    }

    /// Images of the first `steps` steps; an epoch's last batch may be short.
    pub fn images(&self, steps: u64) -> u64 {
        let (epochs, rest) = (steps / self.steps_per_epoch(), steps % self.steps_per_epoch());
        epochs * self.split.train.len() as u64 + rest * self.batch_size as u64
    }

    /// Gives every model its fresh weights, and waits until the engine has them.
    pub fn load(&self, engine: &mut dyn Engine) -> Result<()> {
        let fresh: Vec<_> = (0..self.models as u64).map(|seed| Params::init(&self.model, seed, Init::Report)).collect();
        engine.load(&fresh)?;
        // Whatever is asked for waits for what came before.
        engine.squares().map(drop)
    }

    /// Trains the first `steps` steps from fresh weights.
    pub fn run(&self, engine: &mut dyn Engine, steps: u64) -> Result<Run> {
        self.run_from(engine, steps, || {})
    }

    /// The same; calls `begin` when the weights are there and before the first step.
    pub fn run_from(&self, engine: &mut dyn Engine, steps: u64, begin: impl FnOnce()) -> Result<Run> {
        let TrainSpec { augment, regularise, .. } = self.spec;
        let batches = Batches::new(self.split.train.clone(), self.batch_size, vec![0]);
        let batches = batches.augmented(augment).mixed(regularise.mixup);
        let source = Chunks::new(batches, self.models, |_, _| RATE);
        let (mut source, mut chunks) = (source.regularised(regularise, &vec![0; self.models]), Vec::new());
        self.load(engine)?;
        engine.prove(&source.steps(0..steps.min(2)))?;
        begin();
        let (start, mut step) = (Instant::now(), 0);
        while step < steps {
            let from = Instant::now();
            let end = steps.min(step + engine.chunk_steps().max(1) as u64);
            engine.train(&source.steps(step..end))?;
            chunks.push((from, Instant::now()));
            step = end;
        }
        let losses = engine.losses()?;
        let finish = Instant::now();
        let expected = steps as usize * self.models;
        if losses.len() != expected {
            return Err(Error::Internal(format!("{} losses of {steps} steps, expected {expected}", losses.len())));
        }
        let params = engine.params()?;
        let values = params.iter().flat_map(|params| params.values.iter().flatten());
        let bits = losses.iter().chain(values).map(|value| value.to_bits()).collect();
        Ok(Run { start, end: finish, chunks, bits })
    }
}

impl Run {
    /// What the steps took.
    pub fn seconds(&self) -> f64 {
        (self.end - self.start).as_secs_f64()
    }

    /// Demands the bits of `reference`, the same steps run before: nothing that is timed may be another computation.
    pub fn check(&self, reference: &Self, what: &str) -> Result<()> {
        if self.bits.len() == reference.bits.len() && self.bits == reference.bits {
            return Ok(());
        }
        let differing = self.bits.iter().zip(&reference.bits).filter(|(got, expected)| got != expected).count();
        Err(Error::CheckFailed(format!(
            "{what} gave other bits than the untimed run: {differing} of {} losses and weights differ. \
             Its time means nothing; cyclone verify finds the kernel",
            reference.bits.len()
        )))
    }
}
