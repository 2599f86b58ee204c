//! Where the time of a training goes, for `cyclone profile`: steps, evaluations, kernels, host phases, memory, start-up.
//!
//! Check, then time: a timed run starts from the same weights as an untimed one and must end with the same bits. The
//! device's ceilings are measured in the same run, so shares do not depend on a data sheet. Only measured figures are
//! shown.

mod ceilings;
mod device;
mod kernels;
mod memory;
mod options;
pub mod products;
pub mod sample;
pub mod sweep;
mod throughput;
pub mod trace;
mod workload;

use std::time::Instant;

use serde::Serialize;

pub use ceilings::Ceilings;
pub use device::{Evaluated, HostPhase, Profile, StartUp};
pub use kernels::{GpuTime, KernelTime};
pub use options::Options;
pub use throughput::Throughput;
pub use workload::{Run, Workload};

use crate::error::{Error, Result};
use crate::model::ModelSpec;
use products::Product;
use sweep::Sweep;
use trace::Trace;

/// The figures of a profile.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Version of this program.
    pub version: &'static str,
    /// Name of the data set.
    pub data: String,
    /// Training images.
    pub images: usize,
    /// `D → H → C`.
    pub model: ModelSpec,
    /// `B`.
    pub batch_size: usize,
    /// `M`.
    pub models: usize,
    /// One for each device, in the order of the flags.
    pub devices: Vec<Profile>,
    /// How the cost grows with a size.
    pub sweeps: Vec<Sweep>,
    /// Peak memory of the process in bytes, if the system says.
    pub peak_memory: Option<u64>,
    /// Why the figures may be unreliable, and what to do about it.
    pub warnings: Vec<String>,
}

/// Profiles each device. `started` is the start of the process; `note` shows notices to the user.
pub fn run(options: &Options, started: Instant, note: &mut dyn FnMut(&str)) -> Result<(Report, Trace)> {
    options.check()?;
    let before = started.elapsed().as_secs_f64();
    // Both at once, as in a training: neither the driver nor the disk waits for the other.
    let (devices, workload) = rayon::join(
        || options.open(),
        || Workload::open(&options.source, options.hidden, options.batch_size, options.models),
    );
    let (opened_devices, (workload, [opened, known])) = (devices?, workload?);
    workload.dataset.notice.iter().for_each(|notice| note(notice));
    let mut trace = Trace::new(started);
    let mut warnings = Vec::new();
    if cfg!(debug_assertions) {
        warnings.push("this is a debug build, many times slower on the host: cargo run --release".to_owned());
    }
    let (mut devices, mut profiles) = (Vec::new(), Vec::new());
    for (device, open) in opened_devices {
        let opening = [before, opened, known, open];
        profiles.push(device::profile(&device, &workload, options, opening, &mut trace, &mut warnings)?);
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

/// Checks, then times the first layer's products on each GPU. [`Error::Usage`] if no device is a GPU.
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
