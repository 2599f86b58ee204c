//! A training on both engines, step by step, as a table.

use std::fmt::Write as _;

use super::checks;
use super::columns::{Column, Row, table, wrapped};
use crate::model::params::symbol;
use crate::util::text::percent;
use crate::verify::own_run::Comparison;
use crate::verify::paired_run::Step;

const COLUMNS: [Column<'_>; 8] = [
    Column::number("step", 0),
    Column::number("rate", 4),
    Column::number("loss GPU", 0),
    Column::number("loss CPU f64", 0),
    Column::number("relative", 0),
    Column::number("weights", 1),
    Column::number("allowed", 2),
    Column::text("", 3),
];

/// Some of the steps, then figures over all of them, within `width` columns.
pub fn comparison(comparison: &Comparison, software: bool, width: usize) -> String {
    let rows: Vec<Row> = some(&comparison.steps).map(row).collect();
    let mut text = table(&COLUMNS, &rows, width);
    text.push('\n');
    text.push_str(&wrapped(
        "relative: the losses' difference as a share of the CPU's. weights: ‖GPU − CPU‖ / ‖CPU‖ after the step, of the \
         tensor that differs most. Losses are those of the step's batch, before its update.",
        0,
        width,
    ));
    let report = std::slice::from_ref(&comparison.report);
    text + "\n"
        + &checks::findings(report, width)
        + &checks::notes(report, width)
        + "\n"
        + &figures(comparison, software, width)
}

/// About ten steps, including the first and the last.
fn some(steps: &[Step]) -> impl Iterator<Item = &Step> {
    let every = steps.len().div_ceil(10).max(1);
    let last = steps.len() - 1;
    steps.iter().enumerate().filter(move |(i, _)| i % every == 0 || *i == last).map(|(_, step)| step)
}

fn row(step: &Step) -> Row {
    let weights = step.weights.iter().map(|outcome| outcome.error).fold(0.0, f64::max);
    let verdict = match (step.passed(), step.judged) {
        (true, _) => "ok",
        (false, true) => "FAILED",
        (false, false) => "a ReLU switched",
    };
    Row::Cells(vec![
        step.step.to_string(),
        format!("{:.6}", step.rate),
        format!("{:.7}", step.gpu_loss),
        format!("{:.7}", step.cpu_loss),
        format!("{:.1e}", step.relative()),
        format!("{weights:.1e}"),
        format!("{:.1e}", step.weights[0].tolerance),
        verdict.into(),
    ])
}

fn figures(comparison: &Comparison, software: bool, width: usize) -> String {
    let Comparison { steps, part, images, agreement, .. } = comparison;
    let mut text = String::new();
    let worst = steps.iter().max_by(|a, b| a.relative().total_cmp(&b.relative()));
    if let (Some(worst), Some(last)) = (worst, steps.last()) {
        let _ = writeln!(
            text,
            "losses       largest relative difference {:.1e}, in step {} of {}",
            worst.relative(),
            worst.step,
            steps.len()
        );
        let tensors =
            last.weights.iter().zip((0..).map(symbol)).map(|(outcome, name)| format!("{name} {:.1e}", outcome.error));
        let line = format!("weights      differ at the end by {} (normwise)", tensors.collect::<Vec<_>>().join(", "));
        text.push_str(&wrapped(&line, 13, width));
    }
    let Comparison { gpu_microseconds: gpu, cpu_microseconds: cpu, .. } = comparison;
    let [agreement, gpu_right, cpu_right] = [*agreement, comparison.gpu_accuracy, comparison.cpu_accuracy].map(percent);
    let mut lines = vec![
        format!(
            "predictions  the same for {agreement} of {images} {part} images; right: GPU {gpu_right}, CPU {cpu_right}"
        ),
        format!("time a step  GPU {gpu:.0} µs (all steps in one call), CPU in f64 {cpu:.0} µs"),
    ];
    lines.extend(software.then(|| {
        "             the adapter is software, on the same processor: its time says nothing about a GPU's".to_owned()
    }));
    lines.iter().fold(text, |text, line| text + &wrapped(line, 13, width))
}
