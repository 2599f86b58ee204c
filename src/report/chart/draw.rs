//! A chart's SVG: its axes, and the names of its series.

use maud::{Markup, PreEscaped, html};

use super::data::{Chart, Mark, Series};
use super::layout::{BELOW, LEFT, LINE, Layout, NAME, Place, TICK, TITLE, WIDTH, tenth};
use super::marks::{drawn, shape};
use super::png::SOFTWARE;
use super::width::shortened;

/// The drawing; with a `style`, as a file of its own.
pub(super) fn svg(chart: &Chart, style: Option<&str>) -> Markup {
    let layout = Layout::new(chart);
    let (first, last) = (layout.places.first(), layout.places.last());
    let [top, bottom] = [first.map_or(0.0, |place| place.top), last.map_or(0.0, |place| place.bottom)];
    let [title, description] = ["title", "about"].map(|part| format!("{}-{part}", chart.name));
    let size = format!("0 0 {WIDTH} {}", layout.height);
    html! {
        svg class="chart" data-by=[style.map(|_| SOFTWARE)] xmlns=[style.map(|_| "http://www.w3.org/2000/svg")]
            viewBox=(size) width=[style.map(|_| WIDTH)] height=[style.map(|_| layout.height)]
            role="img" aria-labelledby={ (title) " " (description) } data-top=(top) data-bottom=(bottom) {
            title id=(title) { (chart.title) }
            desc id=(description) { (chart.description) }
            @if let Some(style) = style {
                style { (PreEscaped(style)) }
                rect class="ground" width="100%" height="100%" {}
            }
            text class="title" x="4" y="16" { (shortened(&chart.title, TITLE, WIDTH - 8.0)) }
            @if let Some([from, to]) = chart.range {
                @let width = tenth(layout.x(to) - layout.x(from));
                rect class="range" x=(layout.x(from)) y=(top) width=(width) height=(bottom - top) {}
            }
            @for place in &layout.places { (frame(place, &layout)) }
            @for mark in &chart.marks {
                line class="mark" x1=(layout.x(*mark)) x2=(layout.x(*mark)) y1=(top) y2=(bottom) {}
            }
            @for place in &layout.places {
                @for series in &place.panel.series { (drawn(series, place, &layout)) }
                @if !layout.names_below { (names(place, &layout)) }
            }
            (below(chart, bottom, &layout))
        }
    }
}

/// A panel's axis. The grid goes across what is compared: up from the horizontal axis where names stand at the other.
fn frame(place: &Place<'_>, layout: &Layout<'_>) -> Markup {
    let Place { panel, top, bottom, .. } = place;
    let Layout { left, right, .. } = layout;
    html! {
        text class="axis" x="4" y=(top - 8.0) { (shortened(&panel.y.label, TICK, WIDTH - 8.0)) }
        @for (value, text) in &place.ticks {
            @let y = tenth(place.y.at(*value));
            @if !panel.has_names() { line class="grid" x1=(left) x2=(right) y1=(y) y2=(y) {} }
            text class="tick end" x=(left - 6.0) y=(tenth(y + 4.0)) { (text) }
        }
        @for (value, _) in &layout.ticks {
            @let x = layout.x(*value);
            @if panel.has_names() { line class="grid" x1=(x) x2=(x) y1=(top) y2=(bottom) {} }
            line class="base" x1=(x) x2=(x) y1=(bottom) y2=(bottom + 4.0) {}
        }
        line class="base" x1=(left) x2=(right) y1=(bottom) y2=(bottom) {}
    }
}

/// The horizontal axis's text, and the names of series where they do not stand beside them.
fn below(chart: &Chart, bottom: f64, layout: &Layout<'_>) -> Markup {
    let x = layout.left.min(LEFT);
    let line = |place: usize| bottom + 14.0 + (3.0 + place as f64) * LINE;
    html! {
        @for (value, text) in &layout.ticks {
            text class="tick middle" x=(layout.x(*value)) y=(bottom + 4.0 + LINE) { (text) }
        }
        @let middle = tenth(f64::midpoint(layout.left, layout.right));
        text class="axis middle" x=(middle) y=(bottom + 6.0 + 2.0 * LINE) {
            (shortened(&chart.x.label, TICK, layout.right - layout.left))
        }
        @if layout.names_below {
            @for (place, series) in chart.named().take(BELOW).enumerate() {
                @let y = line(place);
                g class=(series.class()) {
                    @if series.mark == Mark::Line {
                        path class="line" d={ "M" (x) " " (y - 4.0) "h26" } {}
                    } @else {
                        (shape(series.look, x + 13.0, y - 4.0))
                    }
                    text class="name" x=(x + 34.0) y=(y) { (shortened(&series.label, NAME, WIDTH - x - 38.0)) }
                }
            }
            @if let Some(more) = chart.named().count().checked_sub(BELOW + 1) {
                text class="axis" x=(x + 34.0) y=(line(BELOW)) { "and " (more + 1) " more" }
            }
        }
    }
}

/// The names of a panel's series beside their last points, none over another.
fn names(place: &Place<'_>, layout: &Layout<'_>) -> Markup {
    let at = |series: &'_ Series| series.points.last().map_or(0.0, |point| place.y.at(point.y));
    let mut names: Vec<(f64, &Series)> = place.panel.named().map(|series| (at(series), series)).collect();
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::chart::{Axis, Panel, Point};

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
        assert!(svg.contains(&format!(">{}", "n".repeat(20))) && svg.contains("n…<") && !svg.contains(&long), "{svg}");
    }

    #[test]
    fn no_text_reaches_over_the_right_edge() {
        let long = "n".repeat(99);
        // Beside their lines; too wide for that; below; and without names, where the last tick stands at the edge.
        for label in ["one", "WWWWWWW", "@@@@@@", "MMMMMMMMMMMM", &long] {
            for mark in [Mark::Line, Mark::Dots] {
                let mut chart = chart(&[label]);
                chart.panels[0].series[0].points[1].x = 100_000.0;
                chart.panels[0].series[0].mark = mark;
                let png = image::load_from_memory(&chart.png().unwrap()).unwrap().into_rgb8();
                let edge = png.enumerate_pixels().filter(|(x, ..)| x + 2 >= png.width());
                assert!(edge.into_iter().all(|(.., pixel)| pixel.0 == [255; 3]), "{label}, {mark:?}");
            }
        }
    }

    #[test]
    fn more_names_than_have_room_stand_below_and_the_rest_is_counted() {
        let labels: Vec<_> = (0..200).map(|run| format!("r{run}")).collect();
        let chart = chart(&labels.iter().map(String::as_str).collect::<Vec<_>>());
        let svg = chart.svg();
        assert!(svg.contains(">r19<") && !svg.contains(">r20<") && svg.contains("and 180 more"), "{svg}");
        assert!(Layout::new(&chart).height < 2.0 * WIDTH);
    }

    #[test]
    fn bars_stand_at_their_names_with_value_and_share() {
        let bars =
            vec![("forward <1>".to_owned(), 12.5), ("a name as long as no kernel has ever had".to_owned(), 37.5)];
        let panel = Panel::bars("kernels", 0, bars, Some(50.0));
        let x = Axis { holds: vec![0.0], ..Axis::new("µs") };
        let chart = Chart::new("a-step", "A step", "", x, vec![panel]);
        let svg = chart.svg();
        for part in ["forward &lt;1&gt;", "as long as", "…<", "12.5 (25.0\u{a0}%)", "37.5 (75.0\u{a0}%)"] {
            assert!(svg.contains(part), "{part} in {svg}");
        }
        let lengths: Vec<f64> = svg
            .split("<rect class=\"dot\"")
            .skip(1)
            .map(|rest| rest.split("width=\"").nth(1).unwrap().split('"').next().unwrap().parse().unwrap())
            .collect();
        approx::assert_abs_diff_eq!(lengths[1], 3.0 * lengths[0], epsilon = 0.3);
        let table = chart.table().into_string();
        assert!(table.contains("<th scope=\"row\">forward &lt;1&gt;</th><td>12.5</td><td>25.0\u{a0}%</td>"), "{table}");
    }

    #[test]
    fn what_is_drawn_is_escaped_and_has_a_band_where_values_differ() {
        let svg = chart(&["<b>"]).svg();
        for part in ["A &lt; B", "both &amp; none", "&lt;b&gt;", "class=\"band\"", "class=\"mark\""] {
            assert!(svg.contains(part), "{part} in {svg}");
        }
        // What XML forbids is replaced, or no program could read the file.
        let chart = chart(&["a\u{1b}b\u{ffff}"]);
        assert!(chart.svg().contains(">a\u{fffd}b\u{fffd}<"), "{}", chart.svg());
        assert!(chart.png().is_ok());
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
