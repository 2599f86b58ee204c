//! What `verify --json` printed.

use maud::{Markup, html};
use serde::Deserialize;
use serde_json::Value;

use super::parts::{Card, Charts, Section, Subject, bar, facts, heads, table};
use super::text::{device, duration, percent, tenths};
use crate::device::Record;
use crate::error::Result;
use crate::model::params::symbol;
use crate::report::chart::{Axis, Chart, Mark, Panel, Point, Series};
use crate::util::text::grouped;

/// The unit of what must be equal.
const EQUAL: &str = "equal";

/// The part of the document that is shown.
#[derive(Deserialize)]
pub(super) struct Document {
    version: String,
    device: Record,
    level: Option<String>,
    seconds: Option<f64>,
    stopped: Option<String>,
    #[serde(default)]
    checks: Vec<Check>,
    #[serde(default)]
    mutants: Vec<Hunted>,
    comparison: Option<Comparison>,
}

#[derive(Deserialize)]
struct Check {
    name: String,
    group: String,
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

pub(super) struct Verification {
    pub name: String,
    pub document: Document,
}

impl Subject for Verification {
    fn title(&self) -> String {
        format!("Verification {}", self.name)
    }

    fn notices(&self) -> Vec<String> {
        let Document { stopped, checks, comparison, .. } = &self.document;
        let mut notices = Vec::new();
        if let Some(stopped) = stopped {
            notices.push(format!("{}: stopped before all checks were done: {stopped}", self.name));
        }
        let failed = checks.iter().chain(comparison.iter().map(|both| &both.report)).filter(|one| one.failed()).count();
        if failed > 0 {
            notices.push(format!("{}: {failed} checks FAILED.", self.name));
        }
        notices
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
            cards.push(Card::new("Checks passed", format!("{} of {}", grouped(passed), grouped(checks.len())), note));
        }
        if !mutants.is_empty() {
            let caught = mutants.iter().filter(|mutant| mutant.caught.is_some()).count();
            cards.push(Card::new("Wrong kernels caught", format!("{caught} of {}", mutants.len()), ""));
        }
        if let Some(comparison) = &self.document.comparison {
            cards.push(Card::new(
                "Same answers on GPU and CPU",
                percent(comparison.agreement),
                format!("of {} {} images", grouped(comparison.images), comparison.part),
            ));
        }
        cards.push(Card::new("Checked device", device(&self.document.device), ""));
        cards
    }

    fn sections(&self, charts: &mut Charts) -> Result<Vec<Section>> {
        let Document { checks, mutants, comparison, .. } = &self.document;
        let body = html! {
            (facts(&[
                ("device", device(&self.document.device)),
                ("level", self.document.level.clone().unwrap_or_else(|| "–".into())),
                ("version", format!("cyclone {}", self.document.version)),
            ]))
            @if !checks.is_empty() { (groups(checks)) }
            @if let Some(comparison) = comparison {
                (both(comparison, &self.name, charts)) (groups(std::slice::from_ref(&comparison.report)))
            }
            @if !mutants.is_empty() { (hunted(mutants)) }
        };
        Ok(vec![Section::new(format!("GPU against CPU: {}", self.name), body)])
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

/// Findings of one kind in a group of checks.
struct Row<'a> {
    group: &'a str,
    what: &'a str,
    unit: &'a str,
    findings: Vec<&'a Finding>,
}

fn rows(checks: &[Check]) -> Vec<Row<'_>> {
    let mut rows: Vec<Row<'_>> = Vec::new();
    for (check, finding) in checks.iter().flat_map(|check| check.findings.iter().map(move |finding| (check, finding))) {
        let key = (check.group.as_str(), finding.what.as_str(), finding.outcome.unit.as_str());
        match rows.iter_mut().find(|row| (row.group, row.what, row.unit) == key) {
            Some(row) => row.findings.push(finding),
            None => rows.push(Row { group: key.0, what: key.1, unit: key.2, findings: vec![finding] }),
        }
    }
    rows
}

/// A row for each kind of comparison, with the share of its tolerance that the worst used.
fn groups(checks: &[Check]) -> Markup {
    let all = rows(checks);
    // What is demanded exactly of integers, and only closely of other numbers.
    let is_exact = |row: &Row<'_>| {
        row.unit == EQUAL && all.iter().filter(|other| (other.group, other.what) == (row.group, row.what)).count() > 1
    };
    let body = html! {
        (heads(&["checks", "<compared", "cases", "worst error, of what is allowed", "<unit", "verdict"]))
        @for group in all.chunk_by(|a, b| a.group == b.group) {
            tbody {
                @for (place, row) in group.iter().enumerate() {
                    @let failed = row.findings.iter().filter(|finding| finding.outcome.fault.is_some()).count();
                    @let worst = row.findings.iter().filter_map(|finding| finding.outcome.share()).fold(0.0, f64::max);
                    tr.first[place == 0] {
                        th scope="row" { @if place == 0 { (row.group) } @else { span.unseen { (row.group) } } }
                        td.word { (row.what) @if is_exact(row) { ", exact" } }
                        td { (grouped(row.findings.len())) }
                        (bar(worst, &tenths(worst)))
                        td.word { (row.unit) }
                        @if failed == 0 { td.good { "ok" } } @else { td.bad { (failed) " FAILED" } }
                    }
                }
            }
        }
    };
    html! {
        (table("Comparisons", Some("bars parted"), &body))
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
    let chart = |what: &str, title: &str, y: Axis, all: Vec<Series>| {
        let description = format!("{title}, over {} steps.", comparison.steps.len());
        Chart::new(format!("{name}-{what}"), title, description, Axis::count("step"), vec![Panel::new(y, all)])
    };
    let losses =
        vec![series("CPU, f64", 0, &|step| Some(step.cpu_loss)), series("GPU", 1, &|step| Some(step.gpu_loss))];
    // The logarithm has no place for a difference of 0.
    let tensors = comparison.steps.first().map_or(0, |step| step.weights.len());
    let error = |place: usize| {
        series(&symbol(place), place, &|step| step.weights.get(place)?.error.filter(|error| *error > 0.0))
    };
    let errors = (0..tensors).map(error);
    html! {
        p.about {
            "The same training on the GPU and on the CPU engine in f64, from the same weights on the same batches. Of "
            (grouped(comparison.images)) " "
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
    let rows = html! {
        (heads(&["kernel", "<edit", "caught"]))
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
    };
    html! {
        h3 { "Wrong kernels" }
        p.about { "Each is a shader with one edit that makes it wrong; the checks must catch it." }
        (table("Wrong kernels", None, &rows))
    }
}
