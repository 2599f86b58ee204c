//! A chart's values as a table.
//!
//! It is all that the page's script knows: a row's `data-x` and a cell's `data-y` are places in the drawing, and what a
//! reader of the chart is told stands in the cells. Bars have all that written beside them, and no places in the table.

use maud::{Markup, html};

use super::data::{Axis, Chart, Mark, Panel, Point};
use super::layout::{Layout, share};

/// Cells of a table at most, about: of many series over many places some places are left out.
const CELLS: usize = 20_000;

pub(super) fn table(chart: &Chart) -> Markup {
    if chart.panels.iter().any(Panel::has_names) { by_name(chart) } else { over_x(chart) }
}

/// A row a bar.
fn by_name(chart: &Chart) -> Markup {
    html! {
        table {
            caption.unseen { (chart.title) }
            thead { tr { th scope="col" { "name" } th scope="col" { (chart.x.label) } th scope="col" { "share" } } }
            @for panel in &chart.panels {
                tbody {
                    tr { th.group scope="rowgroup" colspan="3" { (panel.y.label) } }
                    @for series in &panel.series {
                        @for point in &series.points {
                            tr {
                                th scope="row" { (panel.y.text(point.y)) }
                                td { (chart.x.text(point.x)) }
                                td { @if let Mark::Bars { whole: Some(whole) } = series.mark { (share(point.x, whole)) } }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// A row a value of `x`.
fn over_x(chart: &Chart) -> Markup {
    let layout = Layout::new(chart);
    let mut places: Vec<f64> = chart.points().map(|point| point.x).collect();
    places.sort_by(f64::total_cmp);
    places.dedup();
    let all = places.len();
    let columns: Vec<_> = chart
        .panels
        .iter()
        .enumerate()
        .flat_map(|(place, panel)| panel.series.iter().map(move |series| (place, panel, series)))
        .filter(|(.., series)| !series.points.is_empty())
        .collect();
    let every = (all * columns.len()).div_ceil(CELLS).max(1);
    let places: Vec<f64> = places.into_iter().step_by(every).collect();
    html! {
        table {
            caption.unseen[every == 1] {
                (chart.title)
                @if every > 1 { ": " (places.len()) " of " (all) " places" }
            }
            thead { tr {
                th scope="col" { (chart.x.label) }
                @for (_, _, series) in &columns { th scope="col" class=(series.class()) { (series.label) } }
            } }
            tbody {
                @for x in places {
                    tr data-x=(layout.x(x)) {
                        th scope="row" { (chart.x.text(x)) }
                        @for (place, panel, series) in &columns {
                            // Ascending, so the first not below is the one, if there is one.
                            @let found = series.points.partition_point(|point| point.x < x);
                            @match series.points.get(found).filter(|point| point.x == x) {
                                Some(point) => td data-y=(layout.y(*place, point.y)) { (text(&panel.y, point)) },
                                None => td {},
                            }
                        }
                    }
                }
            }
        }
    }
}

fn text(axis: &Axis, point: &Point) -> String {
    let text = axis.text(point.y);
    if point.is_band() { format!("{text} ({} to {})", axis.text(point.low), axis.text(point.high)) } else { text }
}
