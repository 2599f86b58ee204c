//! What `profile --json` printed: devices side by side, and where each one's time goes.

use maud::{Markup, html};

use super::parts::{Card, Charts, Section, Subject, bar, facts, heads, side_by_side, table};
use super::text::{device, duration, number, tenths};
use crate::device::Record;
use crate::error::Result;
use crate::records::profile::{GpuTime, Point as Cost, Profile as Measured, Report, Sweep, Throughput};
use crate::report::chart::{Axis, Chart, Mark, Panel, Point, Series};
use crate::util::text::{bytes, grouped, plural};

/// The time in which a GPU runs no kernel, among the names of kernels.
const GAPS: &str = "no kernel";

pub(super) struct Profile {
    pub name: String,
    pub document: Report,
}

impl Subject for Profile {
    fn title(&self) -> String {
        format!("Profile {}", self.name)
    }

    fn notices(&self) -> Vec<String> {
        self.document.warnings.iter().map(|warning| format!("{}: {warning}", self.name)).collect()
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
        let Report { version, data, images, model, batch_size, models, peak_memory, devices, .. } = &self.document;
        let mut rows = vec![
            ("network", model.to_string()),
            ("step", format!("{batch_size} images, {}", plural(*models, "model"))),
            ("images", format!("{data}, {} training", grouped(*images))),
            ("version", format!("cyclone {version}")),
        ];
        rows.extend(peak_memory.map(|peak| ("memory", format!("{} at most, of the process on the host", bytes(peak)))));
        let speed = html! { (facts(&rows)) (self.speeds()) };
        let mut sections = vec![Section::new(format!("Speed: {}", self.name), speed)];
        sections.push(Section::new(format!("Where a step's time goes: {}", self.name), self.picture(charts)));
        if !self.document.sweeps.is_empty() {
            sections.push(Section::new(format!("How a step's cost grows: {}", self.name), self.growth(charts)));
        }
        sections.extend(
            devices.iter().map(|device| Section::new(format!("In detail: {}", short(device)), breakdown(device))),
        );
        Ok(sections)
    }
}

impl Profile {
    fn speeds(&self) -> Markup {
        let devices = &self.document.devices;
        let fastest = devices.iter().map(|device| device.throughput.images_per_second).fold(0.0, f64::max);
        let cpu = devices
            .iter()
            .find(|device| matches!(device.device, Record::Cpu { .. }))
            .map(|device| device.throughput.seconds_a_step);
        let rows = html! {
            (heads(&["training", "images/s", "a step", "spread", "GFLOP/s", "of most", "× CPU", "evaluation, images/s"]))
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
                    td { (grouped((device.evaluation.images as f64 / device.evaluation.seconds) as u64)) }
                }
            } }
        };
        table("Speed of training", Some("bars"), &rows)
    }

    /// Bars of all devices, and of each GPU's kernels with what the host does meanwhile.
    fn picture(&self, charts: &mut Charts) -> Markup {
        let devices = &self.document.devices;
        let steps = devices.iter().map(|device| (short(device), device.throughput.seconds_a_step * 1e6));
        let steps: Vec<_> = steps.collect();
        let description = steps.iter().map(|(name, time)| format!("{name}: {} µs", number(*time, 3)));
        let mut drawn = vec![charts.add(Chart::new(
            format!("{}-step", self.name),
            "A step on each device",
            description.collect::<Vec<_>>().join("; "),
            micros(),
            vec![Panel::bars("by the host's clock", 0, steps, None)],
        ))];
        drawn.extend(devices.iter().filter_map(|device| Some(charts.add(self.parts(device)?))));
        html! {
            (side_by_side(&drawn))
            p.about {
                "Microseconds of one step, and their share of it. A GPU's kernels are timed by its own clock; what it waits "
                "between them is " code { (GAPS) } ". The host works while the GPU does: its phases are another "
                "breakdown of the same step, and not to be added to the kernels."
            }
        }
    }

    /// A step's kernels on a GPU, and the host's phases; none of a device that tells neither.
    fn parts(&self, device: &Measured) -> Option<Chart> {
        let mut panels = Vec::new();
        if let Some(GpuTime { steps, kernels, busy_seconds, span_seconds, .. }) = &device.step {
            let each = 1e6 / (*steps).max(1) as f64;
            let mut bars: Vec<_> = kernels.iter().map(|one| (one.kernel.clone(), one.seconds * each)).collect();
            bars.push((GAPS.to_owned(), (span_seconds - busy_seconds).max(0.0) * each));
            let whole = bars.iter().map(|bar| bar.1).sum();
            panels.push(Panel::bars("kernels, by the GPU's clock", 0, bars, Some(whole)));
        }
        if !device.host.is_empty() {
            let each = 1e6 / device.throughput.steps.max(1) as f64;
            let bars: Vec<_> = device.host.iter().map(|one| (one.phase.clone(), one.seconds * each)).collect();
            let whole = bars.iter().map(|bar| bar.1).sum();
            panels.push(Panel::bars("the host, by its own clock", 1, bars, Some(whole)));
        }
        let longest = |panel: &Panel| {
            let point = panel.series.first()?.points.iter().max_by(|a, b| a.x.total_cmp(&b.x))?;
            Some(format!("{}: longest is {}", panel.y.label, panel.y.text(point.y)))
        };
        let description = panels.iter().filter_map(longest).collect::<Vec<_>>().join("; ");
        let title = format!("A step on {}", short(device));
        let name = format!("{}-step-{}", self.name, short(device));
        (!panels.is_empty()).then(|| Chart::new(name, title, description, micros(), panels))
    }

    /// A step's cost over H, B or M.
    fn growth(&self, charts: &mut Charts) -> Markup {
        let devices = &self.document.devices;
        let chart = |sweep: &Sweep| {
            let series = devices.iter().enumerate().map(|(look, device)| {
                let cost = |point: &Cost| Some(Point::new(point.value as f64, (*point.seconds.get(look)?)? * 1e6));
                // The axes are logarithms.
                let mut points: Vec<_> =
                    sweep.points.iter().filter_map(cost).filter(|point| point.x > 0.0 && point.y > 0.0).collect();
                points.sort_by(|a, b| a.x.total_cmp(&b.x));
                Series { label: short(device), look, mark: Mark::Joined, points }
            });
            let axis = sweep.axis.name();
            let title = format!("Cost of a step over {axis}");
            let description = format!("{title}: {} values on {} devices.", sweep.points.len(), devices.len());
            let panels = vec![Panel::new(Axis::log("µs a step"), series.collect())];
            Chart::new(format!("{}-{axis}", self.name), title, description, Axis::log(axis), panels)
        };
        html! { div.figures { @for sweep in &self.document.sweeps { (charts.add(chart(sweep))) } } }
    }
}

/// The axis of a step's parts.
fn micros() -> Axis {
    Axis { holds: vec![0.0], ..Axis::new("µs a step") }
}

fn short(of: &Measured) -> String {
    device(&of.device)
}

fn breakdown(device: &Measured) -> Markup {
    html! {
        p.about { (device.name) }
        (ceilings(device))
        @if let Some(step) = &device.step { (kernels(step)) }
        @if !device.host.is_empty() {
            h3 { "The host while the GPU trains" }
            @let phases = device.host.iter().map(|phase| (phase.phase.as_str(), phase.seconds, phase.share));
            (shares("phase", "The host while the GPU trains", phases))
        }
        h3 { "Start-up to the first step" }
        p.about { (duration(device.start_up.seconds)) ", in which the device is opened while the images are read." }
        @let parts = device.start_up.parts.iter().map(|part| (part.phase.as_str(), part.seconds, part.share));
        (shares("part", "Start-up to the first step", parts))
    }
}

fn ceilings(device: &Measured) -> Markup {
    let rows = html! {
        (heads(&["measured", "most", "spread"]))
        tbody { @for peak in device.peaks() {
            tr {
                th scope="row" { (peak.what) }
                td { (number(peak.value, 3)) " " (peak.unit) }
                td { (peak.spread.map_or_else(|| "–".to_owned(), tenths)) }
            }
        } }
    };
    html! {
        h3 { "What the device can do" }
        @if !device.ceiling_rounds.is_empty() {
            p.about {
                "The best of " (device.ceiling_rounds.len()) " measurements before, between and after the repetitions of the "
                "training. Their spread is the largest minus the smallest, as a share of the largest."
            }
        }
        (table("What the device can do", None, &rows))
    }
}

fn kernels(step: &GpuTime) -> Markup {
    let steps = step.steps.max(1) as f64;
    let rows = html! {
        (heads(&["kernel", "of all kernels", "median", "of most FLOP/s", "of most bytes/s"]))
        tbody { @for kernel in &step.kernels {
            tr {
                th scope="row" { (kernel.kernel) }
                (bar(kernel.share, &tenths(kernel.share)))
                td { (duration(kernel.median_seconds)) }
                td { (tenths(kernel.of_flops)) }
                td { (tenths(kernel.of_bytes)) }
            }
        } }
    };
    html! {
        h3 { "Kernels of a step" }
        p.about {
            "By the GPU's clock: " (duration(step.busy_seconds / steps)) " a step in kernels, "
            (duration(step.span_seconds / steps)) " with the gaps between them."
        }
        (table("Kernels of a step", Some("bars"), &rows))
    }
}

/// Parts of a whole, each with its seconds and its share.
fn shares<'a>(what: &str, of: &str, parts: impl Iterator<Item = (&'a str, f64, f64)>) -> Markup {
    let rows = html! {
        (heads(&[what, "share", "time"]))
        tbody { @for (name, seconds, share) in parts {
            tr { th scope="row" { (name) } (bar(share, &tenths(share))) td { (duration(seconds)) } }
        } }
    };
    table(of, Some("bars"), &rows)
}
