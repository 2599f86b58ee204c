//! Published numbers beside ours: their differences drawn, and the tables.

use maud::{Markup, html};

use super::parts;
use super::text::number;
use crate::search::experiments::comparison::{Number, Of, Verdict};
use crate::util::text::points;

fn of(images: Of) -> &'static str {
    match images {
        Of::Train => "training",
        Of::Validation => "validation",
        Of::Test => "test",
        Of::Gradient5 => "equal to 5 decimals",
        Of::Gradient6 => "equal to 6 decimals",
    }
}

/// Differences of each row's numbers, drawn over its band.
pub(super) fn overview(rows: &[Vec<&Number>]) -> Markup {
    let reach = rows
        .iter()
        .flatten()
        .map(|number| number.difference().unwrap_or(0.0).abs().max(number.band))
        .fold(1.0, f64::max)
        * 1.05;
    let reach = (reach * 2.0).ceil() / 2.0;
    let scale = format!("ours − report: −{0} to +{0} points", number(reach, 3));
    let rows = html! {
        (parts::heads(&["experiment", "<of", "inside", "report", "ours", &scale]))
        tbody {
            @for group in rows.chunk_by(|a, b| a[0].part == b[0].part) {
                @for (place, row) in group.iter().enumerate() {
                    @let inside = row.iter().filter(|number| number.verdict == Verdict::Inside).count();
                    @let judged = row.iter().any(|number| number.verdict != Verdict::None);
                    tr.first[place == 0] {
                        th scope="row" { @if place == 0 { (row[0].part) } @else { span.unseen { (row[0].part) } } }
                        td.word { (of(row[0].images)) }
                        @if judged {
                            td class=(if inside == row.len() { "good" } else { "bad" }) { (inside) " of " (row.len()) }
                        } @else {
                            td { "–" }
                        }
                        @match &row[..] {
                            [number] => {
                                td.number { (points(number.published)) }
                                td.number { (number.ours.map_or_else(|| "none".to_owned(), points)) }
                            },
                            numbers => td.word.number colspan="2" { (numbers.len()) " rows" },
                        }
                        td.dots { (differences(row, reach)) }
                    }
                }
            }
        }
    };
    parts::table("Differences from the published numbers", Some("overview"), &rows)
}

/// Dots between −`reach` and `reach` points.
fn differences(row: &[&Number], reach: f64) -> Markup {
    const WIDTH: f64 = 280.0;
    let at =
        |points: f64| ((WIDTH / 2.0 + points.clamp(-reach, reach) / reach * (WIDTH / 2.0 - 6.0)) * 10.0).round() / 10.0;
    let band = row[0].band;
    // Of a gradient, only less than published is wrong.
    let high = if matches!(row[0].images, Of::Gradient5 | Of::Gradient6) { reach } else { band };
    let found: Vec<f64> = row.iter().filter_map(|number| number.difference()).collect();
    let (least, most) =
        (found.iter().copied().fold(f64::INFINITY, f64::min), found.iter().copied().fold(f64::NEG_INFINITY, f64::max));
    let label = match found.len() {
        0 => "no difference: the training diverged".to_owned(),
        1 => format!("{least:+.2} points"),
        _ => format!("{least:+.2} to {most:+.2} points"),
    };
    html! {
        svg.strip viewBox=(format!("0 0 {WIDTH} 20")) width=(WIDTH) height="20" role="img" aria-label=(label) {
            title { (label) }
            rect class="allowed" x=(at(-band)) y="2" width=(((at(high) - at(-band)) * 10.0).round() / 10.0)
                height="16" rx="3" {}
            line class="zero" x1=(at(0.0)) x2=(at(0.0)) y1="0" y2="20" {}
            @for number in row {
                @if let Some(points) = number.difference() {
                    @let class = if number.verdict == Verdict::Outside { "out" } else { "in" };
                    circle class=(class) cx=(at(points)) cy="10" r="3.4" {}
                }
            }
        }
    }
}

/// Numbers as the report has them: a row a lambda, or one row.
pub(super) fn table(numbers: &[&Number]) -> Markup {
    if numbers.is_empty() {
        return html! {};
    }
    // Every row has the kinds of the first.
    let first = numbers.chunk_by(|a, b| a.lambda == b.lambda).next().unwrap_or_default();
    let has_lambda = numbers[0].lambda.is_some();
    let rows = html! {
        thead {
            tr {
                @if has_lambda { th scope="col" rowspan="2" { "lambda" } }
                @for Number { images, band, .. } in first {
                    th.group scope="colgroup" colspan="3" { (of(*images)) span.faint { (format!(" ±{band:.1}")) } }
                }
            }
            tr { @for _ in first {
                th.group scope="col" { "report" } th scope="col" { "ours" } th scope="col" { "diff" }
            } }
        }
        tbody {
            @for row in numbers.chunk_by(|a, b| a.lambda == b.lambda) {
                tr {
                    @if let Some(lambda) = row[0].lambda { th scope="row" { (format!("{lambda:.4e}")) } }
                    @for number in row { (cells(number)) }
                }
            }
        }
    };
    parts::table(&format!("{}: published and ours", numbers[0].part), None, &rows)
}

fn cells(number: &Number) -> Markup {
    let outside = number.verdict == Verdict::Outside;
    html! {
        td.group { (points(number.published)) }
        td {
            @match number.ours { Some(ours) => (points(ours)), None => "none" }
            @if let Some(deviation) = number.deviation { span.faint { " ±" (points(deviation)) } }
        }
        td.bad[outside] {
            @match number.difference() { Some(points) => (format!("{points:+.2}")), None => "–" }
            @if outside { " out" }
        }
    }
}
