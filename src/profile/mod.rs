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

pub use crate::records::profile::{
    Ceilings, Evaluated, GpuTime, HostPhase, KernelTime, Profile, Report, StartUp, Sweep, Throughput,
};
pub use options::{Options, Technique};
pub use workload::{Run, Workload};

use crate::error::{Error, Result};
use products::Product;
use trace::Trace;

/// Profiles each device. `started` is the start of the process; `note` shows notices to the user.
pub fn run(options: &Options, started: Instant, note: &mut dyn FnMut(&str)) -> Result<(Report, Trace)> {
    options.check()?;
    let before = started.elapsed().as_secs_f64();
    // Both at once, as in a training: neither the driver nor the disk waits for the other.
    let (devices, workload) = rayon::join(|| options.open(), || Workload::open(&options.config(), options.models));
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
        version: env!("CARGO_PKG_VERSION").to_owned(),
        data: workload.dataset.name.clone(),
        images: workload.split.train.len(),
        technique: workload.technique(),
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
