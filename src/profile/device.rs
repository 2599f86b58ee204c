//! One device's profile.

use std::time::Instant;

use serde::Serialize;

use super::Options;
use super::ceilings::Ceilings;
use super::kernels::GpuTime;
use super::throughput::Throughput;
use super::trace::Trace;
use super::workload::{Run, Workload};
use crate::device::{Device, Record};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::gpu::recorder::{Phase, Recording};

/// Least images of an evaluation.
const EVALUATED: usize = 64;
/// What is known about a device.
#[derive(Clone, Debug, Serialize)]
pub struct Profile {
    /// Adapter and driver, or threads and precision.
    pub name: String,
    /// The same for programs.
    pub device: Record,
    /// The training's speed, nothing else being measured.
    pub throughput: Throughput,
    /// The evaluation's.
    pub evaluation: Evaluated,
    /// What the device can do at most.
    pub ceilings: Ceilings,
    /// A step's kernels, if the device is a GPU with a clock.
    pub step: Option<GpuTime>,
    /// An evaluation's kernels, likewise.
    pub evaluated: Option<GpuTime>,
    /// Where the host's time goes while a GPU trains.
    pub host: Vec<HostPhase>,
    /// Name, number and bytes of each buffer on a GPU.
    pub buffers: Vec<(&'static str, usize, u64)>,
    /// From the process's start to the first step's loss.
    pub start_up: StartUp,
}

/// How fast it evaluates.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Evaluated {
    /// Images evaluated.
    pub images: usize,
    /// Seconds that took.
    pub seconds: f64,
}

/// Some of the host's time.
#[derive(Clone, Debug, Serialize)]
pub struct HostPhase {
    /// What it did; `other` is what no phase covers: shuffling, book-keeping, reading losses.
    pub phase: &'static str,
    /// Seconds of the whole run, or of the start.
    pub seconds: f64,
    /// Of the whole, 0 to 1.
    pub share: f64,
}

/// Seconds until the first step was done. A document has them as their sum and its parts.
#[derive(Clone, Copy, Debug, Default, Serialize)]
#[serde(into = "WholeAndParts")]
pub struct StartUp {
    /// Until the profile began.
    pub before: f64,
    /// Opening the images; their statistics.
    pub data: [f64; 2],
    /// Finding and opening the device, while the images are being opened.
    pub open: f64,
    /// Making the engine: on a GPU its buffers and pipelines.
    pub engine: f64,
    /// Drawing the initial weights and handing them over.
    pub weights: f64,
    /// The first step, until its loss is known.
    pub first_step: f64,
}

impl StartUp {
    /// From the process's start to the first step's loss.
    pub fn total(&self) -> f64 {
        let together = self.open.max(self.data.iter().sum());
        self.before + together + self.engine + self.weights + self.first_step
    }

    /// Each part with its name, in the order in which they begin.
    pub fn parts(&self) -> [(&'static str, f64); 7] {
        [
            ("process", self.before),
            ("images", self.data[0]),
            ("statistics", self.data[1]),
            ("device, meanwhile", self.open),
            ("engine", self.engine),
            ("weights", self.weights),
            ("first step", self.first_step),
        ]
    }
}

#[derive(Serialize)]
struct WholeAndParts {
    seconds: f64,
    parts: [HostPhase; 7],
}

impl From<StartUp> for WholeAndParts {
    fn from(start_up: StartUp) -> Self {
        let total = start_up.total();
        Self {
            seconds: total,
            parts: start_up.parts().map(|(phase, seconds)| HostPhase { phase, seconds, share: seconds / total }),
        }
    }
}

/// Profiles `workload` on `device`. `start_up` is what is known of the start already.
pub fn profile(
    device: &Device,
    workload: &Workload,
    options: &Options,
    mut start_up: StartUp,
    trace: &mut Trace,
    warnings: &mut Vec<String>,
) -> Result<Profile> {
    let gpu = device.gpu();
    let start = Instant::now();
    gpu.inspect(|gpu| gpu.record(false));
    let mut engine = workload.engine(device)?;
    let made = gpu.map(|gpu| gpu.recorded()).transpose()?.unwrap_or_default();
    start_up.engine = start.elapsed().as_secs_f64();
    let (name, engine) = (engine.describe(), engine.as_mut());
    let short = match device.record() {
        Record::Cpu { .. } => "CPU engine".to_owned(),
        Record::Gpu { adapter, .. } => adapter,
    };
    let mut warn = |text: String| warnings.push(format!("{short}: {text}"));

    let start = Instant::now();
    workload.load(engine)?;
    start_up.weights = start.elapsed().as_secs_f64();
    start_up.first_step = workload.run(engine, 1)?.seconds();

    let software = gpu.is_some_and(|gpu| gpu.is_software());
    if software {
        warn("a software adapter: a processor plays the GPU, so its times say nothing about one".into());
    }
    let (throughput, reference) = Throughput::measure(engine, workload, options, software, &mut warn)?;
    let steps = throughput.steps;
    let ceilings = gpu.map_or_else(|| Ok(Ceilings::of_cpu()), |gpu| Ceilings::of_gpu(gpu))?;

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
            warn(format!("kernels are not timed one by one, only by the host's clock: {why}"));
        }
    } else {
        trace.cpu(&name, &reference);
    }
    // As many images as a repetition trains on: a whole epoch, unless that takes long.
    let images = (throughput.images as usize).max(EVALUATED).min(workload.split.train.len());
    let rows = &workload.split.train[..images];
    let (evaluation, evaluated) = evaluate(device, engine, rows, options, &ceilings)?;
    let buffers = buffers(&made);
    Ok(Profile {
        device: device.record(),
        throughput,
        evaluation,
        ceilings,
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
        let what = format!("{}: an evaluation gave other sums when it was timed", engine.describe());
        return Err(Error::CheckFailed(what));
    }
    Ok((Evaluated { images: rows.len(), seconds }, time))
}

fn host_phases(recording: &Recording, run: &Run) -> Vec<HostPhase> {
    // Reading the weights afterwards is no part of the run.
    let spans = || recording.spans.iter().filter(|span| span.end <= run.end);
    let phase = |phase: &'static str, seconds: f64| HostPhase { phase, seconds, share: seconds / run.seconds() };
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

fn buffers(made: &Recording) -> Vec<(&'static str, usize, u64)> {
    let mut buffers: Vec<(&'static str, usize, u64)> = Vec::new();
    for &(name, size) in &made.buffers {
        match buffers.iter_mut().find(|(other, ..)| *other == name) {
            Some((_, count, sum)) => (*count, *sum) = (*count + 1, *sum + size),
            None => buffers.push((name, 1, size)),
        }
    }
    buffers
}
