//! What to profile, as the flags say.

use std::time::Instant;

use clap::Args;

use super::sweep::Axis;
use crate::config::device::Choice;
use crate::config::settings::word;
use crate::config::spec::{Check, Feed, Method};
use crate::config::{Config, Settings};
use crate::data::spec::{Flip, Source};
use crate::device::Device;
use crate::error::{Error, Result};
use crate::model::Hidden;

/// What to profile.
#[derive(Args, Clone, Debug)]
pub struct Options {
    /// auto, gpu, gpu:N, cpu, or a part of an adapter's name; several with commas [default: the best GPU if there is a real one, and cpu]
    #[arg(long = "device", value_name = "LIST", value_delimiter = ',')]
    pub devices: Vec<Choice>,
    /// auto, synthetic, or a path: folder or archive of the binary version, or an image folder
    #[arg(long = "data", value_name = "DATA", default_value = "auto")]
    pub source: Source,
    /// How images reach a GPU: stream, resident, or auto
    #[arg(long, value_name = "FEED", default_value = "auto", value_parser = word::<Feed>)]
    pub feed: Feed,
    /// Hidden units
    #[arg(long, value_name = "LIST", default_value_t = Hidden::new(&[50]))]
    pub hidden: Hidden,
    /// Images per mini-batch
    #[arg(long, value_name = "B", default_value_t = 100)]
    pub batch_size: usize,
    /// Models trained at once, on the same batches
    #[arg(long, value_name = "M", default_value_t = 1)]
    pub models: usize,
    /// How they are trained.
    #[command(flatten)]
    pub technique: Technique,
    /// Steps per repetition [default: an epoch, or as many as take 2 s; 1 s on a software adapter]
    #[arg(long, value_name = "N")]
    pub steps: Option<u64>,
    /// Repetitions, after one to warm up
    #[arg(long, value_name = "N", default_value_t = 5)]
    pub repeats: usize,
    /// Show how the cost of a step grows with these; several with commas
    #[arg(long = "sweep", value_name = "LIST", value_delimiter = ',')]
    pub sweeps: Vec<Axis>,
    /// Time by the host's clock alone, as on a GPU without timestamps
    #[arg(long)]
    pub no_timestamps: bool,
}

/// What a training may do beyond plain SGD on images as they are: `train` has the same flags.
#[derive(Args, Clone, Copy, Debug, Default)]
pub struct Technique {
    /// sgd or adamw
    #[arg(long, value_name = "NAME", value_parser = word::<Method>)]
    pub optimizer: Option<Method>,
    /// Momentum of sgd
    #[arg(long, value_name = "MU")]
    pub momentum: Option<f64>,
    /// Nesterov's momentum
    #[arg(long)]
    pub nesterov: bool,
    /// Weight decay of adamw
    #[arg(long, value_name = "WD")]
    pub weight_decay: Option<f64>,
    /// Share of each image's target that goes to all classes alike
    #[arg(long, value_name = "E")]
    pub label_smoothing: Option<f64>,
    /// Mix the images of a batch by a share from Beta(A, A)
    #[arg(long, value_name = "A")]
    pub mixup: Option<f64>,
    /// Share of the hidden units that a step leaves out
    #[arg(long, value_name = "P")]
    pub dropout: Option<f64>,
    /// Share of the inputs that a step leaves out
    #[arg(long, value_name = "P")]
    pub input_dropout: Option<f64>,
    /// Mirror training images: none, random or alternate
    #[arg(long, value_name = "HOW", value_parser = word::<Flip>)]
    pub flip: Option<Flip>,
    /// Shift training images by up to N pixels
    #[arg(long, value_name = "N")]
    pub shift: Option<usize>,
}

impl Options {
    pub(super) fn check(&self) -> Result<()> {
        let numbers = [
            ("--steps", self.steps.unwrap_or(1)),
            ("--repeats", self.repeats as u64),
            ("--batch-size", self.batch_size as u64),
            ("--models", self.models as u64),
        ];
        if let Some((flag, _)) = numbers.iter().find(|(_, number)| *number == 0) {
            return Err(Error::Usage(format!("{flag} 0: expected 1 or more")));
        }
        self.config().check()
    }

    /// The training whose steps are timed.
    pub(super) fn config(&self) -> Config {
        let Technique { optimizer, momentum, nesterov, weight_decay, label_smoothing, mixup, .. } = self.technique;
        let Technique { dropout, input_dropout, flip, shift, .. } = self.technique;
        let (data, hidden, batch_size) = (Some(self.source.clone()), Some(self.hidden.clone()), Some(self.batch_size));
        let settings =
            Settings { data, hidden, optimizer, momentum, weight_decay, batch_size, nesterov, ..Settings::default() };
        let settings = Settings { flip, shift, label_smoothing, mixup, dropout, input_dropout, ..settings };
        Config::default().with(settings)
    }

    /// Opens the devices, each with the seconds it took.
    pub(super) fn open(&self) -> Result<Vec<(Device, f64)>> {
        let open = |choice: &Choice| {
            let start = Instant::now();
            let mut device = Device::open(choice)?;
            device.feed = self.feed;
            // A check of the steps that are timed would be timed with them.
            device.check = Check::Start;
            Ok((device, start.elapsed().as_secs_f64()))
        };
        if !self.devices.is_empty() {
            return self.devices.iter().map(open).collect();
        }
        let best = open(&Choice::Auto)?;
        let cpu = best.0.gpu().map(|_| open(&Choice::Cpu)).transpose()?;
        Ok([Some(best), cpu].into_iter().flatten().collect())
    }
}
