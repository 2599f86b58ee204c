//! What to profile, as the flags say.

use std::time::Instant;

use clap::Args;

use super::sweep::Axis;
use crate::config::device::Choice;
use crate::config::settings::word;
use crate::config::spec::{Check, Feed};
use crate::data::spec::Source;
use crate::device::Device;
use crate::error::{Error, Result};
use crate::model::{Hidden, ModelSpec};

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
        // Every data set has images of CIFAR-10's size.
        ModelSpec::new(3072, self.hidden.clone(), 10).map(drop)
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
