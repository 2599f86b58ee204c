//! What `profile --json` printed: devices side by side, and where each one's time goes.

use std::path::Path;

use maud::{Markup, html};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::runs::device;
use super::{Card, Charts, Section, duration, facts};
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
    devices: Vec<Device>,
    #[serde(default)]
    sweeps: Vec<Sweep>,
    #[serde(default)]
    peak_memory: Option<u64>,
    #[serde(default)]
    warnings: Vec<String>,
}

#[derive(Deserialize)]
struct Device {
    name: String,
    device: Record,
    throughput: Throughput,
    evaluation: Evaluation,
    ceilings: Ceilings,
    #[serde(default)]
    step: Option<Kernels>,
    #[serde(default)]
    host: Vec<Phase>,
    #[serde(default)]
    start_up: Map<String, Value>,
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
struct Kernels {
    kernels: Vec<Kernel>,
    busy_seconds: f64,
    span_seconds: f64,
}

#[derive(Deserialize)]
struct Kernel {
    kernel: String,
    median_seconds: f64,
    share: f64,
    of_flops: f64,
    of_bytes: f64,
}

#[derive(Deserialize)]
struct Phase {
    phase: String,
    seconds: f64,
    share: f64,
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

    pub(super) fn cards(&self) -> Vec<Card> {
        let speed = |device: &Device| {
            let Throughput { seconds_a_step, images_per_second, .. } = device.throughput;
            Card::new(
                short(device),
                format!("{} a step", duration(seconds_a_step)),
                format!("{} images/s", grouped(images_per_second as u64)),
            )
        };
        self.document.devices.iter().map(speed).collect()
    }

    pub(super) fn sections(&self, charts: &mut Charts) -> Vec<Section> {
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
        sections
    }

    fn side_by_side(&self) -> Markup {
        let devices = &self.document.devices;
        let fastest = devices.iter().map(|device| device.throughput.images_per_second).fold(0.0, f64::max);
        let cpu = devices
            .iter()
            .find(|device| matches!(device.device, Record::Cpu { .. }))
            .map(|device| device.throughput.seconds_a_step);
        html! {
            div.scroll tabindex="0" { table.bars {
                thead { tr { th scope="col" { "training" } th scope="col" { "images/s" } th scope="col" { "a step" } th scope="col" { "spread" } th scope="col" { "GFLOP/s" } th scope="col" { "of most" } th scope="col" { "× CPU" } th scope="col" { "evaluation, images/s" } } }
                tbody { @for device in devices {
                    @let Throughput { spread, seconds_a_step, images_per_second, flops_per_second, .. } = device.throughput;
                    tr {
                        th scope="row" title=(device.name) { (short(device)) }
                        td.bar style=(share(images_per_second / fastest)) { span { (grouped(images_per_second as u64)) } }
                        td { (duration(seconds_a_step)) }
                        td { (format!("{:.1} %", spread * 100.0)) }
                        td { (number(flops_per_second / 1e9, 3)) }
                        td { (format!("{:.1} %", flops_per_second / device.ceilings.flops_per_second * 100.0)) }
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
fn short(of: &Device) -> String {
    device(&of.device)
}

/// How long a bar is.
fn share(share: f64) -> String {
    format!("--share:{:.3}", share.clamp(0.0, 1.0))
}

fn breakdown(device: &Device) -> Markup {
    html! {
        p.about { (device.name) }
        @if let Some(step) = &device.step {
            h3 { "Kernels of a step" }
            @let steps = device.throughput.steps.max(1) as f64;
            p.about { "By the GPU's clock: " (duration(step.busy_seconds / steps)) " a step in kernels, " (duration(step.span_seconds / steps)) " with the gaps between them." }
            div.scroll tabindex="0" { table.bars {
                thead { tr { th scope="col" { "kernel" } th scope="col" { "share" } th scope="col" { "median" } th scope="col" { "of most FLOP/s" } th scope="col" { "of most bytes/s" } } }
                tbody { @for kernel in &step.kernels {
                    tr {
                        th scope="row" { (kernel.kernel) }
                        td.bar style=(share(kernel.share)) { span { (format!("{:.1} %", kernel.share * 100.0)) } }
                        td { (duration(kernel.median_seconds)) }
                        td { (format!("{:.1} %", kernel.of_flops * 100.0)) }
                        td { (format!("{:.1} %", kernel.of_bytes * 100.0)) }
                    }
                } }
            } }
        }
        @if !device.host.is_empty() {
            h3 { "The host while the GPU trains" }
            (bars("phase", device.host.iter().map(|phase| (phase.phase.clone(), phase.seconds, phase.share)).collect()))
        }
        @let start = start_up(&device.start_up);
        @if !start.is_empty() {
            h3 { "Start-up to the first step" }
            (bars("part", start))
        }
    }
}

fn bars(what: &str, rows: Vec<(String, f64, f64)>) -> Markup {
    html! {
        div.scroll tabindex="0" { table.bars {
            thead { tr { th scope="col" { (what) } th scope="col" { "share" } th scope="col" { "time" } } }
            tbody { @for (name, seconds, of) in rows {
                tr { th scope="row" { (name) } td.bar style=(share(of)) { span { (format!("{:.1} %", of * 100.0)) } } td { (duration(seconds)) } }
            } }
        } }
    }
}

/// The parts of a start: seconds by name, a list being the images' two.
fn start_up(parts: &Map<String, Value>) -> Vec<(String, f64, f64)> {
    let spoken = |name: &str| match name {
        "before" => "process".to_owned(),
        "open" => "device".to_owned(),
        name => name.replace('_', " "),
    };
    let mut rows: Vec<(String, f64)> = Vec::new();
    for (name, value) in parts {
        match value {
            Value::Array(both) => {
                let names = ["images", "statistics"].iter().zip(both);
                rows.extend(names.filter_map(|(name, value)| Some(((*name).to_owned(), value.as_f64()?))));
            }
            value => rows.extend(value.as_f64().map(|seconds| (spoken(name), seconds))),
        }
    }
    let total: f64 = rows.iter().map(|row| row.1).sum();
    rows.into_iter().map(|(name, seconds)| (name, seconds, seconds / total.max(f64::MIN_POSITIVE))).collect()
}
