//! A chart as plain data.

use super::theme::LOOKS;
use crate::report::text::number;
use crate::util::text::grouped;

/// A chart.
#[derive(Clone, Debug, PartialEq)]
pub struct Chart {
    /// The name of its files, and its id in a page: letters, digits and hyphens, of no other chart.
    pub name: String,
    /// What it shows, in a few words.
    pub title: String,
    /// What a person should know who cannot see it.
    pub description: String,
    /// The horizontal axis of all panels.
    pub x: Axis,
    /// From the top.
    pub panels: Vec<Panel>,
    /// Values of `x` with a vertical line: the ends of cycles.
    pub marks: Vec<f64>,
    /// A range of `x` that is shaded.
    pub range: Option<[f64; 2]>,
}

/// Curves and points over one vertical axis.
#[derive(Clone, Debug, PartialEq)]
pub struct Panel {
    /// The vertical axis.
    pub y: Axis,
    /// Pixels from its bottom to its top.
    pub height: f64,
    /// What is drawn, later ones over earlier ones.
    pub series: Vec<Series>,
}

/// An axis.
#[derive(Clone, Debug, PartialEq)]
pub struct Axis {
    /// What is measured, with its unit.
    pub label: String,
    /// How values become places.
    pub kind: Kind,
    /// How values become text.
    pub form: Form,
    /// Values that the axis must hold beside those of the series.
    pub holds: Vec<f64>,
}

/// How values become places.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// In proportion.
    Linear,
    /// By their logarithm; all values are above 0.
    Log,
}

/// How values become text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Form {
    /// A number.
    Plain,
    /// An integer, its thousands grouped.
    Count,
    /// A share of 1, in percent.
    Percent,
    /// Each value is the place of a name, 0 that of the first; the axis runs downwards.
    Names(Vec<String>),
}

/// Values of one thing.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// Its name.
    pub label: String,
    /// Which of the theme's colours, dashes and shapes it has; from the eighth on they come again.
    pub look: usize,
    /// How it is drawn.
    pub mark: Mark,
    /// In ascending order of `x`, bars in that of `y`; all finite.
    pub points: Vec<Point>,
}

/// How a series is drawn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Mark {
    /// A line through its points, over a band from `low` to `high`.
    Line,
    /// A thin line that needs no name, for its panel's axis says it.
    Thin,
    /// A mark at each point, without a name: the chart's title says it.
    Dots,
    /// A mark at each point, and a thin line through them.
    Joined,
    /// A small faint dot at each point.
    Dust,
    /// A bar from 0 to `x` at each name `y`, with its value beside it, and with its share of a `whole`.
    Bars {
        /// What all bars are parts of.
        whole: Option<f64>,
    },
}

/// A value of a series.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// Where.
    pub x: f64,
    /// How much.
    pub y: f64,
    /// The lowest of the values whose mean `y` is; `y` itself of one.
    pub low: f64,
    /// The highest.
    pub high: f64,
}

impl Point {
    /// A value of its own.
    pub fn new(x: f64, y: f64) -> Self {
        Self { x, y, low: y, high: y }
    }

    /// The mean of some values with their range; none without values, or if one of them is not finite.
    pub fn of(x: f64, values: &[f64]) -> Option<Self> {
        let (low, high) = values
            .iter()
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), &value| (value.min(low), value.max(high)));
        let y = values.iter().sum::<f64>() / values.len() as f64;
        (x.is_finite() && y.is_finite()).then_some(Self { x, y, low, high })
    }

    pub(super) fn is_band(&self) -> bool {
        self.low < self.high
    }
}

impl Axis {
    /// An axis for numbers in proportion.
    pub fn new(label: &str) -> Self {
        Self { label: label.to_owned(), kind: Kind::Linear, form: Form::Plain, holds: Vec::new() }
    }

    /// An axis for shares.
    pub fn percent(label: &str) -> Self {
        Self { form: Form::Percent, ..Self::new(label) }
    }

    /// An axis for integers.
    pub fn count(label: &str) -> Self {
        Self { form: Form::Count, ..Self::new(label) }
    }

    /// An axis for the logarithms of numbers.
    pub fn log(label: &str) -> Self {
        Self { kind: Kind::Log, ..Self::new(label) }
    }

    /// A value as text, for reading it exactly.
    pub fn text(&self, value: f64) -> String {
        match &self.form {
            Form::Plain => number(value, 5),
            Form::Count => grouped(value.round().max(0.0) as u64),
            Form::Percent => format!("{:.2} %", value * 100.0),
            Form::Names(names) => names.get(value as usize).cloned().unwrap_or_default(),
        }
    }
}

impl Panel {
    /// A panel of the usual height.
    pub fn new(y: Axis, series: Vec<Series>) -> Self {
        Self { y, height: 210.0, series }
    }

    /// A low panel that goes with the one above it.
    pub fn strip(y: Axis, series: Vec<Series>) -> Self {
        Self { y, height: 44.0, series }
    }

    /// A bar for each name, from the top: under `label`, in the look of number `look`, with shares of a `whole`.
    pub fn bars(label: &str, look: usize, bars: Vec<(String, f64)>, whole: Option<f64>) -> Self {
        let points = bars.iter().enumerate().map(|(place, bar)| Point::new(bar.1, place as f64)).collect();
        let height = 8.0 + 19.0 * bars.len() as f64;
        let names = bars.into_iter().map(|bar| bar.0).collect();
        let series = vec![Series { label: label.to_owned(), look, mark: Mark::Bars { whole }, points }];
        Self { y: Axis { form: Form::Names(names), ..Axis::new(label) }, height, series }
    }

    /// Whether names stand at its vertical axis.
    pub(super) fn has_names(&self) -> bool {
        matches!(self.y.form, Form::Names(_))
    }

    /// Its series that have a name in the drawing.
    pub(super) fn named(&self) -> impl Iterator<Item = &Series> {
        let is_named = |mark| matches!(mark, Mark::Line | Mark::Joined);
        self.series.iter().filter(move |series| is_named(series.mark) && !series.points.is_empty())
    }
}

impl Chart {
    /// A chart without uprights and ranges.
    pub fn new(
        name: impl Into<String>,
        title: impl Into<String>,
        description: impl Into<String>,
        x: Axis,
        panels: Vec<Panel>,
    ) -> Self {
        let [name, title, description] = [name.into(), title.into(), description.into()];
        Self { name, title, description, x, panels, marks: Vec::new(), range: None }
    }

    /// Whether anything is there to be drawn.
    pub fn is_empty(&self) -> bool {
        self.points().next().is_none()
    }

    pub(super) fn series(&self) -> impl Iterator<Item = &Series> {
        self.panels.iter().flat_map(|panel| &panel.series)
    }

    pub(super) fn points(&self) -> impl Iterator<Item = &Point> {
        self.series().flat_map(|series| &series.points)
    }

    pub(super) fn named(&self) -> impl Iterator<Item = &Series> {
        self.panels.iter().flat_map(Panel::named)
    }
}

impl Series {
    pub(super) fn is_marks(&self) -> bool {
        matches!(self.mark, Mark::Dots | Mark::Joined)
    }

    /// What gives it its colour and dashes.
    pub(super) fn class(&self) -> String {
        format!("s{}", self.look % LOOKS)
    }
}
