//! Where the time goes: steps and evaluations of each device, its kernels against what it can do at most, the host's
//! phases, memory, start-up.
//!
//! Check, then time: every timed run starts from the same weights as an untimed one and must end with its bits. Ceilings
//! are measured on the same device in the same run, so shares do not depend on anybody's data sheet. A figure that was not
//! measured is not shown.

mod ceilings;
mod device;
mod kernels;
mod memory;
pub mod products;
pub mod sample;
pub mod sweep;
mod throughput;
pub mod trace;
mod workload;

use std::time::Instant;

use clap::Args;
use serde::Serialize;

pub use ceilings::Ceilings;
pub use device::{Evaluated, HostPhase, Profile, StartUp};
pub use kernels::{GpuTime, KernelTime};
pub use throughput::Throughput;
pub use workload::{Run, Workload};

use crate::config::device::Choice;
use crate::config::settings::word;
use crate::config::spec::Feed;
use crate::data::spec::Source;
use crate::device::Device;
use crate::error::{Error, Result};
use crate::model::ModelSpec;
use products::Product;
use sweep::{Axis, Sweep};
use trace::Trace;

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
    #[arg(long, value_name = "H", default_value_t = 50)]
    pub hidden: usize,
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
    fn check(&self) -> Result<()> {
        let numbers = [
            ("--steps", self.steps.unwrap_or(1)),
            ("--repeats", self.repeats as u64),
            ("--batch-size", self.batch_size as u64),
            ("--models", self.models as u64),
        ];
        if let Some((flag, _)) = numbers.iter().find(|(_, number)| *number == 0) {
            return Err(Error::Usage(format!("{flag} 0: expected 1 or more")));
        }
        // The size of CIFAR-10's images, which every data set here has.
        ModelSpec::new(3072, self.hidden, 10).map(drop)
    }

    /// Opens the devices; each with the seconds that took.
    fn open(&self) -> Result<Vec<(Device, f64)>> {
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

/// What came out.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// This program's.
    pub version: &'static str,
    /// The images' name.
    pub data: String,
    /// How many of them are trained on.
    pub images: usize,
    /// `D → H → C`.
    pub model: ModelSpec,
    /// `B`.
    pub batch_size: usize,
    /// `M`.
    pub models: usize,
    /// One a device, in the order in which they were asked for.
    pub devices: Vec<Profile>,
    /// How cost grows.
    pub sweeps: Vec<Sweep>,
    /// Most bytes of memory that the process ever held, if the system tells.
    pub peak_memory: Option<u64>,
    /// What to know before believing the figures, and what to do about it.
    pub warnings: Vec<String>,
}

/// Profiles what `options` says. `started` is the process's start; `note` is told what a user should know meanwhile.
///
/// # Errors
///
/// [`Error::CheckFailed`] if a timed run gives other bits than an untimed one; the data's and the devices' own.
pub fn run(options: &Options, started: Instant, note: &mut dyn FnMut(&str)) -> Result<(Report, Trace)> {
    options.check()?;
    let before = started.elapsed().as_secs_f64();
    // As a training starts: a driver and a disk take their time, and do not wait for each other.
    let (devices, workload) = rayon::join(
        || options.open(),
        || Workload::open(&options.source, options.hidden, options.batch_size, options.models),
    );
    let (opened, (workload, data)) = (devices?, workload?);
    workload.dataset.notice.iter().for_each(|notice| note(notice));
    let mut trace = Trace::new(started);
    let mut warnings = Vec::new();
    if cfg!(debug_assertions) {
        warnings.push("this is a debug build, many times slower on the host: cargo run --release".to_owned());
    }
    let (mut devices, mut profiles) = (Vec::new(), Vec::new());
    for (device, open) in opened {
        let start_up = StartUp { before, data, open, ..StartUp::default() };
        let profile = device::profile(&device, &workload, options, start_up, &mut trace, &mut warnings)?;
        profiles.push(profile);
        devices.push(device);
    }
    let mut sweeps = Vec::new();
    for &axis in &options.sweeps {
        let costs: Vec<_> = profiles.iter().map(|profile| profile.throughput.seconds_a_step).collect();
        sweeps.push(sweep::sweep(axis, &workload, &devices, &costs)?);
    }
    let report = Report {
        version: env!("CARGO_PKG_VERSION"),
        data: workload.dataset.name.clone(),
        images: workload.split.train.len(),
        model: workload.model,
        batch_size: workload.batch_size,
        models: workload.models,
        devices: profiles,
        sweeps,
        peak_memory: memory::peak(),
        warnings,
    };
    Ok((report, trace))
}

/// Times the first layer's products on each GPU asked for; checked before they are timed.
///
/// # Errors
///
/// [`Error::CheckFailed`] for a wrong product, [`Error::Usage`] if none of the devices is a GPU.
pub fn matrix_products(options: &Options, note: &mut dyn FnMut(&str)) -> Result<Vec<Product>> {
    let mut all = Vec::new();
    for (device, _) in options.open()? {
        if let Some(gpu) = device.gpu() {
            all.extend(products::products(gpu, note)?);
        }
    }
    if all.is_empty() {
        return Err(Error::Usage(
            "--matmul times a GPU's kernels: name one with --device (see cyclone devices)".into(),
        ));
    }
    Ok(all)
}
