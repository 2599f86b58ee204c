//! A chart's SVG.

use std::fmt::Write as _;

use maud::{Markup, PreEscaped, html};

use super::scale::Scale;
use super::{Chart, Mark, Panel, Point, Series};

/// Width of every chart, in its own pixels: on a page they stand side by side where there is room, and on a phone one
/// alone is about as wide as the screen, so that its text can be read there.
const WIDTH: f64 = 420.0;
/// Left of the plots, for the ticks of the vertical axes.
const LEFT: f64 = 46.0;
/// Right of the plots where no names stand there.
const RIGHT: f64 = 14.0;
/// From one line of text to the next.
const LINE: f64 = 15.0;
/// Width of a character of text, as a guess that is rather too large.
const CHARACTER: f64 = 6.6;
/// Longest name that still stands at its line's end; if one is longer, all stand below the chart.
const SHORT: usize = 12;
/// Longest name below the chart.
const LONG: usize = 56;
/// Numbers are written to a tenth of a pixel.
type Tenth = f64;

/// Where a panel is.
struct Place<'a> {
    panel: &'a Panel,
    top: f64,
    bottom: f64,
    y: Scale,
}

/// The horizontal places and the panels of a chart.
pub(super) struct Layout<'a> {
    x: Scale,
    right: f64,
    places: Vec<Place<'a>>,
    height: f64,
}

impl<'a> Layout<'a> {
    pub(super) fn new(chart: &'a Chart) -> Self {
        let named = || chart.panels.iter().flat_map(|panel| &panel.series).filter(|series| series.is_named());
        let longest = named().map(|series| series.label.chars().count()).max().unwrap_or(0);
        let below = longest > SHORT;
        let right = if below || longest == 0 { WIDTH - RIGHT } else { WIDTH - 14.0 - longest as f64 * CHARACTER };
        let all = || chart.panels.iter().flat_map(|panel| &panel.series).flat_map(|series| &series.points);
        // Marks stand inside the plot, lines begin at its edge.
        let is_marks = |series: &Series| matches!(series.mark, Mark::Dots | Mark::Joined);
        let room = if chart.panels.iter().flat_map(|panel| &panel.series).any(is_marks) { 0.04 } else { 0.0 };
        let x =
            Scale::new(&chart.x, all().map(|point| point.x).chain(chart.marks.iter().copied()), room, [LEFT, right]);
        let mut top = 8.0 + LINE;
        let mut places = Vec::new();
        for panel in &chart.panels {
            top += LINE + 6.0;
            let bottom = top + panel.height;
            let points = panel.series.iter().flat_map(|series| &series.points);
            let y =
                Scale::new(&panel.y, points.flat_map(|point| [point.y, point.low, point.high]), 0.04, [bottom, top]);
            places.push(Place { panel, top, bottom, y });
            top = bottom + 4.0;
        }
        let legend = if below { named().count() as f64 * LINE + 8.0 } else { 0.0 };
        Self { x, right, places, height: top + 2.0 * LINE + 10.0 + legend }
    }

    /// Where a value of `x` is.
    pub(super) fn x(&self, value: f64) -> Tenth {
        tenth(self.x.at(value))
    }

    /// Where a value of a panel is.
    pub(super) fn y(&self, panel: usize, value: f64) -> Tenth {
        tenth(self.places[panel].y.at(value))
    }

    fn names_below(&self) -> bool {
        self.right >= WIDTH - RIGHT
    }
}

impl Series {
    fn is_named(&self) -> bool {
        matches!(self.mark, Mark::Line | Mark::Joined) && !self.points.is_empty()
    }

    /// What gives it its colour and dashes.
    pub(super) fn class(&self) -> String {
        format!("s{}", self.look % super::theme::LOOKS)
    }
}

fn tenth(value: f64) -> Tenth {
    (value * 10.0).round() / 10.0
}

/// The drawing; with a `style`, as a file of its own.
pub(super) fn svg(chart: &Chart, style: Option<&str>) -> Markup {
    let layout = Layout::new(chart);
    let (first, last) = (layout.places.first(), layout.places.last());
    let [top, bottom] = [first.map_or(0.0, |place| place.top), last.map_or(0.0, |place| place.bottom)];
    let [title, description] = ["title", "about"].map(|part| format!("{}-{part}", chart.name));
    let size = format!("0 0 {WIDTH} {}", layout.height);
    html! {
        svg class="chart" xmlns=[style.map(|_| "http://www.w3.org/2000/svg")] viewBox=(size)
            width=[style.map(|_| WIDTH)] height=[style.map(|_| layout.height)]
            role="img" aria-labelledby={ (title) " " (description) } data-top=(top) data-bottom=(bottom) {
            title id=(title) { (chart.title) }
            desc id=(description) { (chart.description) }
            @if let Some(style) = style {
                style { (PreEscaped(style)) }
                rect class="ground" width="100%" height="100%" {}
            }
            text class="title" x="4" y="16" { (chart.title) }
            @if let Some([from, to]) = chart.range {
                @let width = tenth(layout.x(to) - layout.x(from));
                rect class="range" x=(layout.x(from)) y=(top) width=(width) height=(bottom - top) {}
            }
            @for place in &layout.places { (frame(chart, place, &layout)) }
            @for mark in &chart.marks {
                line class="mark" x1=(layout.x(*mark)) x2=(layout.x(*mark)) y1=(top) y2=(bottom) {}
            }
            @for place in &layout.places {
                @for series in &place.panel.series { (drawn(series, place, &layout)) }
                @if !layout.names_below() { (names(place, &layout)) }
            }
            (below(chart, bottom, &layout))
        }
    }
}

/// A panel's axis.
fn frame(chart: &Chart, place: &Place<'_>, layout: &Layout<'_>) -> Markup {
    let ticks = place.y.ticks(if place.panel.height > 100.0 { 6 } else { 2 });
    let below = layout.x.ticks(if chart.x.form == super::Form::Count { 5 } else { 6 });
    html! {
        text class="axis" x="4" y=(place.top - 8.0) { (place.panel.y.label) }
        @for (value, text) in ticks {
            @let y = tenth(place.y.at(value));
            line class="grid" x1=(LEFT) x2=(layout.right) y1=(y) y2=(y) {}
            text class="tick end" x=(LEFT - 6.0) y=(tenth(y + 4.0)) { (text) }
        }
        line class="base" x1=(LEFT) x2=(layout.right) y1=(place.bottom) y2=(place.bottom) {}
        @for (value, _) in &below {
            line class="base" x1=(layout.x(*value)) x2=(layout.x(*value)) y1=(place.bottom) y2=(place.bottom + 4.0) {}
        }
    }
}

/// The horizontal axis's text, and the names of series that are too long to stand beside them.
fn below(chart: &Chart, bottom: f64, layout: &Layout<'_>) -> Markup {
    let ticks = layout.x.ticks(if chart.x.form == super::Form::Count { 5 } else { 6 });
    let named = layout.places.iter().flat_map(|place| &place.panel.series).filter(|series| series.is_named());
    html! {
        @for (value, text) in ticks {
            text class="tick middle" x=(layout.x(value)) y=(bottom + 4.0 + LINE) { (text) }
        }
        @let middle = tenth(f64::midpoint(LEFT, layout.right));
        text class="axis middle" x=(middle) y=(bottom + 6.0 + 2.0 * LINE) { (chart.x.label) }
        @if layout.names_below() {
            @for (place, series) in named.enumerate() {
                @let y = bottom + 14.0 + (3.0 + place as f64) * LINE;
                g class=(series.class()) {
                    @if matches!(series.mark, Mark::Line) {
                        path class="line" d={ "M" (LEFT) " " (y - 4.0) "h26" } {}
                    } @else {
                        (shape(series.look, LEFT + 13.0, y - 4.0))
                    }
                    text class="name" x=(LEFT + 34.0) y=(y) { (shortened(&series.label, LONG)) }
                }
            }
        }
    }
}

fn drawn(series: &Series, place: &Place<'_>, layout: &Layout<'_>) -> Markup {
    let at = |point: &Point| [layout.x(point.x), tenth(place.y.at(point.y))];
    let line = || path(series.points.iter().map(at));
    let band = || {
        let high = series.points.iter().map(|point| [layout.x(point.x), tenth(place.y.at(point.high))]);
        let low = series.points.iter().rev().map(|point| [layout.x(point.x), tenth(place.y.at(point.low))]);
        path(high.chain(low)) + "z"
    };
    let is_band = series.points.len() > 1 && series.points.iter().any(Point::is_band);
    html! {
        g class=(series.class()) {
            @match series.mark {
                Mark::Line | Mark::Thin => {
                    @if is_band {
                        path class="band" d=(band()) {}
                    }
                    path class=(if series.mark == Mark::Line { "line" } else { "thin" }) d=(line()) {}
                    // A line of one point has no length.
                    @if let [point] = &series.points[..] { (shape(series.look, at(point)[0], at(point)[1])) }
                }
                Mark::Dots | Mark::Joined => {
                    @if series.mark == Mark::Joined { path class="thin" d=(line()) {} }
                    @for point in &series.points {
                        @if point.is_band() {
                            @let [low, high] = [point.low, point.high].map(|value| tenth(place.y.at(value)));
                            path class="thin" d={ "M" (at(point)[0]) " " (low) "V" (high) } {}
                        }
                        (shape(series.look, at(point)[0], at(point)[1]))
                    }
                }
                Mark::Dust => {
                    path class="dust" d=(series.points.iter().map(at).fold(String::new(), |mut path, [x, y]| {
                        let _ = write!(path, "M{x} {y}h0");
                        path
                    })) {}
                }
            }
        }
    }
}

/// The names of a panel's series beside their last points, none over another.
fn names(place: &Place<'_>, layout: &Layout<'_>) -> Markup {
    let named = place.panel.series.iter().filter(|series| series.is_named());
    let mut names: Vec<(f64, &Series)> =
        named.filter_map(|series| Some((place.y.at(series.points.last()?.y), series))).collect();
    names.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut places: Vec<f64> = names.iter().map(|name| name.0).collect();
    part(&mut places, place.bottom);
    html! {
        @for ((_, series), y) in names.iter().zip(places) {
            text class={ "name " (series.class()) } x=(layout.right + 8.0) y=(tenth(y + 4.0)) { (series.label) }
        }
    }
}

/// Moves ascending places until no two are nearer than a line of text: down so far as needed, then up again from
/// `bottom` where that went too far.
fn part(places: &mut [f64], bottom: f64) {
    for next in 1..places.len() {
        places[next] = places[next].max(places[next - 1] + LINE);
    }
    let mut lowest = bottom;
    for y in places.iter_mut().rev() {
        *y = y.min(lowest);
        lowest = *y - LINE;
    }
}

fn path(places: impl Iterator<Item = [Tenth; 2]>) -> String {
    let mut path = String::new();
    for [x, y] in places {
        let _ = write!(path, "{}{x} {y}", if path.is_empty() { 'M' } else { 'L' });
    }
    path
}

/// The mark of a look.
fn shape(look: usize, x: f64, y: f64) -> Markup {
    let (x, y) = (tenth(x), tenth(y));
    match look % super::theme::LOOKS {
        0 => html! { circle class="dot" cx=(x) cy=(y) r="3.2" {} },
        1 => html! { rect class="dot" x=(tenth(x - 2.9)) y=(tenth(y - 2.9)) width="5.8" height="5.8" {} },
        2 => html! { path class="dot" d={ "M" (x) " " (tenth(y - 3.8)) "l3.8 6.6h-7.6z" } {} },
        3 => html! { path class="dot" d={ "M" (x) " " (tenth(y - 4.1)) "l4.1 4.1l-4.1 4.1l-4.1 -4.1z" } {} },
        4 => html! { path class="dot" d={ "M" (x) " " (tenth(y + 3.8)) "l3.8 -6.6h-7.6z" } {} },
        5 => html! { circle class="ring" cx=(x) cy=(y) r="3" {} },
        _ => html! { rect class="ring" x=(tenth(x - 2.7)) y=(tenth(y - 2.7)) width="5.4" height="5.4" {} },
    }
}

/// A text of `most` characters at most.
fn shortened(text: &str, most: usize) -> String {
    if text.chars().count() <= most { text.to_owned() } else { text.chars().take(most - 1).chain(['…']).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chart::Axis;

    #[test]
    fn names_keep_their_places_or_stand_a_line_apart() {
        let parted = |places: &[f64]| {
            let mut places = places.to_vec();
            part(&mut places, 200.0);
            places
        };
        assert_eq!(parted(&[20.0, 60.0]), [20.0, 60.0]);
        assert_eq!(parted(&[20.0, 21.0, 22.0]), [20.0, 35.0, 50.0]);
        assert_eq!(parted(&[198.0, 199.0, 200.0]), [170.0, 185.0, 200.0]);
        assert!(parted(&[]).is_empty());
    }

    fn chart(labels: &[&str]) -> Chart {
        let series = |(look, label): (usize, &&str)| Series {
            label: (*label).into(),
            look,
            mark: Mark::Line,
            points: vec![Point::new(0.0, 1.0), Point::of(10.0, &[1.0, 3.0]).unwrap()],
        };
        Chart {
            name: "a-chart".into(),
            title: "A < B".into(),
            description: "both & none".into(),
            x: Axis::count("step"),
            panels: vec![Panel::new(Axis::new("loss"), labels.iter().enumerate().map(series).collect())],
            marks: vec![5.0],
            range: None,
        }
    }

    #[test]
    fn a_long_name_stands_below_with_all_others_and_is_cut() {
        let height = |labels: &[&str]| Layout::new(&chart(labels)).height;
        let long = "n".repeat(99);
        assert!(height(&["one", &long]) >= height(&["one", "two"]) + 2.0 * LINE);
        let svg = chart(&["one", &long]).svg();
        assert!(svg.contains(&format!(">{}…<", "n".repeat(LONG - 1))) && !svg.contains(&"n".repeat(LONG)), "{svg}");
    }

    #[test]
    fn what_is_drawn_is_escaped_and_has_a_band_where_values_differ() {
        let svg = chart(&["<b>"]).svg();
        for part in ["A &lt; B", "both &amp; none", "&lt;b&gt;", "class=\"band\"", "class=\"mark\""] {
            assert!(svg.contains(part), "{part} in {svg}");
        }
    }

    #[test]
    fn the_table_has_the_drawings_places_and_exact_values() {
        let chart = chart(&["one"]);
        let (table, layout) = (chart.table().into_string(), Layout::new(&chart));
        let row = format!(
            "<tr data-x=\"{}\"><th scope=\"row\">10</th><td data-y=\"{}\">2 (1 to 3)</td></tr>",
            layout.x(10.0),
            layout.y(0, 2.0)
        );
        assert!(table.contains(&row), "{row} in {table}");
    }
}
