//! The profile of one device.

use std::time::Instant;

use super::ceilings::impossible;
use super::options::Options;
use super::trace::Trace;
use super::workload::{Run, Workload};
use crate::device::{Device, Record};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::gpu::recorder::{Phase, Recording};
use crate::records::profile::{Ceilings, Evaluated, GpuTime, HostPhase, Profile, StartUp, Throughput};

/// Fewest images of an evaluation.
const EVALUATED: usize = 64;

impl HostPhase {
    fn new(phase: &str, seconds: f64, whole: f64) -> Self {
        Self { phase: phase.to_owned(), seconds, share: seconds / whole }
    }
}

impl StartUp {
    fn new(opening: [f64; 4], engine: f64, weights: f64, first_step: f64) -> Self {
        let [before, images, statistics, device] = opening;
        let seconds = before + device.max(images + statistics) + engine + weights + first_step;
        let names = ["process", "images", "statistics", "device, meanwhile", "engine", "weights", "first step"];
        let parts = names.into_iter().zip([before, images, statistics, device, engine, weights, first_step]);
        let part = |(phase, part): (&str, f64)| HostPhase::new(phase, part, seconds);
        Self { seconds, parts: parts.map(part).collect() }
    }
}

/// Profiles `workload` on `device`. `opening` has the seconds until the profile started, of opening the images, of their
/// statistics, and of opening the device.
pub fn profile(
    device: &Device,
    workload: &Workload,
    options: &Options,
    opening: [f64; 4],
    trace: &mut Trace,
    warnings: &mut Vec<String>,
) -> Result<Profile> {
    let gpu = device.gpu();
    let start = Instant::now();
    gpu.inspect(|gpu| gpu.record(false));
    let mut engine = workload.engine(device)?;
    let made = gpu.map(|gpu| gpu.recorded()).transpose()?.unwrap_or_default();
    let making = start.elapsed().as_secs_f64();
    let (name, engine) = (engine.describe(), engine.as_mut());
    let short = match device.record() {
        Record::Cpu { .. } => "CPU engine".to_owned(),
        Record::Gpu { adapter, .. } => adapter,
    };
    let mut warn = |text: String| warnings.push(format!("{short}: {text}"));

    let start = Instant::now();
    workload.load(engine)?;
    let loading = start.elapsed().as_secs_f64();
    let start_up = StartUp::new(opening, making, loading, workload.run(engine, 1)?.seconds());

    let software = gpu.is_some_and(|gpu| gpu.is_software());
    if software {
        warn("a software adapter runs on the CPU: its times say nothing about a GPU".into());
    }
    let asked = (options.steps, options.repeats);
    let measured: Box<dyn FnMut() -> Result<Ceilings>> = match gpu {
        Some(gpu) => Box::new(Ceilings::of_gpu(gpu)?),
        None => Box::new(Ceilings::of_cpu()),
    };
    let (throughput, ceiling_rounds, reference) =
        Throughput::measure(engine, workload, asked, software, measured, &mut warn)?;
    let steps = throughput.steps;
    let ceilings = Ceilings::best(&ceiling_rounds);

    let mut host = Vec::new();
    let mut step = None;
    if let Some(gpu) = gpu {
        let run = workload.run_from(engine, steps, || gpu.record(false))?;
        host = host_phases(&gpu.recorded()?, &run);
        run.check(&reference, &format!("a recorded run on {name}"))?;

        let clock = gpu.clock()?;
        let run = workload.run_from(engine, steps, || gpu.record(!options.no_timestamps))?;
        let recording = gpu.recorded()?;
        run.check(&reference, &format!("a run with timestamps on {name}"))?;
        step = GpuTime::of(&recording.submissions, steps, &ceilings);
        trace.gpu(&name, &recording, &run, clock);
        if step.is_none() {
            let why = if options.no_timestamps { "--no-timestamps" } else { "the adapter has no timestamps" };
            warn(format!("no times of single kernels: {why}"));
        }
    } else {
        trace.cpu(&name, &reference);
    }
    // As many images as in a repetition: an epoch, unless that takes long.
    let images = (throughput.images as usize).max(EVALUATED).min(workload.split.train.len());
    let rows = &workload.split.train[..images];
    let (evaluation, evaluated) = evaluate(device, engine, rows, options, &ceilings)?;
    let kernels = step.iter().chain(&evaluated).flat_map(|time| &time.kernels);
    let shares = kernels.map(|kernel| (kernel.kernel.as_str(), kernel.of_flops));
    let training = ("the training", throughput.flops_per_second / ceilings.flops_per_second);
    if let Some(why) = impossible(shares.chain([training])) {
        warn(format!("{why}, or give more --repeats than {}", options.repeats));
    }
    let buffers = buffers(&made);
    Ok(Profile {
        device: device.record(),
        throughput,
        evaluation,
        ceilings,
        ceiling_rounds,
        step,
        evaluated,
        host,
        buffers,
        start_up,
        name,
    })
}

fn evaluate(
    device: &Device,
    engine: &mut dyn Engine,
    rows: &[u32],
    options: &Options,
    ceilings: &Ceilings,
) -> Result<(Evaluated, Option<GpuTime>)> {
    let expected = engine.evaluate(rows)?;
    let start = Instant::now();
    let found = engine.evaluate(rows)?;
    let seconds = start.elapsed().as_secs_f64();
    let mut time = None;
    let mut same = found == expected;
    if let Some(gpu) = device.gpu() {
        gpu.record(!options.no_timestamps);
        same &= engine.evaluate(rows)? == expected;
        let recording = gpu.recorded()?;
        time = GpuTime::of(&recording.submissions, rows.len() as u64, ceilings);
    }
    if !same {
        let what = format!("{}: a timed evaluation gave other results than an untimed one", engine.describe());
        return Err(Error::CheckFailed(what));
    }
    Ok((Evaluated { images: rows.len(), seconds }, time))
}

fn host_phases(recording: &Recording, run: &Run) -> Vec<HostPhase> {
    // Reading the weights afterwards is not part of the run.
    let spans = || recording.spans.iter().filter(|span| span.end <= run.end);
    let phase = |phase: &str, seconds: f64| HostPhase::new(phase, seconds, run.seconds());
    let mut phases: Vec<_> = Phase::ALL
        .into_iter()
        .map(|of| {
            let times = spans().filter(|span| span.phase == of).map(|span| (span.end - span.start).as_secs_f64());
            phase(of.name(), times.sum())
        })
        .collect();
    let known: f64 = phases.iter().map(|phase| phase.seconds).sum();
    phases.push(phase("other", (run.seconds() - known).max(0.0)));
    phases
}

fn buffers(made: &Recording) -> Vec<(String, usize, u64)> {
    let mut buffers: Vec<(String, usize, u64)> = Vec::new();
    for &(ref name, size) in &made.buffers {
        match buffers.iter_mut().find(|(other, ..)| other == name) {
            Some((_, count, sum)) => (*count, *sum) = (*count + 1, *sum + size),
            None => buffers.push((name.clone(), 1, size)),
        }
    }
    buffers
}
