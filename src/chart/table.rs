//! A chart's values as a table.
//!
//! It is all that the page's script knows: a row's `data-x` and a cell's `data-y` are places in the drawing, and what a
//! reader of the chart is told stands in the cells.

use maud::{Markup, html};

use super::draw::Layout;
use super::{Axis, Chart, Point};

pub(super) fn table(chart: &Chart) -> Markup {
    let layout = Layout::new(chart);
    let mut places: Vec<f64> = chart
        .panels
        .iter()
        .flat_map(|panel| &panel.series)
        .flat_map(|series| series.points.iter().map(|point| point.x))
        .collect();
    places.sort_by(f64::total_cmp);
    places.dedup();
    let columns: Vec<_> = chart
        .panels
        .iter()
        .enumerate()
        .flat_map(|(place, panel)| panel.series.iter().map(move |series| (place, panel, series)))
        .collect();
    html! {
        table {
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
