//! The values that a search tries.

use std::fmt;
use std::str::FromStr;

use clap::ValueEnum;
use rand::RngExt;
use serde::{Deserialize, Serialize};

use super::parameter::{Parameter, Value};
use crate::error::{Error, Result};
use crate::util::random::{Purpose, stream};
use crate::util::text::as_text;

/// How values are chosen within the ranges.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Sample {
    /// at random, every power of ten as likely as any other
    #[default]
    LogUniform,
    /// at random, every value as likely as any other
    Uniform,
    /// evenly spaced in the logarithm, both ends included
    Grid,
    /// the values given, each with each
    List,
}

/// Values of one parameter, written `[PARAM=]A:B` or `[PARAM=]A,B,…`; without a name it is lambda.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Axis {
    /// What is searched.
    pub parameter: Parameter,
    /// Among which values.
    pub span: Span,
}

/// A range or a list of values.
#[derive(Clone, Debug, PartialEq)]
pub enum Span {
    /// From the first to the second, inclusive.
    Range(f64, f64),
    /// These. At random, each is as likely as any other.
    Values(Vec<Value>),
}

impl Span {
    fn has(&self, value: &Value) -> bool {
        match (self, value) {
            (Self::Range(low, high), Value::Number(value)) => low <= value && value <= high,
            (Self::Range(..), Value::Word(_)) => false,
            (Self::Values(values), value) => values.contains(value),
        }
    }
}

impl FromStr for Axis {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let usage = |what: String| Error::Usage(format!("--range {text}: {what}"));
        let (name, span) = text.split_once('=').unwrap_or(("lambda", text));
        let parameter = Parameter::named(name).ok_or_else(|| {
            usage(format!("no parameter {name} can be searched: expected one of {}", Parameter::names()))
        })?;
        let value = |text: &str| parameter.read(text).map_err(usage);
        let end = |text: &str| match value(text)? {
            Value::Number(value) => Ok(value),
            Value::Word(word) => Err(usage(format!("{word} is no end of a range: list the values, as in {name}=A,B"))),
        };
        let span = match span.split_once(':') {
            Some((first, last)) => Span::Range(end(first)?, end(last)?),
            None => Span::Values(span.split(',').map(value).collect::<Result<_>>()?),
        };
        match span {
            Span::Range(first, last) if first > last => {
                Err(usage(format!("expected the smaller value first, as in {name}={last}:{first}")))
            }
            span => Ok(Self { parameter, span }),
        }
    }
}

impl fmt::Display for Axis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}=", self.parameter.name())?;
        let number = |value: &f64| if self.parameter.is_integer() { value.to_string() } else { format!("{value:e}") };
        match &self.span {
            Span::Range(first, last) => write!(f, "{}:{}", number(first), number(last)),
            Span::Values(values) => {
                let text = |value: &Value| match value {
                    Value::Number(value) => number(value),
                    Value::Word(word) => word.clone(),
                };
                f.write_str(&values.iter().map(text).collect::<Vec<_>>().join(","))
            }
        }
    }
}

as_text!(Axis);

/// One span for each parameter.
type Region = Vec<Span>;

/// The values to try. Ranges of one parameter share the trials evenly; ranges of several parameters are combined. Beside
/// ranges that are drawn from at random, lists are drawn from too.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Space {
    /// How values are chosen.
    pub sample: Sample,
    /// The ranges or lists.
    #[serde(rename = "range")]
    pub axes: Vec<Axis>,
    /// The number of trials of a stage.
    pub trials: usize,
}

impl Space {
    /// The assignment's coarse search: lambdas of 1e-5 to 1e-1.
    pub fn default_axes() -> Vec<Axis> {
        vec![Axis { parameter: Parameter::LAMBDA, span: Span::Range(1e-5, 1e-1) }]
    }

    /// The number of trials in the report's coarse search, according to its text.
    pub const DEFAULT_TRIALS: usize = 20;

    /// A checked space. The default of `trials` is the number of values of a list, else [`Self::DEFAULT_TRIALS`].
    pub fn new(sample: Sample, axes: Vec<Axis>, trials: Option<usize>) -> Result<Self> {
        let usage = |what: String| Err(Error::Usage(what));
        let mut space = Self { sample, axes, trials: trials.unwrap_or(Self::DEFAULT_TRIALS) };
        if space.axes.is_empty() {
            return usage("--range: expected one or more".into());
        }
        let lists = space.axes.iter().all(|axis| matches!(axis.span, Span::Values(_)));
        for axis in &space.axes {
            match (&axis.span, sample) {
                (Span::Range(..), Sample::List) => {
                    return usage(format!("--range {axis}: --sample list takes values, as in lambda=1e-4,1e-3"));
                }
                (Span::Values(_), Sample::LogUniform | Sample::Uniform) if lists => {
                    return usage(format!("--range {axis}: nothing to draw from but listed values: use --sample list"));
                }
                (Span::Values(_), Sample::Grid) => {
                    return usage(format!("--range {axis}: expected A:B; a list of values needs --sample list"));
                }
                (Span::Range(first, _), Sample::LogUniform | Sample::Grid) if *first <= 0.0 => {
                    return usage(format!(
                        "--range {axis}: 0 has no logarithm; use --sample uniform or a value above 0"
                    ));
                }
                _ => {}
            }
        }
        if sample == Sample::List {
            let values = space.list().len();
            if trials.is_some_and(|trials| trials != values) {
                return usage(format!("--trials {}: the list has {values}; leave the flag out", space.trials));
            }
            space.trials = values;
        }
        let (regions, parameters) = (space.regions().len(), space.parameters().len());
        if space.trials < regions {
            return usage(format!("--trials {}: expected {regions} or more, one a range", space.trials));
        }
        if sample == Sample::Grid {
            for (region, trials) in space.shares(regions).into_iter().enumerate() {
                let side = side(trials, parameters);
                if side.checked_pow(parameters as u32) != Some(trials) {
                    let fits = side.pow(parameters as u32) * regions;
                    return usage(format!(
                        "--trials {}: a grid over {parameters} parameters has {trials} points in range {region}, \
                         not N^{parameters}; {fits} would work",
                        space.trials
                    ));
                }
            }
        }
        Ok(space)
    }

    /// The parameters searched, in the order given.
    pub fn parameters(&self) -> Vec<Parameter> {
        let mut parameters = Vec::new();
        for axis in &self.axes {
            if !parameters.contains(&axis.parameter) {
                parameters.push(axis.parameter);
            }
        }
        parameters
    }

    /// The values of the trials of stage 0, `[trials][parameters]`. Those of trial `i` depend only on the seed, `i` and the
    /// range.
    pub fn points(&self, seed: u64) -> Vec<Vec<Value>> {
        match self.sample {
            Sample::List => self.list(),
            sample => self.within(sample, &self.regions(), seed, 0),
        }
    }

    /// As many points again in regions around the `count` best of `ranked`, best first. A region extends to the next
    /// smaller and the next larger value tried, or to the end of the range, and of a list is the value alone; a point inside
    /// the region of a better one is skipped. A list of numbers is refined uniformly.
    pub fn refined_points(&self, ranked: &[Vec<Value>], count: usize, seed: u64, first: u64) -> Vec<Vec<Value>> {
        let inside = |region: &Region, point: &[Value]| region.iter().zip(point).all(|(span, value)| span.has(value));
        let whole = self.regions();
        let mut regions: Vec<Region> = Vec::new();
        for point in ranked {
            if regions.len() == count.min(self.trials) {
                break;
            }
            let Some(outer) = whole.iter().find(|region| inside(region, point)) else { continue };
            if regions.iter().any(|region| inside(region, point)) {
                continue;
            }
            let narrowed = outer.iter().enumerate().map(|(axis, span)| match (span, &point[axis]) {
                (&Span::Range(low, high), &Value::Number(best)) => {
                    let tried = ranked.iter().filter(|point| span.has(&point[axis]));
                    let tried = tried.filter_map(|point| match point[axis] {
                        Value::Number(value) => Some(value),
                        Value::Word(_) => None,
                    });
                    let below = tried.clone().filter(|&value| value < best).fold(low, f64::max);
                    Span::Range(below, tried.filter(|&value| value > best).fold(high, f64::min))
                }
                (_, value) => Span::Values(vec![value.clone()]),
            });
            regions.push(narrowed.collect());
        }
        // A region's share of the trials need not make a full grid, and its ends have been tried.
        let sample = if self.sample == Sample::LogUniform { Sample::LogUniform } else { Sample::Uniform };
        self.within(sample, &regions, seed, first)
    }

    /// As many points as trials, shared evenly among `regions`.
    fn within(&self, sample: Sample, regions: &[Region], seed: u64, first: u64) -> Vec<Vec<Value>> {
        let mut points: Vec<Vec<Value>> = Vec::with_capacity(self.trials);
        for (region, trials) in regions.iter().zip(self.shares(regions.len())) {
            for place in 0..trials {
                points.push(match sample {
                    Sample::Grid => grid(region, trials, place),
                    _ => draw(sample, region, seed, first + points.len() as u64),
                });
            }
        }
        for (axis, parameter) in self.parameters().iter().enumerate() {
            if parameter.is_integer() {
                for point in &mut points {
                    if let Value::Number(value) = &mut point[axis] {
                        *value = value.round();
                    }
                }
            }
        }
        points
    }

    /// The number of trials in each of `regions` regions.
    fn shares(&self, regions: usize) -> Vec<usize> {
        (0..regions).map(|region| self.trials / regions + usize::from(region < self.trials % regions)).collect()
    }

    /// Every combination of one span of each parameter. Where all values are listed, numbers count as their range.
    fn regions(&self) -> Vec<Region> {
        let spans = |parameter: &Parameter| -> Vec<Span> {
            let axes = self.axes.iter().filter(|axis| axis.parameter == *parameter);
            axes.map(|axis| range(&axis.span).filter(|_| self.sample == Sample::List).unwrap_or(axis.span.clone()))
                .collect()
        };
        product(&self.parameters().iter().map(spans).collect::<Vec<_>>())
    }

    /// Every combination of the listed values.
    fn list(&self) -> Vec<Vec<Value>> {
        let values = |parameter: &Parameter| -> Vec<Value> {
            let axes = self.axes.iter().filter(|axis| axis.parameter == *parameter);
            axes.flat_map(|axis| match &axis.span {
                Span::Values(values) => values.clone(),
                Span::Range(..) => Vec::new(),
            })
            .collect()
        };
        product(&self.parameters().iter().map(values).collect::<Vec<_>>())
    }
}

/// From the least to the greatest of listed numbers.
fn range(span: &Span) -> Option<Span> {
    let Span::Values(values) = span else { return None };
    values.iter().try_fold(Span::Range(f64::MAX, 0.0), |range, value| match (range, value) {
        (Span::Range(low, high), &Value::Number(value)) => Some(Span::Range(low.min(value), high.max(value))),
        _ => None,
    })
}

/// The Cartesian product, the last factor changing fastest.
fn product<T: Clone>(choices: &[Vec<T>]) -> Vec<Vec<T>> {
    choices.iter().fold(vec![Vec::new()], |combinations, choices| {
        let with = |one: &Vec<T>| {
            choices.iter().map(|choice| [&one[..], std::slice::from_ref(choice)].concat()).collect::<Vec<_>>()
        };
        combinations.iter().flat_map(with).collect()
    })
}

/// The side of the largest cube of at most `points`.
fn side(points: usize, dimensions: usize) -> usize {
    let mut side = 1_usize;
    while (side + 1).checked_pow(dimensions as u32).is_some_and(|cube| cube <= points) {
        side += 1;
    }
    side
}

/// Interpolates in the logarithm; exact at both ends.
fn logarithmic([low, high]: [f64; 2], share: f64) -> f64 {
    ((1.0 - share) * low.ln() + share * high.ln()).exp().clamp(low, high)
}

/// Interpolates between both ends.
fn linear([low, high]: [f64; 2], share: f64) -> f64 {
    ((1.0 - share) * low + share * high).clamp(low, high)
}

/// Point `place` of a cube of `points`; a side of one point is in the middle.
fn grid(region: &Region, points: usize, mut place: usize) -> Vec<Value> {
    let side = side(points, region.len());
    let mut point: Vec<_> = region
        .iter()
        .rev()
        .map(|span| {
            let step = place % side;
            place /= side;
            match (span, step, side) {
                (span, _, 1) => at(span, 0.5, logarithmic),
                (Span::Range(first, _), 0, _) => Value::Number(*first),
                (Span::Range(_, last), step, side) if step == side - 1 => Value::Number(*last),
                (span, step, side) => at(span, step as f64 / (side - 1) as f64, logarithmic),
            }
        })
        .collect();
    point.reverse();
    point
}

/// Point `number` of the seed.
fn draw(sample: Sample, region: &Region, seed: u64, number: u64) -> Vec<Value> {
    let mut generator = stream(seed, Purpose::Search, number);
    let between = if sample == Sample::LogUniform { logarithmic } else { linear };
    region.iter().map(|span| at(span, generator.random(), between)).collect()
}

/// The value at a `share`, 0 to 1, of the way through `span`, which goes as `between` says.
fn at(span: &Span, share: f64, between: fn([f64; 2], f64) -> f64) -> Value {
    match span {
        Span::Range(low, high) => Value::Number(between([*low, *high], share)),
        Span::Values(values) => values[((share * values.len() as f64) as usize).min(values.len() - 1)].clone(),
    }
}

#[cfg(test)]
mod tests;
