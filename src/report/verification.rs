//! What `verify --json` printed.

use std::path::Path;

use maud::{Markup, html};
use serde::Deserialize;
use serde_json::Value;

use super::runs::device;
use super::{Card, Charts, Section, Subject, bar, duration, facts, percent, tenths};
use crate::chart::{Axis, Chart, Mark, Panel, Point, Series};
use crate::device::Record;
use crate::error::{Error, Result};
use crate::spec::grouped;

/// Tensors in the order in which a step's weights are compared.
const TENSORS: [&str; 4] = ["W1", "b1", "W2", "b2"];

/// The part of the document that is shown.
#[derive(Deserialize)]
struct Document {
    version: String,
    device: Record,
    #[serde(default)]
    level: Option<String>,
    #[serde(default)]
    seconds: Option<f64>,
    #[serde(default)]
    stopped: Option<String>,
    #[serde(default)]
    checks: Vec<Check>,
    #[serde(default)]
    mutants: Vec<Hunted>,
    #[serde(default)]
    comparison: Option<Comparison>,
}

#[derive(Deserialize)]
struct Check {
    name: String,
    group: String,
    #[serde(default)]
    skipped: Option<String>,
    findings: Vec<Finding>,
    seconds: f64,
}

/// A finding; numbers that were not finite are missing.
#[derive(Deserialize)]
struct Finding {
    what: String,
    #[serde(flatten)]
    outcome: Outcome,
}

#[derive(Deserialize)]
struct Outcome {
    unit: String,
    error: Option<f64>,
    tolerance: Option<f64>,
    fault: Option<Value>,
}

impl Outcome {
    /// The worst error as a share of what is allowed; none where that says nothing.
    fn share(&self) -> Option<f64> {
        let (error, tolerance) = (self.error?, self.tolerance?);
        if error == 0.0 { Some(0.0) } else { (tolerance > 0.0).then(|| error / tolerance) }
    }
}

#[derive(Deserialize)]
struct Hunted {
    mutant: String,
    kernel: String,
    race: bool,
    caught: Option<Value>,
}

/// A training taken through both engines.
#[derive(Deserialize)]
struct Comparison {
    steps: Vec<Both>,
    report: Check,
    part: String,
    images: usize,
    agreement: f64,
    gpu_accuracy: f64,
    cpu_accuracy: f64,
}

/// What both engines had at one step.
#[derive(Deserialize)]
struct Both {
    step: u64,
    gpu_loss: f64,
    cpu_loss: f64,
    weights: Vec<Outcome>,
}

/// A verification's document.
pub(super) struct Verification {
    /// What people call it.
    pub name: String,
    document: Document,
}

impl Verification {
    pub(super) fn read(name: String, path: &Path, value: Value) -> Result<Self> {
        let document = serde_json::from_value(value).map_err(|error| {
            Error::checkpoint(path, format!("{error}; expected what cyclone verify --json prints. Print it again"))
        })?;
        Ok(Self { name, document })
    }
}

impl Subject for Verification {
    fn title(&self) -> String {
        format!("Verification {}", self.name)
    }

    fn cards(&self) -> Vec<Card> {
        let Document { checks, mutants, seconds, .. } = &self.document;
        let mut cards = Vec::new();
        if !checks.is_empty() {
            let (failed, skipped) = (count(checks, Check::failed), count(checks, |check| check.skipped.is_some()));
            let passed = checks.len() - failed - skipped;
            let note = format!(
                "{failed} failed, {skipped} skipped{}",
                seconds.map_or_else(String::new, |s| format!(", {}", duration(s)))
            );
            cards.push(Card::new(
                "Checks passed",
                format!("{} of {}", grouped(passed as u64), grouped(checks.len() as u64)),
                note,
            ));
        }
        if !mutants.is_empty() {
            let caught = mutants.iter().filter(|mutant| mutant.caught.is_some()).count();
            cards.push(Card::new("Wrong kernels caught", format!("{caught} of {}", mutants.len()), ""));
        }
        if let Some(comparison) = &self.document.comparison {
            cards.push(Card::new(
                "Same answers on GPU and CPU",
                percent(comparison.agreement),
                format!("of {} {} images", grouped(comparison.images as u64), comparison.part),
            ));
        }
        cards.push(Card::new("Checked device", device(&self.document.device), ""));
        cards
    }

    fn sections(&self, charts: &mut Charts) -> Result<Vec<Section>> {
        let Document { checks, mutants, comparison, .. } = &self.document;
        let mut body = html! {
            (facts(&[
                ("device", device(&self.document.device)),
                ("level", self.document.level.clone().unwrap_or_else(|| "–".into())),
                ("version", format!("cyclone {}", self.document.version)),
            ]))
            @if let Some(stopped) = &self.document.stopped {
                p.warning { "Stopped before all checks were done: " (stopped) }
            }
        };
        if !checks.is_empty() {
            body = html! { (body) (groups(checks)) };
        }
        if let Some(comparison) = comparison {
            body = html! { (body) (both(comparison, &self.name, charts)) (groups(std::slice::from_ref(&comparison.report))) };
        }
        if !mutants.is_empty() {
            body = html! { (body) (hunted(mutants)) };
        }
        Ok(vec![Section { title: format!("GPU against CPU: {}", self.name), body }])
    }
}

impl Check {
    fn failed(&self) -> bool {
        self.findings.iter().any(|finding| finding.outcome.fault.is_some())
    }
}

fn count(checks: &[Check], of: impl Fn(&Check) -> bool) -> usize {
    checks.iter().filter(|check| of(check)).count()
}

/// A row for each kind of comparison, with the share of its tolerance that the worst used.
fn groups(checks: &[Check]) -> Markup {
    let mut rows: Vec<(&str, &Finding, Vec<&Finding>)> = Vec::new();
    for check in checks {
        for finding in &check.findings {
            let same = |row: &&mut (&str, &Finding, Vec<&Finding>)| {
                row.0 == check.group && row.1.what == finding.what && row.1.outcome.unit == finding.outcome.unit
            };
            match rows.iter_mut().find(same) {
                Some(row) => row.2.push(finding),
                None => rows.push((&check.group, finding, vec![finding])),
            }
        }
    }
    html! {
        div.scroll tabindex="0" { table.bars {
            thead { tr {
                th scope="col" { "checks" }
                th scope="col" { "compared" }
                th scope="col" { "cases" }
                th scope="col" { "worst error, of what is allowed" }
                th scope="col" { "unit" }
                th scope="col" { "verdict" }
            } }
            tbody {
                @for (group, first, findings) in &rows {
                    @let failed = findings.iter().filter(|finding| finding.outcome.fault.is_some()).count();
                    @let worst = findings.iter().filter_map(|finding| finding.outcome.share()).fold(0.0, f64::max);
                    tr {
                        th scope="row" { (group) } td.word { (first.what) } td { (findings.len()) }
                        (bar(worst, &tenths(worst)))
                        td.word { (first.outcome.unit) }
                        @if failed == 0 { td.good { "ok" } } @else { td.bad { (failed) " FAILED" } }
                    }
                }
            }
        } }
        @let skipped = checks.iter().filter(|check| check.skipped.is_some());
        @if count(checks, |check| check.skipped.is_some()) > 0 {
            details {
                summary { "Skipped" }
                ul { @for check in skipped { li { (check.name) ": " (check.skipped.as_deref().unwrap_or_default()) } } }
            }
        }
        @if count(checks, Check::failed) > 0 {
            details open {
                summary { "Failed" }
                ul { @for check in checks.iter().filter(|check| check.failed()) {
                    li { (check.name) " (" (duration(check.seconds)) ")" }
                } }
            }
        }
    }
}

/// One training on both engines, step by step.
fn both(comparison: &Comparison, name: &str, charts: &mut Charts) -> Markup {
    let series = |label: &str, look, value: &dyn Fn(&Both) -> Option<f64>| Series {
        label: label.to_owned(),
        look,
        mark: Mark::Line,
        points: comparison
            .steps
            .iter()
            .filter_map(|step| Some(Point::new(step.step as f64, value(step)?)))
            .filter(|point| point.y.is_finite())
            .collect(),
    };
    let chart = |what: &str, title: &str, y: Axis, all: Vec<Series>| Chart {
        name: format!("{name}-{what}"),
        title: title.to_owned(),
        description: format!("{title}, over {} steps.", comparison.steps.len()),
        x: Axis::count("step"),
        panels: vec![Panel::new(y, all)],
        marks: Vec::new(),
        range: None,
    };
    let losses =
        vec![series("CPU, f64", 0, &|step| Some(step.cpu_loss)), series("GPU", 1, &|step| Some(step.gpu_loss))];
    // The logarithm has no place for a difference of 0.
    let errors = TENSORS
        .iter()
        .enumerate()
        .map(|(place, name)| series(name, place, &|step| step.weights.get(place)?.error.filter(|error| *error > 0.0)));
    html! {
        p.about {
            "The same training on the GPU and on the CPU engine in f64, from the same weights on the same batches. Of "
            (grouped(comparison.images as u64)) " "
            (comparison.part) " images the GPU classifies " (percent(comparison.gpu_accuracy)) " rightly, the reference "
            (percent(comparison.cpu_accuracy)) "."
        }
        div.figures {
            (charts.add(chart("losses", "Loss of each batch", Axis::new("loss, in nats"), losses)))
            (charts.add(chart("weights", "Difference of the weights", Axis::log("share of the norm"), errors.collect())))
        }
    }
}

fn hunted(mutants: &[Hunted]) -> Markup {
    html! {
        h3 { "Wrong kernels" }
        p.about { "Each is a shader with one edit that makes it wrong; the checks must catch it." }
        div.scroll tabindex="0" { table {
            thead { tr { th scope="col" { "kernel" } th scope="col" { "edit" } th scope="col" { "caught" } } }
            tbody { @for mutant in mutants {
                tr {
                    th scope="row" { (mutant.kernel) } td.word { (mutant.mutant) }
                    @if mutant.caught.is_some() {
                        td.good { "yes" }
                    } @else if mutant.race {
                        td { "not on this device: a race" }
                    } @else {
                        td.bad { "SURVIVED" }
                    }
                }
            } }
        } }
    }
}
