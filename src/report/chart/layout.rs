//! Where everything in a chart is.

use super::data::{Chart, Form, Mark, Panel, Series};
use super::scale::Scale;
use super::width::{shortened, width};
use crate::report::text::{number, tenths};
use crate::util::text::grouped;

/// Width of every chart, in its own pixels: on a page they stand side by side where there is room, and on a phone one
/// alone is about as wide as the screen, so that its text can be read there.
pub(super) const WIDTH: f64 = 420.0;
/// Left of the plots at least, for the ticks of the vertical axes: charts side by side begin at the same place.
pub(super) const LEFT: f64 = 46.0;
/// Right of the plots at least.
pub(super) const RIGHT: f64 = 14.0;
/// From one line of text to the next.
pub(super) const LINE: f64 = 15.0;
/// Size of names, as `chart.css` has it.
pub(super) const NAME: f64 = 12.0;
/// Of ticks, and of what axes measure.
pub(super) const TICK: f64 = 11.5;
/// Of the title, as if its bold letters were larger ones.
pub(super) const TITLE: f64 = 14.5;
/// Widest name that still stands at its line's end; if one is wider, all stand below the chart.
pub(super) const BESIDE: f64 = 84.0;
/// Names below a chart at most: looks come again from the eighth on.
pub(super) const BELOW: usize = 20;
/// Widest name of a bar.
pub(super) const BAR: f64 = 170.0;
/// Numbers are written to a tenth of a pixel.
pub(super) type Tenth = f64;

pub(super) struct Place<'a> {
    pub(super) panel: &'a Panel,
    pub(super) top: f64,
    pub(super) bottom: f64,
    pub(super) y: Scale,
    pub(super) ticks: Vec<(f64, String)>,
}

/// The horizontal places and the panels of a chart.
pub(super) struct Layout<'a> {
    pub(super) x: Scale,
    pub(super) ticks: Vec<(f64, String)>,
    pub(super) left: f64,
    pub(super) right: f64,
    pub(super) names_below: bool,
    pub(super) places: Vec<Place<'a>>,
    pub(super) height: f64,
}

impl<'a> Layout<'a> {
    pub(super) fn new(chart: &'a Chart) -> Self {
        let mut top = 8.0 + LINE;
        let places: Vec<_> = chart.panels.iter().map(|panel| Place::new(panel, &mut top)).collect();
        let ticks = places.iter().flat_map(|place| &place.ticks);
        let left = ticks.map(|tick| width(&tick.1, TICK) + 8.0).fold(LEFT, f64::max).ceil();

        let longest = |texts: &mut dyn Iterator<Item = f64>| texts.fold(0.0, f64::max);
        let named = longest(&mut chart.named().map(|series| width(&series.label, NAME)));
        let is_full = |panel: &Panel| panel.named().count() as f64 * LINE > panel.height;
        let names_below = named > BESIDE || chart.panels.iter().any(is_full);
        let valued = longest(&mut values(chart).map(|text| width(&text, TICK)));
        let beside = if names_below { valued } else { named.max(valued) };
        let margin = if beside > 0.0 { beside + RIGHT } else { RIGHT };

        // Marks stand inside the plot, lines begin at its edge.
        let room = if chart.series().any(Series::is_marks) { 0.04 } else { 0.0 };
        let x = Scale::new(&chart.x, chart.points().map(|point| point.x).chain(chart.marks.iter().copied()), room);
        let most = if chart.x.form == Form::Count { 5 } else { 6 };
        let ticks = x.fitting(most, TICK, WIDTH - left - margin);
        // The last text stands under the plot's end, half of it beyond.
        let half = ticks.last().map_or(0.0, |tick| width(&tick.1, TICK) / 2.0 + 2.0);
        let right = (WIDTH - margin.max(half)).floor();

        let below = if names_below { chart.named().count().min(BELOW + 1) as f64 * LINE + 8.0 } else { 0.0 };
        let height = top + 2.0 * LINE + 10.0 + below;
        Self { x: x.over([left, right]), ticks, left, right, names_below, places, height }
    }

    /// Where a value of `x` is.
    pub(super) fn x(&self, value: f64) -> Tenth {
        tenth(self.x.at(value))
    }

    /// Where a value of a panel is.
    pub(super) fn y(&self, panel: usize, value: f64) -> Tenth {
        tenth(self.places[panel].y.at(value))
    }
}

impl<'a> Place<'a> {
    /// Below `top`, which becomes where the next panel may be.
    fn new(panel: &'a Panel, top: &mut f64) -> Self {
        let upper = *top + LINE + 6.0;
        let bottom = upper + panel.height;
        *top = bottom + 4.0;
        let points = panel.series.iter().flat_map(|series| &series.points);
        let y = Scale::new(&panel.y, points.flat_map(|point| [point.y, point.low, point.high]), 0.04);
        let y = y.over([bottom, upper]);
        let mut ticks = y.ticks(if panel.height > 100.0 { 6 } else { 2 });
        if panel.has_names() {
            for (_, name) in &mut ticks {
                *name = shortened(name, TICK, BAR);
            }
        }
        Self { panel, top: upper, bottom, y, ticks }
    }
}

pub(super) fn tenth(value: f64) -> Tenth {
    (value * 10.0).round() / 10.0
}

/// What stands beside a bar.
pub(super) fn value(of: f64, whole: Option<f64>) -> String {
    let text = if of >= 1e3 { grouped(of.round() as u64) } else { number(of, 3) };
    whole.map_or_else(|| text.clone(), |whole| format!("{text} ({})", share(of, whole)))
}

/// What stands beside all the bars of a chart.
fn values(chart: &Chart) -> impl Iterator<Item = String> {
    chart.series().flat_map(|series| {
        let bars = if let Mark::Bars { whole } = series.mark { Some((&series.points, whole)) } else { None };
        bars.into_iter().flat_map(|(points, whole)| points.iter().map(move |point| value(point.x, whole)))
    })
}

/// A part of a whole, in percent.
pub(super) fn share(of: f64, whole: f64) -> String {
    tenths(of / whole.max(f64::MIN_POSITIVE))
}
