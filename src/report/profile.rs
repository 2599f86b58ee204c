//! What `profile --json` printed: devices side by side, and where each one's time goes.

use std::path::Path;

use maud::{Markup, html};
use serde::Deserialize;
use serde_json::Value;

use super::runs::device;
use super::{Card, Charts, Section, Subject, bar, duration, facts, tenths};
use crate::chart::{Axis, Chart, Mark, Panel, Point, Series, number};
use crate::device::Record;
use crate::error::{Error, Result};
use crate::spec::{ModelSpec, bytes, grouped};

/// The part of the document that is shown.
#[derive(Deserialize)]
struct Document {
    version: String,
    data: String,
    images: usize,
    model: ModelSpec,
    batch_size: usize,
    models: usize,
    devices: Vec<Measured>,
    #[serde(default)]
    sweeps: Vec<Sweep>,
    #[serde(default)]
    peak_memory: Option<u64>,
    #[serde(default)]
    warnings: Vec<String>,
}

#[derive(Deserialize)]
struct Measured {
    name: String,
    device: Record,
    throughput: Throughput,
    evaluation: Evaluation,
    ceilings: Ceilings,
    #[serde(default)]
    step: Option<GpuTime>,
    #[serde(default)]
    host: Vec<HostPhase>,
    start_up: StartUp,
}

#[derive(Deserialize)]
struct Throughput {
    steps: u64,
    spread: f64,
    seconds_a_step: f64,
    images_per_second: f64,
    flops_per_second: f64,
}

#[derive(Deserialize)]
struct Evaluation {
    images: f64,
    seconds: f64,
}

#[derive(Deserialize)]
struct Ceilings {
    flops_per_second: f64,
}

#[derive(Deserialize)]
struct GpuTime {
    kernels: Vec<KernelTime>,
    busy_seconds: f64,
    span_seconds: f64,
}

#[derive(Deserialize)]
struct KernelTime {
    kernel: String,
    median_seconds: f64,
    share: f64,
    of_flops: f64,
    of_bytes: f64,
}

#[derive(Deserialize)]
struct HostPhase {
    phase: String,
    seconds: f64,
    share: f64,
}

/// Seconds until the first step was done.
#[derive(Deserialize)]
struct StartUp {
    before: f64,
    data: [f64; 2],
    open: f64,
    engine: f64,
    weights: f64,
    first_step: f64,
}

#[derive(Deserialize)]
struct Sweep {
    axis: String,
    points: Vec<At>,
}

#[derive(Deserialize)]
struct At {
    value: f64,
    seconds: Vec<Option<f64>>,
}

/// A profile's document.
pub(super) struct Profile {
    /// What people call it.
    pub name: String,
    document: Document,
}

impl Profile {
    pub(super) fn read(name: String, path: &Path, value: Value) -> Result<Self> {
        let document = serde_json::from_value(value).map_err(|error| {
            Error::checkpoint(path, format!("{error}; expected what cyclone profile --json prints. Print it again"))
        })?;
        Ok(Self { name, document })
    }
}

impl Subject for Profile {
    fn title(&self) -> String {
        format!("Profile {}", self.name)
    }

    fn cards(&self) -> Vec<Card> {
        let speed = |device: &Measured| {
            let Throughput { seconds_a_step, images_per_second, .. } = device.throughput;
            Card::new(
                short(device),
                format!("{} a step", duration(seconds_a_step)),
                format!("{} images/s", grouped(images_per_second as u64)),
            )
        };
        self.document.devices.iter().map(speed).collect()
    }

    fn sections(&self, charts: &mut Charts) -> Result<Vec<Section>> {
        let Document { version, data, images, model, batch_size, models, peak_memory, warnings, devices, .. } =
            &self.document;
        let mut rows = vec![
            ("network", format!("{}-{}-{}", model.inputs, model.hidden, model.classes)),
            ("step", format!("{batch_size} images, {models} model{}", if *models == 1 { "" } else { "s" })),
            ("images", format!("{data}, {} training", grouped(*images as u64))),
            ("version", format!("cyclone {version}")),
        ];
        rows.extend(
            peak_memory.map(|peak| ("memory", format!("{} at most, of the process on the host", bytes(peak.into())))),
        );
        let speed = html! {
            (facts(&rows))
            @for warning in warnings { p.warning { (warning) } }
            (self.side_by_side())
            (self.growth(charts))
        };
        let mut sections = vec![Section { title: format!("Speed: {}", self.name), body: speed }];
        sections.extend(devices.iter().map(|device| Section {
            title: format!("Where the time goes: {}", short(device)),
            body: breakdown(device),
        }));
        Ok(sections)
    }
}

impl Profile {
    fn side_by_side(&self) -> Markup {
        let devices = &self.document.devices;
        let fastest = devices.iter().map(|device| device.throughput.images_per_second).fold(0.0, f64::max);
        let cpu = devices
            .iter()
            .find(|device| matches!(device.device, Record::Cpu { .. }))
            .map(|device| device.throughput.seconds_a_step);
        html! {
            div.scroll tabindex="0" { table.bars {
                thead { tr {
                    th scope="col" { "training" }
                    th scope="col" { "images/s" }
                    th scope="col" { "a step" }
                    th scope="col" { "spread" }
                    th scope="col" { "GFLOP/s" }
                    th scope="col" { "of most" }
                    th scope="col" { "× CPU" }
                    th scope="col" { "evaluation, images/s" }
                } }
                tbody { @for device in devices {
                    @let Throughput { spread, seconds_a_step, images_per_second, flops_per_second, .. } = device.throughput;
                    tr {
                        th scope="row" title=(device.name) { (short(device)) }
                        (bar(images_per_second / fastest, &grouped(images_per_second as u64)))
                        td { (duration(seconds_a_step)) }
                        td { (tenths(spread)) }
                        td { (number(flops_per_second / 1e9, 3)) }
                        td { (tenths(flops_per_second / device.ceilings.flops_per_second)) }
                        td { (cpu.map_or_else(|| "–".to_owned(), |cpu| number(cpu / seconds_a_step, 3))) }
                        td { (grouped((device.evaluation.images / device.evaluation.seconds) as u64)) }
                    }
                } }
            } }
        }
    }

    /// A step's cost over H, B or M.
    fn growth(&self, charts: &mut Charts) -> Markup {
        let devices = &self.document.devices;
        let chart = |sweep: &Sweep| {
            let series = devices.iter().enumerate().map(|(look, device)| {
                let points = sweep
                    .points
                    .iter()
                    .filter_map(|point| Some(Point::new(point.value, (*point.seconds.get(look)?)? * 1e6)));
                Series { label: short(device), look, mark: Mark::Joined, points: points.collect() }
            });
            let title = format!("Cost of a step over {}", sweep.axis);
            Chart {
                name: format!("{}-{}", self.name, sweep.axis),
                description: format!("{title}: {} values on {} devices.", sweep.points.len(), devices.len()),
                title,
                x: Axis::log(&sweep.axis),
                panels: vec![Panel::new(Axis::log("µs a step"), series.collect())],
                marks: Vec::new(),
                range: None,
            }
        };
        let drawn: Vec<_> = self.document.sweeps.iter().map(|sweep| charts.add(chart(sweep))).collect();
        html! { @if !drawn.is_empty() { div.figures { @for figure in drawn { (figure) } } } }
    }
}

/// A device in a few words.
fn short(of: &Measured) -> String {
    device(&of.device)
}

fn breakdown(device: &Measured) -> Markup {
    html! {
        p.about { (device.name) }
        @if let Some(step) = &device.step {
            h3 { "Kernels of a step" }
            @let steps = device.throughput.steps.max(1) as f64;
            p.about {
                "By the GPU's clock: " (duration(step.busy_seconds / steps)) " a step in kernels, "
                (duration(step.span_seconds / steps)) " with the gaps between them."
            }
            div.scroll tabindex="0" { table.bars {
                thead { tr {
                    th scope="col" { "kernel" }
                    th scope="col" { "share" }
                    th scope="col" { "median" }
                    th scope="col" { "of most FLOP/s" }
                    th scope="col" { "of most bytes/s" }
                } }
                tbody { @for kernel in &step.kernels {
                    tr {
                        th scope="row" { (kernel.kernel) }
                        (bar(kernel.share, &tenths(kernel.share)))
                        td { (duration(kernel.median_seconds)) }
                        td { (tenths(kernel.of_flops)) }
                        td { (tenths(kernel.of_bytes)) }
                    }
                } }
            } }
        }
        @if !device.host.is_empty() {
            h3 { "The host while the GPU trains" }
            (bars("phase", device.host.iter().map(|phase| (phase.phase.clone(), phase.seconds, phase.share)).collect()))
        }
        h3 { "Start-up to the first step" }
        (bars("part", device.start_up.parts()))
    }
}

fn bars(what: &str, rows: Vec<(String, f64, f64)>) -> Markup {
    html! {
        div.scroll tabindex="0" { table.bars {
            thead { tr { th scope="col" { (what) } th scope="col" { "share" } th scope="col" { "time" } } }
            tbody { @for (name, seconds, share) in rows {
                tr { th scope="row" { (name) } (bar(share, &tenths(share))) td { (duration(seconds)) } }
            } }
        } }
    }
}

impl StartUp {
    /// Each part with its seconds and its share of all.
    fn parts(&self) -> Vec<(String, f64, f64)> {
        let [images, statistics] = self.data;
        let parts = [
            ("process", self.before),
            ("images", images),
            ("statistics", statistics),
            ("device", self.open),
            ("engine", self.engine),
            ("weights", self.weights),
            ("first step", self.first_step),
        ];
        let total: f64 = parts.iter().map(|part| part.1).sum();
        parts.map(|(name, seconds)| (name.to_owned(), seconds, seconds / total.max(f64::MIN_POSITIVE))).to_vec()
    }
}
