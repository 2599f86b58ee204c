//! A profile as tables, at most 100 columns wide.

use std::cmp::Reverse;
use std::fmt::Write as _;

use crate::device::Record;
use crate::profile::products::Product;
use crate::profile::sweep::{Axis, Sweep};
use crate::profile::{Ceilings, GpuTime, Profile, Report};
use crate::util::text::{bytes, grouped, plural, tenths};

/// Columns of a bar of 100 %.
const BAR: usize = 16;

/// The whole report.
pub fn report(report: &Report) -> String {
    let model = report.model;
    let mut text = format!("cyclone {} profile\n\n", report.version);
    let mut row = |label: &str, value: String| {
        let _ = writeln!(text, "{label:<12}{value}");
    };
    row("network", format!("{}-{}-{}", model.inputs, model.hidden, model.classes));
    row("step", format!("{} images, {}", report.batch_size, plural(report.models, "model")));
    row("data", format!("{}, {} training images", report.data, grouped(report.images as u64)));
    if let Some(peak) = report.peak_memory {
        row("memory", format!("{} at most, of the process on the host", bytes(peak.into())));
    }
    text.push_str(&throughput(report));
    for profile in &report.devices {
        text.push_str(&device(profile));
    }
    for sweep in &report.sweeps {
        text.push_str(&growth(sweep, &report.devices));
    }
    trimmed(&text)
}

/// Without spaces at the ends of lines.
fn trimmed(text: &str) -> String {
    text.lines().flat_map(|line| [line.trim_end(), "\n"]).collect()
}

fn throughput(report: &Report) -> String {
    let mut text = format!(
        "\n{:<31}{:>6}{:>10}{:>8}{:>9}{:>10}{:>10}{:>8}{:>8}\n",
        "training", "steps", "µs/step", "spread", "steps/s", "images/s", "GFLOP/s", "of most", "× CPU"
    );
    let cpu = report.devices.iter().find(|profile| matches!(profile.device, Record::Cpu { .. }));
    let cpu = cpu.map(|profile| profile.throughput.seconds_a_step);
    for profile in &report.devices {
        let Profile { throughput, ceilings, .. } = profile;
        let step = throughput.seconds_a_step;
        let _ = writeln!(
            text,
            "{:<31}{:>6}{:>10}{:>8}{:>9}{:>10}{:>10}{:>8}{:>8}",
            shortened(&profile.name, 30),
            throughput.steps,
            number(step * 1e6),
            tenths(throughput.seconds.spread()),
            number(1.0 / step),
            number(throughput.images_per_second),
            number(throughput.flops_per_second / 1e9),
            tenths(throughput.flops_per_second / ceilings.flops_per_second),
            cpu.map_or(String::new(), |cpu| number(cpu / step)),
        );
    }
    if report.models > 1 {
        for Profile { name, throughput, .. } in &report.devices {
            let each = number(throughput.seconds_a_step * 1e6 / report.models as f64);
            let _ = writeln!(text, "{:<31}{each:>16} µs a model-step", shortened(name, 30));
        }
    }
    let _ = writeln!(text, "\n{:<31}{:>16}{:>37}", "evaluation", "µs/image", "images/s");
    for Profile { name, evaluation, .. } in &report.devices {
        let image = evaluation.seconds / evaluation.images as f64;
        let _ = writeln!(text, "{:<31}{:>16}{:>37}", shortened(name, 30), number(image * 1e6), number(1.0 / image));
    }
    text
}

fn device(profile: &Profile) -> String {
    let mut text = format!("\n── {}\n\n{}", profile.name, ceilings(&profile.ceilings));
    if let Some(time) = &profile.step {
        let title = format!("kernels of {}", plural(time.steps as usize, "step"));
        text.push_str(&kernels(&title, time));
        let steps = time.steps as f64 / 1e6;
        let [busy, span] = [time.busy_seconds / steps, time.span_seconds / steps];
        let _ = writeln!(
            text,
            "  a step: {} µs in kernels, {} with gaps (the longest {}); {} by the host's clock, without timestamps",
            number(busy),
            number(span),
            number(time.longest_gap_seconds * 1e6),
            number(profile.throughput.seconds_a_step * 1e6),
        );
    }
    if let Some(time) = &profile.evaluated {
        text.push_str(&kernels(&format!("evaluation of {} images", grouped(time.steps)), time));
    }
    if !profile.host.is_empty() {
        let _ = writeln!(text, "\n  {:<30}{:>10}{:>8}", "host", "µs/step", "share");
        for phase in &profile.host {
            let each = phase.seconds / profile.throughput.steps as f64 * 1e6;
            let (share, bar) = (tenths(phase.share), bar(phase.share));
            let _ = writeln!(text, "  {:<30}{:>10}{share:>8}  {bar}", phase.phase, number(each));
        }
    }
    if !profile.buffers.is_empty() {
        text.push_str(&memory(&profile.buffers));
    }
    let total = profile.start_up.total();
    let _ = writeln!(text, "\n  {:<30}{:>10}", "start-up to the first step", milliseconds(total));
    for (name, seconds) in profile.start_up.parts() {
        let share = seconds / total;
        let _ = writeln!(text, "  {name:<30}{:>10}{:>8}  {}", milliseconds(seconds), tenths(share), bar(share));
    }
    text
}

/// Buffers of at least 1 % of the whole by name, the others together.
fn memory(buffers: &[(&'static str, usize, u64)]) -> String {
    let total = buffers.iter().map(|buffer| buffer.2).sum::<u64>();
    let mut large = buffers.to_vec();
    large.sort_by_key(|buffer| Reverse(buffer.2));
    let small = large.split_off(large.partition_point(|buffer| buffer.2 * 100 >= total));
    let others = ("others", small.iter().map(|buffer| buffer.1).sum(), small.iter().map(|buffer| buffer.2).sum());
    let mut text = format!("\n  {:<30}{:>10}\n", "GPU memory", bytes(total.into()));
    for (name, count, size) in large.into_iter().chain([others]).filter(|buffer| buffer.1 > 0) {
        let name = if count == 1 { name.to_owned() } else { format!("{name} ({count})") };
        let share = size as f64 / total.max(1) as f64;
        let _ = writeln!(text, "  {name:<30}{:>10}{:>8}  {}", bytes(size.into()), tenths(share), bar(share));
    }
    text
}

fn ceilings(ceilings: &Ceilings) -> String {
    let arithmetic = if ceilings.dispatch_seconds.is_some() { "multiply-add" } else { "matrix product in cache" };
    let mut text = format!(
        "  most, measured now: {} GFLOP/s ({arithmetic}), {} GB/s (copy)",
        number(ceilings.flops_per_second / 1e9),
        number(ceilings.bytes_per_second / 1e9),
    );
    if let Some(seconds) = ceilings.dispatch_seconds {
        let _ = write!(text, "; an empty dispatch {} µs", number(seconds * 1e6));
    }
    text.push('\n');
    text
}

fn kernels(title: &str, time: &GpuTime) -> String {
    let mut text = format!(
        "\n  {title:<30}{:>10}{:>8}  {:<BAR$}{:>9}{:>8}{:>8}{:>8}\n",
        "µs each", "share", "", "GFLOP/s", "of most", "GB/s", "of most"
    );
    for kernel in &time.kernels {
        let _ = writeln!(
            text,
            "  {:<22}{:>7}×{:>10}{:>8}  {:<BAR$}{:>9}{:>8}{:>8}{:>8}",
            kernel.kernel,
            grouped(kernel.dispatches as u64),
            number(kernel.median_seconds * 1e6),
            tenths(kernel.share),
            bar(kernel.share),
            number(kernel.flops_per_second / 1e9),
            tenths(kernel.of_flops),
            number(kernel.bytes_per_second / 1e9),
            tenths(kernel.of_bytes),
        );
    }
    text
}

fn growth(sweep: &Sweep, devices: &[Profile]) -> String {
    let (title, letter) = match sweep.axis {
        Axis::Hidden => ("hidden units", "H"),
        Axis::Batch => ("images of a batch", "B"),
        Axis::Models => ("models", "M"),
    };
    let mut text = format!("\n── cost by {title}\n\n  {letter:>6}");
    for device in 1..=devices.len() {
        let _ = write!(text, "{:>14}{:>9}", format!("[{device}] µs/step"), "GFLOP/s");
        if sweep.axis == Axis::Models {
            let _ = write!(text, "{:>14}", "µs/model-step");
        }
    }
    text.push('\n');
    for point in &sweep.points {
        let _ = write!(text, "  {:>6}", grouped(point.value as u64));
        for seconds in &point.seconds {
            let of = |value: &dyn Fn(f64) -> f64| seconds.map_or_else(|| "-".into(), |seconds| number(value(seconds)));
            let _ = write!(text, "{:>14}{:>9}", of(&|s| s * 1e6), of(&|s| point.step_flops / s / 1e9));
            if sweep.axis == Axis::Models {
                let _ = write!(text, "{:>14}", of(&|s| s * 1e6 / point.value as f64));
            }
        }
        text.push('\n');
    }
    for (i, profile) in devices.iter().enumerate() {
        let _ = writeln!(text, "  [{}] {}", i + 1, profile.name);
    }
    text.push_str("  -   left out: does not fit the device, or takes too long there\n");
    text
}

/// The products of `--matmul`.
pub fn products(products: &[Product]) -> String {
    let mut text =
        String::from("Every product agreed with f64 before it was timed; error is a share of the tolerance.\n");
    let mut device = "";
    for product in products {
        if device != product.device {
            device = &product.device;
            let _ = writeln!(
                text,
                "\n{device}\n  {:<20}{:>6}{:>7}{:>9}{:>9}{:>12}{:>8}{:>10}{:>9}",
                "kernel", "B", "D", "columns", "error", "µs", "spread", "GFLOP/s", "of most"
            );
        }
        let _ = writeln!(
            text,
            "  {:<20}{:>6}{:>7}{:>9}{:>9}{:>12}{:>8}{:>10}{:>9}",
            format!("{} {}", product.kernel, product.tuning),
            product.batch_size,
            product.inputs,
            product.columns,
            tenths(product.error),
            number(product.seconds.median() * 1e6),
            tenths(product.seconds.spread()),
            number(product.flops_per_second / 1e9),
            tenths(product.of_flops),
        );
    }
    text
}

/// Three digits, thousands apart, at most four behind the point: `12,345`, `123`, `12.3`, `1.23`, `0.0123`.
fn number(value: f64) -> String {
    let digits = if value > 0.0 { (2 - value.log10().floor() as i32).clamp(0, 4) as usize } else { 0 };
    if value >= 1000.0 { grouped(value.round() as u64) } else { format!("{value:.digits$}") }
}

fn milliseconds(seconds: f64) -> String {
    format!("{} ms", number(seconds * 1e3))
}

fn bar(share: f64) -> String {
    "█".repeat((share * BAR as f64).round().clamp(0.0, BAR as f64) as usize)
}

/// At most `width` characters, the last a sign that some are missing.
fn shortened(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    text.chars().take(width - 1).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_three_digits() {
        let written: Vec<_> = [0.0, 0.012_345, 0.5, 1.234, 12.34, 123.4, 1234.0, 12_345.6].map(number).into();
        assert_eq!(written, ["0", "0.0123", "0.500", "1.23", "12.3", "123", "1,234", "12,346"]);
    }

    #[test]
    fn a_bar_is_never_wider_than_its_column() {
        assert_eq!([0.0, 0.5, 1.0, 7.0].map(|share| bar(share).chars().count()), [0, BAR / 2, BAR, BAR]);
        assert_eq!(shortened("llvmpipe (LLVM)", 9), "llvmpipe…");
    }
}
