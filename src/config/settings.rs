//! The settings, each declared once: a declaration is a flag, a key of `config.toml` and a field of [`Config`].
//! To add a setting, declare it, and use its field where it matters. `declare.rs` says how a declaration reads.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use clap::Args;
use clap::builder::RangedU64ValueParser;
use serde::de::value::StrDeserializer;
use serde::de::{DeserializeOwned, IntoDeserializer};
use serde::{Deserialize, Serialize};

use super::declare::{default, settings, unless_decides, whole};
use super::device::Choice;
use super::schedule::{Policy, Schedule};
use super::spec::{Check, Feed, Length, Method, Penalty, TrainSpec};
use crate::data::spec::{Augment, DataSpec, Flip, Pick, Source, Standardise, Validation};
use crate::error::{Error, Result, shown};
use crate::model::optimizer::{Optimizer, WEIGHT_DECAY};
use crate::model::params::Init;
use crate::model::regularise::Regularise;
use crate::model::{Hidden, ModelSpec};
use crate::util::text::grouped;

// The defaults are those of the report's best network; what the report leaves open is evaluations, seed and device.
settings! {
    "Data" {
        /// auto, synthetic, or a path: folder or archive of the binary version, or an image folder
        data: Source = Source::Auto, decides nothing;
        /// Training batches (files) to take images from, 1 to 5
        #[arg(value_name = "LIST", value_delimiter = ',')]
        train_batches: Vec<usize> = DataSpec::ALL_BATCHES.to_vec();
        /// How many of those images to set aside for validation
        #[arg(value_name = "N", value_parser = integer::<usize>())]
        val_images: usize | None = 1000, excludes val_batches;
        /// Which ones: last, first or random
        #[arg(value_name = "PICK", value_parser = word::<Pick>)]
        val_pick: Pick | None = Pick::Last, excludes val_batches;
        /// Validate on these whole batches instead
        #[arg(value_name = "LIST", value_delimiter = ',')]
        val_batches: Vec<usize> | None, excludes val_images, excludes val_pick;
        /// One mean and deviation for each input dimension, as in the report, or for each colour channel, the better for shifted images
        #[arg(value_name = "PER", value_parser = word::<Standardise>)]
        standardise: Standardise = Standardise::Dimension;
        /// Mirror training images: none, random (others in each epoch) or alternate (random at first, then by turns)
        #[arg(value_name = "HOW", value_parser = word::<Flip>)]
        flip: Flip = Flip::None;
        /// Shift training images by up to N pixels to any side, others in each epoch, with reflected borders
        #[arg(value_name = "N", value_parser = integer::<usize>())]
        shift: usize = 0, in 0..=Augment::MAX_SHIFT => "0 to 16";
    }
    "Training" {
        /// Units of each hidden layer, such as 50 or 512,256,128; none: softmax regression
        #[arg(value_name = "LIST", value_parser = str::parse::<Hidden>)]
        hidden: Hidden = Hidden::new(&[50]);
        /// Strength of the L2 penalty on the weights
        #[arg(value_name = "L")]
        lambda: f64 = 0.00895, in 0.0..=f64::MAX => "a finite number, 0 or more";
        /// half: cost L/2 ΣW², as in the report; full: cost L ΣW²
        #[arg(value_parser = word::<Penalty>)]
        penalty: Penalty = Penalty::Half;
        /// How gradients move the weights: sgd or adamw
        #[arg(value_name = "NAME", value_parser = word::<Method>)]
        optimizer: Method = Method::Sgd;
        /// Momentum of sgd
        #[arg(value_name = "MU")]
        momentum: f64 = 0.0, in 0.0..1.0 => "0 or more, below 1";
        /// Share of each weight that a step of adamw at a rate of 1 takes away, apart from the penalty [default: 0.01]
        #[arg(value_name = "WD")]
        weight_decay: f64 | None, in 0.0..=f64::MAX => "a finite number, 0 or more";
        /// Share of each image's target that goes to all classes alike
        #[arg(value_name = "E")]
        label_smoothing: f64 = 0.0, in 0.0..1.0 => "0 or more, below 1";
        /// Mix the images of a batch, and their targets, by a share from Beta(A, A)
        #[arg(value_name = "A")]
        mixup: f64 = 0.0, in 0.0..=1000.0 => "0 to 1,000";
        /// Share of the hidden units that a step leaves out, others for each image
        #[arg(value_name = "P")]
        dropout: f64 = 0.0, in 0.0..=0.999 => "0 to 0.999";
        /// Share of the inputs that a step leaves out, others for each image
        #[arg(value_name = "P")]
        input_dropout: f64 = 0.0, in 0.0..=0.999 => "0 to 0.999";
        /// Images per mini-batch
        #[arg(value_name = "B", value_parser = integer::<usize>())]
        batch_size: usize = 100, in 1.. => "1 image or more";
        /// How the learning rate goes
        #[arg(value_name = "POLICY")]
        schedule: Policy = Policy::Triangular;
        /// Lowest learning rate; of no use to step and constant
        #[arg(value_name = "ETA")]
        lr_min: f64 = 1e-5, only Train | Search;
        /// Highest learning rate
        #[arg(value_name = "ETA")]
        lr_max: f64 = 1e-1, only Train | Search;
        /// Steps per half-cycle. Two are a cycle, which with a schedule without cycles still is the unit of --cycles, of --evals-per-cycle and of checkpoints
        #[arg(value_name = "STEPS", value_parser = integer::<u64>())]
        half_cycle: u64 = 980, in 1.. => "1 step or more", only Train | Search;
        /// Factor of the learning rate of step and, every step, of the amplitude of exp-range [default: 0.1; 0.9998 for exp-range]
        #[arg(value_name = "G")]
        gamma: f64 | None, in f64::MIN_POSITIVE..=1.0 => "a number above 0, at most 1", only Train | Search;
        /// Steps between two factors of step [default: a cycle]
        #[arg(value_name = "STEPS", value_parser = integer::<u64>())]
        step_size: u64 | None, in 1.. => "1 step or more", only Train | Search;
        /// Multiply the learning rates of the first STEPS steps by 1/STEPS, 2/STEPS and so on; the schedule counts from the first step all the same
        #[arg(value_name = "STEPS", value_parser = integer::<u64>())]
        warmup: u64 = 0, only Train | Search;
        /// Length in cycles of two half-cycles
        #[arg(value_name = "N", value_parser = integer::<u64>())]
        cycles: u64 | None = 3, in 1.. => "1 or more", excludes epochs, only Train | Search;
        /// Length in epochs, passes over the training images
        #[arg(value_name = "N", value_parser = integer::<u64>())]
        epochs: u64 | None, in 1.. => "1 or more", excludes cycles, only Train | Search;
        /// Seed of the initial weights and the shuffles
        #[arg(value_name = "N", value_parser = integer::<u64>())]
        seed: u64 = 0;
        /// Standard deviation of the initial weights, which are normal: report, 1/√fan-in, or he, √(2/fan-in)
        #[arg(value_parser = word::<Init>)]
        init: Init = Init::Report;
        /// Train N networks at once, with the seeds SEED, SEED + 1 and so on
        #[arg(value_name = "N", value_parser = integer::<usize>())]
        repeats: usize = 1, in 1..=MAX_REPEATS => "1 to 131,072", only Train;
        /// Evaluations per cycle, on the whole training and validation sets
        #[arg(value_name = "N", value_parser = integer::<u64>())]
        evals_per_cycle: u64 = 10, in 1.. => "1 or more", only Train | Search;
        /// Stop once the validation accuracy has not improved for N evaluations, of which a cycle has --evals-per-cycle; 0 is never, the default
        #[arg(value_name = "N", value_parser = integer::<u64>())]
        patience: u64 | None, only Train;
    }
    "Device" {
        /// auto, gpu, gpu:N, cpu, or a part of an adapter's name
        device: Choice = Choice::Auto, decides nothing;
        /// How images reach a GPU: stream, resident, or auto; no result depends on it
        #[arg(value_name = "FEED", value_parser = word::<Feed>)]
        feed: Feed = Feed::Auto, decides nothing;
    }
    "Output" {
        /// Save a checkpoint every N steps, besides those at the end of every cycle
        #[arg(value_name = "N", value_parser = integer::<u64>())]
        checkpoint_every: u64 | None, in 1.. => "1 or more", only Train, decides nothing;
    }
    "Checks" {
        /// Compute results again by the reference and compare: off, start (two steps before the first), or always (also a step after evaluations, on another thread; on the CPU engine in at most 2 % of the time)
        #[arg(value_name = "WHEN", value_parser = word::<Check>)]
        check: Check = Check::Always, decides nothing;
        /// Stop after N steps
        #[arg(value_name = "N", value_parser = integer::<u64>())]
        steps: u64 | None, in 1.. => "1 or more";
    }
    switches "Training" {
        /// Nesterov's momentum
        nesterov;
    }
    switches "Output" {
        /// Keep the weights of every cycle's end, for evaluate --snapshots
        snapshots, only Train, decides nothing;
    }
    switches "Checks" {
        /// Train on the first mini-batch alone, without penalty, dropout, mixup or smoothing: its loss must come close to 0
        overfit_one_batch, only Train;
    }
}

/// A command that takes settings as flags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taker {
    /// `train`.
    Train,
    /// `search`.
    Search,
    /// `lr-find`.
    LrFind,
}

/// Most networks trained at once: their batches, of 100 images each, would take 400 GB. The device's own limits and the
/// machine's memory are checked later.
const MAX_REPEATS: usize = 1 << 17;

/// TOML's integers end here, and a configuration must be able to say what a flag said.
const LARGEST: u64 = i64::MAX.cast_unsigned();

/// The longest configuration file that is read.
const MAX_BYTES: u64 = 1 << 16;

/// An integer of 0 to [`LARGEST`].
fn integer<T: TryFrom<u64> + Clone + Send + Sync + 'static>() -> RangedU64ValueParser<T> {
    RangedU64ValueParser::new().range(0..=LARGEST)
}

/// Reads a flag's word as the configuration file would.
pub(crate) fn word<T: DeserializeOwned>(text: &str) -> Result<T, serde::de::value::Error> {
    let deserializer: StrDeserializer<'_, serde::de::value::Error> = text.into_deserializer();
    T::deserialize(deserializer)
}

/// A setting's name as a flag and as a key: `evals-per-cycle` of `evals_per_cycle`.
pub fn key(name: &str) -> String {
    name.replace('_', "-")
}

impl Settings {
    /// Reads a file with keys as in a run's `config.toml`.
    pub fn read(path: &Path) -> Result<Self> {
        let usage = |what: &str| Error::Usage(format!("{}: {}", shown(path), what.trim_end()));
        let mut text = String::new();
        // A pipe is welcome, but not one without an end.
        let read = File::open(path).and_then(|file| file.take(MAX_BYTES + 1).read_to_string(&mut text));
        read.map_err(|error| usage(&error.to_string()))?;
        if text.len() as u64 > MAX_BYTES {
            return Err(usage(&format!("more than {} bytes; a configuration has a few hundred", grouped(MAX_BYTES))));
        }
        let settings: Self = toml::from_str(&text).map_err(|error| usage(&error.to_string()))?;
        // On the command line clap refuses these pairs.
        match settings.contradiction() {
            Some([one, other]) => {
                Err(usage(&format!("`{}` and `{}` exclude each other: keep one", key(one), key(other))))
            }
            None => Ok(settings),
        }
    }
}

impl Settings {
    /// How gradients move the weights, where these settings say nothing by the defaults.
    pub fn optimizer(&self) -> Optimizer {
        Config::default().with(self.clone()).optimizer()
    }
}

impl Config {
    /// This configuration with what `layer` names in the place of its own.
    #[must_use]
    pub fn with(mut self, layer: Settings) -> Self {
        self.lay(layer);
        if self.val_images.is_some() {
            self.val_pick.get_or_insert_default();
        }
        self
    }

    /// Rejects values outside their range, naming the flag; the data and the device are checked when they are opened.
    pub fn check(&self) -> Result<()> {
        Settings::from(self).check_ranges()?;
        if self.val_pick.is_some() && self.val_images.is_none() {
            return Err(Error::Usage(
                "--val-pick picks single images, and this configuration validates on whole batches: add --val-images N"
                    .into(),
            ));
        }
        // The size of CIFAR-10's images, which every data set here has.
        ModelSpec::new(3072, self.hidden.clone(), 10)?;
        let sgd = self.optimizer == Method::Sgd;
        if !sgd && (self.momentum > 0.0 || self.nesterov) {
            return Err(Error::Usage(
                "--momentum and --nesterov are of --optimizer sgd: adamw has moments of its own".into(),
            ));
        }
        if sgd && self.weight_decay.is_some() {
            return Err(Error::Usage("--weight-decay is of --optimizer adamw: sgd has the penalty --lambda".into()));
        }
        if self.dropout > 0.0 && self.hidden.is_empty() {
            return Err(Error::Usage(
                "--dropout leaves out hidden units, and --hidden none has none: use --input-dropout".into(),
            ));
        }
        if self.nesterov && self.momentum == 0.0 {
            return Err(Error::Usage("--nesterov without momentum: add --momentum 0.9".into()));
        }
        self.lr().check()
    }

    /// Which images are used, and for what.
    pub fn data_spec(&self) -> DataSpec {
        let validation = match &self.val_batches {
            Some(batches) => Validation::Batches(batches.clone()),
            None => Validation::Images {
                count: self.val_images.unwrap_or_default(),
                pick: self.val_pick.unwrap_or_default(),
            },
        };
        DataSpec { source: self.data.clone(), train_batches: self.train_batches.clone(), validation }
    }

    /// The learning rate.
    pub fn lr(&self) -> Schedule {
        let Self { schedule: policy, warmup, .. } = *self;
        let triangular = Schedule::triangular(self.lr_min, self.lr_max, self.half_cycle);
        // With .9998 the amplitude falls to a third in 5,500 steps, about the report's best run; .1 is PyTorch's for `StepLR`.
        let gamma = self.gamma.unwrap_or(if policy == Policy::ExpRange { 0.9998 } else { 0.1 });
        let step_size = self.step_size.unwrap_or(triangular.cycle());
        Schedule { policy, gamma, step_size, warmup, ..triangular }
    }

    /// How gradients move the weights.
    pub fn optimizer(&self) -> Optimizer {
        match self.optimizer {
            Method::Sgd => Optimizer::Sgd { momentum: self.momentum as f32, nesterov: self.nesterov },
            Method::Adamw => Optimizer::Adamw { weight_decay: self.weight_decay.unwrap_or(WEIGHT_DECAY) as f32 },
        }
    }

    /// What keeps the network from learning its images by heart.
    pub fn regularise(&self) -> Regularise {
        let Self { label_smoothing, mixup, dropout, input_dropout, .. } = *self;
        Regularise {
            label_smoothing: label_smoothing as f32,
            mixup: mixup as f32,
            dropout: dropout as f32,
            input_dropout: input_dropout as f32,
        }
    }

    /// How long to train.
    pub fn length(&self) -> Length {
        match self.epochs {
            Some(epochs) => Length::Epochs(epochs),
            None => Length::Cycles(self.cycles.unwrap_or_default()),
        }
    }

    /// What the first network is to do.
    pub fn train_spec(&self) -> TrainSpec {
        let Self { lambda, penalty, batch_size, seed, init, evals_per_cycle, flip, shift, .. } = *self;
        let (lr, optimizer, length) = (self.lr(), self.optimizer(), self.length());
        let (augment, regularise) = (Augment { flip, shift }, self.regularise());
        TrainSpec {
            lambda,
            penalty,
            batch_size,
            lr,
            optimizer,
            length,
            seed,
            init,
            evals_per_cycle,
            augment,
            regularise,
        }
    }

    /// What each of the networks trained at once is to do.
    pub fn models(&self) -> Vec<TrainSpec> {
        let seed = |repeat: usize| self.seed.wrapping_add(repeat as u64);
        (0..self.repeats).map(|repeat| TrainSpec { seed: seed(repeat), ..self.train_spec() }).collect()
    }

    /// The text of a `config.toml` that says all of it.
    pub fn to_toml(&self) -> Result<String> {
        toml::to_string(&Settings::from(self)).map_err(|error| Error::Internal(format!("config.toml: {error}")))
    }
}
