//! The referee's findings as tables.

use std::fmt::Write as _;

use super::columns::{Column, Row, table, wrapped};
use crate::error::shown;
use crate::proof::Finding;
use crate::proof::compare::Unit;
use crate::util::text::{plural, tenths};
use crate::verify::Report;

const COLUMNS: [Column<'_>; 7] = [
    Column::text("check", 0),
    Column::number("cases", 3),
    Column::text("worst at", 2),
    Column::number("error", 1),
    Column::text("allowed", 4),
    Column::number("used", 0),
    Column::text("", 0),
];

/// All comparisons of one kind in a group.
struct Line<'a> {
    what: &'static str,
    unit: Unit,
    cases: usize,
    worst: (&'a Report, &'a Finding),
    failed: bool,
}

/// One line per kind of comparison, group by group, within `width` columns.
pub fn findings(reports: &[Report], width: usize) -> String {
    let mut rows = Vec::new();
    for group in reports.chunk_by(|a, b| a.group == b.group) {
        rows.push(Row::Heading(heading(group)));
        let lines = lines(group);
        // What must be exact for integers, but only close for other inputs.
        let exact = |line: &Line<'_>| {
            line.unit == Unit::Equal && lines.iter().filter(|other| other.what == line.what).count() > 1
        };
        rows.extend(lines.iter().map(|line| line.row(exact(line))));
    }
    let mut text = table(&COLUMNS, &rows, width);
    if reports.iter().flat_map(|report| &report.findings).any(|finding| finding.outcome.unit == Unit::Gauge) {
        text.push('\n');
        text.push_str(&wrapped(
            "gauge: the sum of the absolute values of what is added up, u = 2^-24. \
             exact: inputs are small integers, and results must be equal. normwise: ‖got − expected‖ / ‖expected‖.",
            0,
            width,
        ));
    }
    text
}

fn heading(group: &[Report]) -> String {
    let seconds: f64 = group.iter().map(|report| report.seconds).sum();
    let name = group[0].group;
    match group.len() {
        1 => format!("{name}, {seconds:.1} s"),
        checks => format!("{name}, {checks} checks, {seconds:.1} s"),
    }
}

fn lines(group: &[Report]) -> Vec<Line<'_>> {
    let mut lines: Vec<Line<'_>> = Vec::new();
    for (report, finding) in
        group.iter().flat_map(|report| report.findings.iter().map(move |finding| (report, finding)))
    {
        let (what, unit) = (finding.what, finding.outcome.unit);
        let failed = !finding.outcome.passed();
        match lines.iter_mut().find(|line| (line.what, line.unit) == (what, unit)) {
            None => lines.push(Line { what, unit, cases: 1, worst: (report, finding), failed }),
            Some(line) => {
                line.cases += 1;
                line.failed |= failed;
                if finding.outcome.share() > line.worst.1.outcome.share() {
                    line.worst = (report, finding);
                }
            }
        }
    }
    lines
}

impl Line<'_> {
    fn row(&self, exact: bool) -> Row {
        let (report, finding) = self.worst;
        let outcome = &finding.outcome;
        let right = self.unit == Unit::Equal && !self.failed;
        Row::Cells(vec![
            format!("  {}{}", self.what, if exact { ", exact" } else { "" }),
            self.cases.to_string(),
            if right { "-".into() } else { place(report, finding) },
            if outcome.error.is_finite() { self.unit.number(outcome.error) } else { "-".into() },
            self.unit.allowed(outcome.tolerance),
            used(outcome.share()),
            if self.failed { "FAILED".into() } else { "ok".into() },
        ])
    }
}

/// Where in its group: a kernel's shape, or a check and the place in it.
fn place(report: &Report, finding: &Finding) -> String {
    let parts = [shape(&report.name), &finding.at].into_iter().filter(|part| !part.is_empty());
    parts.collect::<Vec<_>>().join(", ")
}

/// What stands after the group in a check's name: `D37-H5-C3-M1-B13` of a kernel.
pub(super) fn shape(name: &str) -> &str {
    let shape = name.split('/').nth(1).unwrap_or_default();
    shape.strip_suffix("-shared").unwrap_or(shape)
}

fn used(share: f64) -> String {
    match share {
        0.0 => "0 %".into(),
        share if share < 0.001 => "<.1 %".into(),
        share if share <= 1.0 => tenths(share),
        share if share < 1000.0 => format!("{share:.1} ×"),
        share if share.is_finite() => format!("{share:.0e} ×"),
        _ => "-".into(),
    }
}

/// Notes of the checks: kinks, shares of decimals.
pub fn notes(reports: &[Report], width: usize) -> String {
    let mut text = String::new();
    for report in reports {
        for note in report.findings.iter().filter_map(|finding| finding.note.as_ref()) {
            text.push_str(&wrapped(&format!("{}: {note}", report.name), 2, width));
        }
    }
    section("notes", text)
}

/// The checks that could not run here, by reason.
pub fn skipped(reports: &[Report], width: usize) -> String {
    let mut reasons: Vec<(&str, Vec<&str>)> = Vec::new();
    for report in reports {
        let Some(why) = &report.skipped else { continue };
        match reasons.iter_mut().find(|(reason, _)| reason == why) {
            Some((_, names)) => names.push(&report.name),
            None => reasons.push((why, vec![&report.name])),
        }
    }
    let mut text = String::new();
    for (why, names) in reasons {
        text.push_str(&wrapped(&format!("{}: {why}", names.join(", ")), 2, width));
    }
    section("skipped, neither passed nor failed", text)
}

/// At most this many failed comparisons of a check are shown: of a training, the first steps are what matters.
const SHOWN: usize = 5;

/// Everything that failed, each with the command that repeats it.
pub fn failures(reports: &[Report], repeat: &dyn Fn(&str) -> String, width: usize) -> String {
    let mut text = String::new();
    for report in reports.iter().filter(|report| report.failed()) {
        let _ = writeln!(text, "{}", report.name);
        for finding in report.failures().take(SHOWN) {
            let at = if finding.at.is_empty() { String::new() } else { format!(", {}", finding.at) };
            let line = format!("{}{at}: {}", finding.what, finding.outcome.describe());
            text.push_str("  ");
            text.push_str(&wrapped(&line, 4, width.saturating_sub(2)));
        }
        if let more @ 1.. = report.failures().skip(SHOWN).count() {
            let _ = writeln!(text, "  and {more} more");
        }
        if let Some(path) = &report.saved {
            let _ = writeln!(text, "  saved:  {}", shown(path));
        }
        let _ = writeln!(text, "  repeat: {}", repeat(&report.name));
    }
    section("failed", text)
}

/// The totals.
pub fn summary(reports: &[Report], seconds: f64) -> String {
    let count = |of: &dyn Fn(&Report) -> bool| reports.iter().filter(|report| of(report)).count();
    let (failed, skipped) = (count(&Report::failed), count(&|report| report.skipped.is_some()));
    let comparisons: usize = reports.iter().map(|report| report.findings.len()).sum();
    format!(
        "\n{}, {} in {seconds:.1} s: {} passed, {failed} failed, {skipped} skipped\n",
        plural(reports.len(), "check"),
        plural(comparisons, "comparison"),
        reports.len() - failed - skipped,
    )
}

fn section(title: &str, text: String) -> String {
    if text.is_empty() { text } else { format!("\n{title}\n{text}") }
}
