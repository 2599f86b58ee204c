//! What to profile, as the flags say.

use std::time::Instant;

use super::sweep::Axis;
use crate::config::device::Choice;
use crate::config::spec::Feed;
use crate::data::spec::Source;
use crate::device::Device;
use crate::error::{Error, Result};
use crate::model::ModelSpec;

/// What to profile.
#[derive(Clone, Debug)]
pub struct Options {
    /// Devices; empty for the best real GPU, if there is one, and the CPU engine.
    pub devices: Vec<Choice>,
    /// Source of the images.
    pub source: Source,
    /// How images reach a GPU.
    pub feed: Feed,
    /// `H`.
    pub hidden: usize,
    /// `B`.
    pub batch_size: usize,
    /// `M`.
    pub models: usize,
    /// Steps of a repetition; by default an epoch, or fewer if an epoch takes long.
    pub steps: Option<u64>,
    /// Repetitions.
    pub repeats: usize,
    /// Sizes to vary.
    pub sweeps: Vec<Axis>,
    /// Whether to use the GPU's timestamps.
    pub timestamps: bool,
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
        ModelSpec::new(3072, self.hidden, 10).map(drop)
    }

    /// Opens the devices, each with the seconds it took.
    pub(super) fn open(&self) -> Result<Vec<(Device, f64)>> {
        let open = |choice: &Choice| {
            let start = Instant::now();
            let mut device = Device::open(choice)?;
            device.feed = self.feed;
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
