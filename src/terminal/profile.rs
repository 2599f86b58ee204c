//! A profile as tables, at most 100 columns wide.

use std::cmp::Reverse;
use std::fmt::Write as _;

use super::columns::{Column, Row, table};
use crate::device::Record;
use crate::profile::products::Product;
use crate::profile::sweep::{Axis, Sweep};
use crate::profile::{GpuTime, Profile, Report};
use crate::util::text::{bytes, grouped, plural, tenths};

/// Columns of a bar of 100 %.
const BAR: usize = 16;

/// The whole report.
pub fn report(report: &Report) -> String {
    let model = &report.model;
    let mut text = format!("cyclone {} profile\n\n", report.version);
    let mut row = |label: &str, value: String| {
        let _ = writeln!(text, "{label:<12}{value}");
    };
    row("network", model.to_string());
    row("step", format!("{} images, {}", report.batch_size, plural(report.models, "model")));
    row("training", report.technique.clone());
    row("data", format!("{}, {} training images", report.data, grouped(report.images)));
    if let Some(peak) = report.peak_memory {
        row("memory", format!("{} at most, of the process on the host", bytes(peak)));
    }
    text += &throughput(report);
    report.devices.iter().for_each(|profile| text += &device(profile));
    report.sweeps.iter().for_each(|sweep| text += &growth(sweep, &report.devices));
    text
}

/// A table of names and numbers with columns of these widths, the gap before each included.
fn fixed(titles: &[impl AsRef<str>], widths: &[usize], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut columns: Vec<_> =
        titles.iter().zip(widths).map(|(title, &n)| Column::number(title.as_ref(), 0).wide(n, 0)).collect();
    columns[0] = Column::text(titles[0].as_ref(), 0).wide(widths[0], 0);
    table(&columns, &rows.into_iter().map(Row::Cells).collect::<Vec<_>>(), usize::MAX)
}

fn throughput(report: &Report) -> String {
    let titles = ["training", "steps", "µs/step", "spread", "steps/s", "images/s", "GFLOP/s", "of most", "× CPU"];
    let cpu = report.devices.iter().find(|profile| matches!(profile.device, Record::Cpu { .. }));
    let cpu = cpu.map(|profile| profile.throughput.seconds_a_step);
    let rows = report.devices.iter().map(|Profile { name, throughput, ceilings, .. }| {
        let step = throughput.seconds_a_step;
        vec![
            shortened(name, 30),
            throughput.steps.to_string(),
            number(step * 1e6),
            tenths(throughput.seconds.spread()),
            number(1.0 / step),
            number(throughput.images_per_second),
            number(throughput.flops_per_second / 1e9),
            tenths(throughput.flops_per_second / ceilings.flops_per_second),
            cpu.map_or(String::new(), |cpu| number(cpu / step)),
        ]
    });
    let mut text = format!("\n{}", fixed(&titles, &[31, 6, 10, 8, 9, 10, 10, 8, 8], rows));
    if report.models > 1 {
        for Profile { name, throughput, .. } in &report.devices {
            let each = number(throughput.seconds_a_step * 1e6 / report.models as f64);
            let _ = writeln!(text, "{:<31}{each:>16} µs a model-step", shortened(name, 30));
        }
    }
    let rows = report.devices.iter().map(|Profile { name, evaluation, .. }| {
        let image = evaluation.seconds / evaluation.images as f64;
        vec![shortened(name, 30), number(image * 1e6), number(1.0 / image)]
    });
    text + "\n" + &fixed(&["evaluation", "µs/image", "images/s"], &[31, 16, 37], rows)
}

fn device(profile: &Profile) -> String {
    let mut text = format!("\n── {}\n\n{}", profile.name, ceilings(profile));
    if let Some(time) = &profile.step {
        let title = format!("kernels of {}", plural(time.steps as usize, "step"));
        text += &kernels(&title, time);
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
        text += &kernels(&format!("evaluation of {} images", grouped(time.steps)), time);
    }
    if !profile.host.is_empty() {
        let steps = profile.throughput.steps as f64;
        let rows =
            profile.host.iter().map(|phase| (phase.phase.clone(), number(phase.seconds / steps * 1e6), phase.share));
        text += &shares(["host", "µs/step", "share"], rows);
    }
    if !profile.buffers.is_empty() {
        text += &memory(&profile.buffers);
    }
    let total = milliseconds(profile.start_up.seconds);
    let parts = profile.start_up.parts.iter();
    let parts = parts.map(|part| (part.phase.clone(), milliseconds(part.seconds), part.share));
    text + &shares(["start-up to the first step", &total, ""], parts)
}

/// Parts of a whole: each with its name, its size and its share, as a number and as a bar.
fn shares([title, size, share]: [&str; 3], parts: impl Iterator<Item = (String, String, f64)>) -> String {
    let rows = parts.map(|(name, size, share)| vec![format!("  {name}"), size, tenths(share), bar(share)]);
    format!("\n{}", fixed(&[&format!("  {title}"), size, share, ""], &[32, 10, 8, BAR + 2], rows))
}

/// Buffers of at least 1 % of the whole by name, the others together.
fn memory(buffers: &[(String, usize, u64)]) -> String {
    let total = buffers.iter().map(|buffer| buffer.2).sum::<u64>();
    let mut large = buffers.to_vec();
    large.sort_by_key(|buffer| Reverse(buffer.2));
    let small = large.split_off(large.partition_point(|buffer| buffer.2 * 100 >= total));
    let others =
        ("others".to_owned(), small.iter().map(|buffer| buffer.1).sum(), small.iter().map(|buffer| buffer.2).sum());
    let buffers = large.into_iter().chain([others]).filter(|buffer| buffer.1 > 0);
    let rows = buffers.map(|(name, count, size)| {
        let name = if count == 1 { name.clone() } else { format!("{name} ({count})") };
        (name, bytes(size), size as f64 / total.max(1) as f64)
    });
    shares(["GPU memory", &bytes(total), ""], rows)
}

fn ceilings(profile: &Profile) -> String {
    let rows = profile.peaks().into_iter().map(|peak| {
        let value = format!("{} {}", number(peak.value), peak.unit);
        vec![format!("  {}", peak.what), value, peak.spread.map_or_else(String::new, tenths)]
    });
    let title = format!("  most, measured {}", plural(profile.ceiling_rounds.len(), "time"));
    fixed(&[&title, "", "spread"], &[26, 16, 9], rows)
}

fn kernels(title: &str, time: &GpuTime) -> String {
    let rows = time.kernels.iter().map(|kernel| {
        vec![
            format!("  {:<22}{:>7}×", kernel.kernel, grouped(kernel.dispatches)),
            number(kernel.median_seconds * 1e6),
            tenths(kernel.share),
            bar(kernel.share),
            number(kernel.flops_per_second / 1e9),
            tenths(kernel.of_flops),
            number(kernel.bytes_per_second / 1e9),
            tenths(kernel.of_bytes),
        ]
    });
    let titles = [&format!("  {title}"), "µs each", "share", "", "GFLOP/s", "of most", "GB/s", "of most"];
    format!("\n{}", fixed(&titles, &[32, 10, 8, BAR + 2, 9, 8, 8, 8], rows))
}

fn growth(sweep: &Sweep, devices: &[Profile]) -> String {
    let (title, letter) = match sweep.axis {
        Axis::Hidden => ("hidden units", "H"),
        Axis::Batch => ("images of a batch", "B"),
        Axis::Models => ("models", "M"),
        Axis::Depth => ("hidden layers", "L"),
    };
    let by_model = sweep.axis == Axis::Models;
    let (mut titles, mut widths) = (vec![format!("{letter:>8}")], vec![8]);
    for device in 1..=devices.len() {
        titles.extend([format!("[{device}] µs/step"), "GFLOP/s".into()]);
        widths.extend([14, 9]);
        if by_model {
            titles.push("µs/model-step".into());
            widths.push(14);
        }
    }
    let rows = sweep.points.iter().map(|point| {
        let mut row = vec![format!("{:>8}", grouped(point.value))];
        for seconds in &point.seconds {
            let of = |value: &dyn Fn(f64) -> f64| seconds.map_or_else(|| "-".into(), |seconds| number(value(seconds)));
            row.extend([of(&|s| s * 1e6), of(&|s| point.step_flops / s / 1e9)]);
            row.extend(by_model.then(|| of(&|s| s * 1e6 / point.value as f64)));
        }
        row
    });
    let mut text = format!("\n── cost by {title}\n\n{}", fixed(&titles, &widths, rows));
    for (i, profile) in devices.iter().enumerate() {
        let _ = writeln!(text, "  [{}] {}", i + 1, profile.name);
    }
    text + "  -   left out: does not fit the device, or takes too long there\n"
}

/// The products of `--matmul`.
pub fn products(products: &[Product]) -> String {
    let titles = ["  kernel", "B", "D", "columns", "error", "µs", "spread", "GFLOP/s", "of most"];
    let mut text =
        String::from("Every product agreed with f64 before it was timed; error is a share of the tolerance.\n");
    for products in products.chunk_by(|a, b| a.device == b.device) {
        let rows = products.iter().map(|product| {
            vec![
                format!("  {} {}", product.kernel, product.tuning),
                product.batch_size.to_string(),
                product.inputs.to_string(),
                product.columns.to_string(),
                tenths(product.error),
                number(product.seconds.median() * 1e6),
                tenths(product.seconds.spread()),
                number(product.flops_per_second / 1e9),
                tenths(product.of_flops),
            ]
        });
        let _ = write!(text, "\n{}\n{}", products[0].device, fixed(&titles, &[22, 6, 7, 9, 9, 12, 8, 10, 9], rows));
    }
    text
}

/// Three digits, thousands apart, at most four after the point: `12,345`, `123`, `12.3`, `1.23`, `0.0123`.
fn number(value: f64) -> String {
    let digits = if value > 0.0 { (2 - value.log10().floor() as i32).clamp(0, 4) as usize } else { 0 };
    if value >= 1000.0 { grouped(value.round() as u64) } else { format!("{value:.digits$}") }
}

fn milliseconds(seconds: f64) -> String {
    format!("{} ms", number(seconds * 1e3))
}

/// As wide as [`BAR`].
fn bar(share: f64) -> String {
    let full = (share * BAR as f64).round().clamp(0.0, BAR as f64) as usize;
    format!("{:<BAR$}", "█".repeat(full))
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
    fn a_bar_is_as_wide_as_its_column() {
        let full = |share| bar(share).matches('█').count();
        assert_eq!([0.0, 0.5, 1.0, 7.0].map(full), [0, BAR / 2, BAR, BAR]);
        assert_eq!(bar(0.5).chars().count(), BAR);
        assert_eq!(shortened("llvmpipe (LLVM)", 9), "llvmpipe…");
    }
}
