//! One run's settings: whole and checked as [`Config`], piecewise as typed in [`Settings`].
//!
//! A preset is a whole configuration. A `--config` file and the command line's flags are [`Settings`] laid over it, in
//! that order. Both are the one struct below, so a flag and its key in `config.toml` cannot drift apart.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use clap::Args;
use clap::builder::RangedU64ValueParser;
use serde::de::value::StrDeserializer;
use serde::de::{DeserializeOwned, IntoDeserializer};
use serde::{Deserialize, Serialize};

pub mod device;
pub mod preset;
pub mod schedule;
pub mod spec;

use crate::config::device::Choice;
use crate::config::preset::Preset;
use crate::config::schedule::Triangle;
use crate::config::spec::{Feed, Length, Penalty, TrainSpec};
use crate::data::spec::{DataSpec, Pick, Source, Validation};
use crate::error::{Error, Result, shown};
use crate::model::ModelSpec;
use crate::util::text::grouped;

/// Everything that decides what a training does.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Which images, and which of them are trained on.
    pub data: DataSpec,
    /// `H`: hidden units.
    pub hidden: usize,
    /// How they are trained.
    pub train: TrainSpec,
    /// What runs it.
    pub device: Choice,
    /// How images reach a GPU.
    pub feed: Feed,
    /// Ends the run after so many steps, its length notwithstanding.
    pub steps: Option<u64>,
    /// How many networks are trained at once, each with its own seed: `seed`, `seed + 1` and so on.
    pub repeats: usize,
    /// Saves a checkpoint every so many steps, beside those at the end of every cycle.
    pub checkpoint_every: Option<u64>,
    /// Trains on the first mini-batch alone, as a check that the network can learn at all.
    pub overfit_one_batch: bool,
}

impl Default for Config {
    fn default() -> Self {
        Preset::Best.config()
    }
}

impl Config {
    /// Most networks trained at once: their batches, of 100 images each, would take 400 GB. The device's own limits and the
    /// machine's memory are checked later.
    pub const MAX_REPEATS: usize = 1 << 17;

    /// Rejects values outside their range, naming the flag; the data and the device are checked when they are opened.
    pub fn check(&self) -> Result<()> {
        if self.steps == Some(0) {
            return Err(Error::Usage("--steps 0: expected 1 or more".into()));
        }
        if !(1..=Self::MAX_REPEATS).contains(&self.repeats) {
            let most = grouped(Self::MAX_REPEATS as u64);
            return Err(Error::Usage(format!("--repeats {}: expected 1 to {most}", self.repeats)));
        }
        if self.checkpoint_every == Some(0) {
            return Err(Error::Usage("--checkpoint-every 0: expected 1 or more".into()));
        }
        // The size of CIFAR-10's images, which every data set here has.
        ModelSpec::new(3072, self.hidden, 10)?;
        self.train.check()
    }

    /// What each of the networks trained at once is to do.
    pub fn models(&self) -> Vec<TrainSpec> {
        let seed = |repeat: usize| self.train.seed.wrapping_add(repeat as u64);
        (0..self.repeats).map(|repeat| TrainSpec { seed: seed(repeat), ..self.train.clone() }).collect()
    }

    /// The text of a `config.toml` that says all of it.
    pub fn to_toml(&self) -> Result<String> {
        toml::to_string(&Settings::from(self)).map_err(|error| Error::Internal(format!("config.toml: {error}")))
    }
}

/// TOML's integers end here, and a configuration must be able to say what a flag said.
const LARGEST: u64 = i64::MAX.cast_unsigned();

/// The longest configuration file that is read.
const MAX_BYTES: u64 = 1 << 16;

/// An integer of 0 to [`LARGEST`]; narrower ranges are the specs' to check.
fn integer<T: TryFrom<u64> + Clone + Send + Sync + 'static>() -> RangedU64ValueParser<T> {
    RangedU64ValueParser::new().range(0..=LARGEST)
}

/// Reads a flag's word as the configuration file would.
pub(crate) fn word<T: DeserializeOwned>(text: &str) -> Result<T, serde::de::value::Error> {
    let deserializer: StrDeserializer<'_, serde::de::value::Error> = text.into_deserializer();
    T::deserialize(deserializer)
}

/// Some of a run's settings, each a flag of `train` and a key of `config.toml`.
#[derive(Args, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Settings {
    /// auto, synthetic, or a path: folder or archive of the binary version, or an image folder
    #[arg(long, help_heading = "Data")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<Source>,
    /// Training batches (files) to take images from, 1 to 5
    #[arg(long, help_heading = "Data", value_name = "LIST", value_delimiter = ',')]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub train_batches: Option<Vec<usize>>,
    /// How many of those images are set aside for validation
    #[arg(long, help_heading = "Data", value_name = "N", value_parser = integer::<usize>(), conflicts_with = "val_batches")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub val_images: Option<usize>,
    /// Which ones: last, first or random
    #[arg(long, help_heading = "Data", value_name = "PICK", value_parser = word::<Pick>, conflicts_with = "val_batches")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub val_pick: Option<Pick>,
    /// Validate on these whole batches instead
    #[arg(long, help_heading = "Data", value_name = "LIST", value_delimiter = ',')]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub val_batches: Option<Vec<usize>>,

    /// Hidden units
    #[arg(long, help_heading = "Training", value_name = "H", value_parser = integer::<usize>())]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hidden: Option<usize>,
    /// Strength of the L2 penalty on the weights
    #[arg(long, help_heading = "Training", value_name = "L")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lambda: Option<f64>,
    /// half: cost L/2 ΣW², as the report has it; full: cost L ΣW²
    #[arg(long, help_heading = "Training", value_parser = word::<Penalty>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub penalty: Option<Penalty>,
    /// Images of a mini-batch
    #[arg(long, help_heading = "Training", value_name = "B", value_parser = integer::<usize>())]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub batch_size: Option<usize>,
    /// Learning rate at the start of a cycle
    #[arg(long, help_heading = "Training", value_name = "ETA")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lr_min: Option<f64>,
    /// Learning rate half-way through a cycle
    #[arg(long, help_heading = "Training", value_name = "ETA")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lr_max: Option<f64>,
    /// Steps of half a cycle
    #[arg(long, help_heading = "Training", value_name = "STEPS", value_parser = integer::<u64>())]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub half_cycle: Option<u64>,
    /// Length in cycles of the learning rate
    #[arg(long, help_heading = "Training", value_name = "N", value_parser = integer::<u64>(), conflicts_with = "epochs")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cycles: Option<u64>,
    /// Length in passes over the training images
    #[arg(long, help_heading = "Training", value_name = "N", value_parser = integer::<u64>())]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub epochs: Option<u64>,
    /// Seed of the initial weights and the shuffles
    #[arg(long, help_heading = "Training", value_name = "N", value_parser = integer::<u64>())]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// Train so many networks at once, with the seeds SEED, SEED + 1 and so on
    #[arg(long, help_heading = "Training", value_name = "N", value_parser = integer::<usize>())]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repeats: Option<usize>,
    /// Evaluations on the whole training and validation sets in a cycle
    #[arg(long, help_heading = "Training", value_name = "N", value_parser = integer::<u64>())]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub evals_per_cycle: Option<u64>,

    /// auto, gpu, gpu:N, cpu, or a part of an adapter's name
    #[arg(long, help_heading = "Device")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device: Option<Choice>,
    /// How images reach a GPU: stream, resident, or auto; no result depends on it
    #[arg(long, help_heading = "Device", value_name = "FEED", value_parser = word::<Feed>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub feed: Option<Feed>,

    /// Save a checkpoint every N steps, beside those at the end of every cycle
    #[arg(long, help_heading = "Output", value_name = "N", value_parser = integer::<u64>())]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub checkpoint_every: Option<u64>,

    /// Stop after N steps
    #[arg(long, help_heading = "Checks", value_name = "N", value_parser = integer::<u64>())]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub steps: Option<u64>,
    /// Train on the first mini-batch alone, without penalty: its loss must come close to 0
    #[arg(long, help_heading = "Checks")]
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub overfit_one_batch: bool,
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
            return Err(usage(&format!(
                "more than {} bytes, and a configuration has some hundred",
                grouped(MAX_BYTES)
            )));
        }
        let settings: Self = toml::from_str(&text).map_err(|error| usage(&error.to_string()))?;
        // On the command line clap refuses these pairs.
        if settings.cycles.is_some() && settings.epochs.is_some() {
            return Err(usage("`cycles` and `epochs` exclude each other: keep one"));
        }
        if settings.val_batches.is_some() && (settings.val_images.is_some() || settings.val_pick.is_some()) {
            return Err(usage("`val-batches` excludes `val-images` and `val-pick`: keep one way"));
        }
        Ok(settings)
    }

    /// Lays what is set here over `config`.
    pub fn apply(self, config: &mut Config) -> Result<()> {
        fn set<T>(place: &mut T, value: Option<T>) {
            if let Some(value) = value {
                *place = value;
            }
        }
        let validation = self.validation(&config.data.validation)?;
        set(&mut config.data.validation, validation);
        set(&mut config.data.source, self.data);
        set(&mut config.data.train_batches, self.train_batches);
        set(&mut config.hidden, self.hidden);
        let train = &mut config.train;
        set(&mut train.lambda, self.lambda);
        set(&mut train.penalty, self.penalty);
        set(&mut train.batch_size, self.batch_size);
        set(&mut train.lr.min, self.lr_min);
        set(&mut train.lr.max, self.lr_max);
        set(&mut train.lr.half_cycle, self.half_cycle);
        set(&mut train.length, self.cycles.map(Length::Cycles));
        set(&mut train.length, self.epochs.map(Length::Epochs));
        set(&mut train.seed, self.seed);
        set(&mut train.evals_per_cycle, self.evals_per_cycle);
        set(&mut config.device, self.device);
        set(&mut config.repeats, self.repeats);
        set(&mut config.feed, self.feed);
        config.steps = self.steps.or(config.steps);
        config.checkpoint_every = self.checkpoint_every.or(config.checkpoint_every);
        config.overfit_one_batch |= self.overfit_one_batch;
        Ok(())
    }

    /// The validation split after these settings, if they say anything about it.
    fn validation(&self, before: &Validation) -> Result<Option<Validation>> {
        let before_pick = match before {
            Validation::Images { pick, .. } => Some(*pick),
            Validation::Batches(_) => None,
        };
        match (&self.val_batches, self.val_images, self.val_pick) {
            (Some(batches), ..) => Ok(Some(Validation::Batches(batches.clone()))),
            (None, Some(count), pick) => {
                Ok(Some(Validation::Images { count, pick: pick.or(before_pick).unwrap_or(Pick::Last) }))
            }
            (None, None, Some(pick)) => match before {
                Validation::Images { count, .. } => Ok(Some(Validation::Images { count: *count, pick })),
                Validation::Batches(_) => Err(Error::Usage(
                    "--val-pick picks single images, and this configuration validates on whole batches: \
                     add --val-images N"
                        .into(),
                )),
            },
            (None, None, None) => Ok(None),
        }
    }
}

impl From<&Config> for Settings {
    fn from(config: &Config) -> Self {
        let DataSpec { source, train_batches, validation } = config.data.clone();
        let (val_images, val_pick, val_batches) = match validation {
            Validation::Images { count, pick } => (Some(count), Some(pick), None),
            Validation::Batches(batches) => (None, None, Some(batches)),
        };
        let TrainSpec { lambda, penalty, batch_size, lr, length, seed, evals_per_cycle } = config.train;
        let Triangle { min, max, half_cycle } = lr;
        let (cycles, epochs) = match length {
            Length::Cycles(cycles) => (Some(cycles), None),
            Length::Epochs(epochs) => (None, Some(epochs)),
        };
        Self {
            data: Some(source),
            train_batches: Some(train_batches),
            val_images,
            val_pick,
            val_batches,
            hidden: Some(config.hidden),
            lambda: Some(lambda),
            penalty: Some(penalty),
            batch_size: Some(batch_size),
            lr_min: Some(min),
            lr_max: Some(max),
            half_cycle: Some(half_cycle),
            cycles,
            epochs,
            seed: Some(seed),
            evals_per_cycle: Some(evals_per_cycle),
            device: Some(config.device.clone()),
            repeats: Some(config.repeats),
            feed: Some(config.feed),
            checkpoint_every: config.checkpoint_every,
            steps: config.steps,
            overfit_one_batch: config.overfit_one_batch,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_preset_survives_its_own_config_toml() {
        for preset in Preset::ALL {
            let config = Config { steps: Some(7), overfit_one_batch: true, ..preset.config() };
            let settings: Settings = toml::from_str(&config.to_toml().unwrap()).unwrap();
            let mut other = Config { hidden: 3, ..Preset::Figure2.config() };
            settings.apply(&mut other).unwrap();
            assert_eq!(other, config);
        }
    }

    #[test]
    fn a_later_layer_replaces_the_other_way_of_saying_it() {
        let mut config = Preset::Best.config();
        let settings = Settings { epochs: Some(5), val_batches: Some(vec![2]), ..Settings::default() };
        settings.apply(&mut config).unwrap();
        assert_eq!(config.train.length, Length::Epochs(5));
        assert_eq!(config.data.validation, Validation::Batches(vec![2]));
        let settings = Settings { cycles: Some(1), val_images: Some(30), ..Settings::default() };
        settings.apply(&mut config).unwrap();
        assert_eq!(config.train.length, Length::Cycles(1));
        assert_eq!(config.data.validation, Validation::Images { count: 30, pick: Pick::Last });
    }

    #[test]
    fn a_pick_alone_keeps_the_count_and_needs_one() {
        let pick = || Settings { val_pick: Some(Pick::Random), ..Settings::default() };
        let mut config = Preset::Best.config();
        pick().apply(&mut config).unwrap();
        assert_eq!(config.data.validation, Validation::Images { count: 1000, pick: Pick::Random });
        let error = pick().apply(&mut Preset::Figure1.config()).unwrap_err();
        assert!(error.to_string().contains("--val-images"), "{error}");
    }
}
