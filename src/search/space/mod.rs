//! The values that a search tries.

use std::fmt;
use std::str::FromStr;

use clap::ValueEnum;
use rand::RngExt;
use serde::{Deserialize, Serialize};

use super::parameter::Parameter;
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
    /// the values given
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
    /// These.
    Values(Vec<f64>),
}

impl FromStr for Axis {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let usage = |what: String| Error::Usage(format!("--range {text}: {what}"));
        let (name, span) = text.split_once('=').unwrap_or(("lambda", text));
        let parameter = Parameter::ALL.into_iter().find(|parameter| parameter.name() == name).ok_or_else(|| {
            let names: Vec<_> = Parameter::ALL.iter().map(|parameter| parameter.name()).collect();
            usage(format!("no parameter {name} can be searched: expected {}", names.join(", ")))
        })?;
        let number = |text: &str| -> Result<f64> {
            let value: f64 = text
                .trim()
                .parse()
                .map_err(|_| usage(format!("\"{text}\" is not a number: expected [PARAM=]A:B or [PARAM=]A,B,C")))?;
            // 2⁵³: the integers that an f64 holds exactly.
            let fits = value >= 0.0 && value <= if parameter.is_integer() { 9_007_199_254_740_992.0 } else { f64::MAX };
            if !fits || parameter.is_integer() && value.fract() != 0.0 {
                let kind = if parameter.is_integer() { "an integer" } else { "a finite number" };
                return Err(usage(format!("{name} {value}: expected {kind}, 0 or more")));
            }
            Ok(value)
        };
        let span = match span.split_once(':') {
            Some((first, last)) => Span::Range(number(first)?, number(last)?),
            None => Span::Values(span.split(',').map(number).collect::<Result<_>>()?),
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
        match &self.span {
            Span::Range(first, last) => write!(f, "{first:e}:{last:e}"),
            Span::Values(values) => {
                f.write_str(&values.iter().map(|value| format!("{value:e}")).collect::<Vec<_>>().join(","))
            }
        }
    }
}

as_text!(Axis);

/// One range for each parameter.
type Region = Vec<[f64; 2]>;

/// The values to try. Ranges of one parameter share the trials evenly; ranges of several parameters are combined.
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
        vec![Axis { parameter: Parameter::Lambda, span: Span::Range(1e-5, 1e-1) }]
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
        for axis in &space.axes {
            match (&axis.span, sample) {
                (Span::Range(..), Sample::List) => {
                    return usage(format!("--range {axis}: --sample list takes values, as in lambda=1e-4,1e-3"));
                }
                (Span::Values(_), Sample::LogUniform | Sample::Uniform | Sample::Grid) => {
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
    pub fn points(&self, seed: u64) -> Vec<Vec<f64>> {
        match self.sample {
            Sample::List => self.list(),
            sample => self.within(sample, &self.regions(), seed, 0),
        }
    }

    /// As many points again in regions around the `count` best of `ranked`, best first. A region extends to the next
    /// smaller and the next larger value tried, or to the end of the range; a point inside the region of a better one is
    /// skipped. A list is refined uniformly.
    pub fn refined_points(&self, ranked: &[Vec<f64>], count: usize, seed: u64, first: u64) -> Vec<Vec<f64>> {
        let inside = |region: &Region, point: &[f64]| {
            region.iter().zip(point).all(|([low, high], value)| low <= value && value <= high)
        };
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
            let narrowed = outer.iter().enumerate().map(|(axis, &[low, high])| {
                let tried = || ranked.iter().map(|point| point[axis]).filter(|value| (low..=high).contains(value));
                [
                    tried().filter(|&value| value < point[axis]).fold(low, f64::max),
                    tried().filter(|&value| value > point[axis]).fold(high, f64::min),
                ]
            });
            regions.push(narrowed.collect());
        }
        // A region's share of the trials need not make a full grid, and its ends have been tried.
        let sample = if self.sample == Sample::LogUniform { Sample::LogUniform } else { Sample::Uniform };
        self.within(sample, &regions, seed, first)
    }

    /// As many points as trials, shared evenly among `regions`.
    fn within(&self, sample: Sample, regions: &[Region], seed: u64, first: u64) -> Vec<Vec<f64>> {
        let mut points: Vec<Vec<f64>> = Vec::with_capacity(self.trials);
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
                    point[axis] = point[axis].round();
                }
            }
        }
        points
    }

    /// The number of trials in each of `regions` regions.
    fn shares(&self, regions: usize) -> Vec<usize> {
        (0..regions).map(|region| self.trials / regions + usize::from(region < self.trials % regions)).collect()
    }

    /// Every combination of one range of each parameter; a list counts as its range.
    fn regions(&self) -> Vec<Region> {
        let spans = |parameter: &Parameter| -> Vec<[f64; 2]> {
            let axes = self.axes.iter().filter(|axis| axis.parameter == *parameter);
            axes.map(|axis| match &axis.span {
                Span::Range(first, last) => [*first, *last],
                Span::Values(values) => {
                    [values.iter().copied().fold(f64::MAX, f64::min), values.iter().copied().fold(0.0, f64::max)]
                }
            })
            .collect()
        };
        product(&self.parameters().iter().map(spans).collect::<Vec<_>>())
    }

    /// Every combination of the listed values.
    fn list(&self) -> Vec<Vec<f64>> {
        let values = |parameter: &Parameter| -> Vec<f64> {
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

/// The Cartesian product, the last factor changing fastest.
fn product<T: Copy>(choices: &[Vec<T>]) -> Vec<Vec<T>> {
    choices.iter().fold(vec![Vec::new()], |combinations, choices| {
        let with = |one: &Vec<T>| choices.iter().map(|&choice| [&one[..], &[choice]].concat()).collect::<Vec<_>>();
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

/// Point `place` of a cube of `points`; a side of one point is in the middle.
fn grid(region: &Region, points: usize, mut place: usize) -> Vec<f64> {
    let side = side(points, region.len());
    let mut point: Vec<f64> = region
        .iter()
        .rev()
        .map(|&span| {
            let step = place % side;
            place /= side;
            match (step, side) {
                (_, 1) => logarithmic(span, 0.5),
                (0, _) => span[0],
                (step, side) if step == side - 1 => span[1],
                (step, side) => logarithmic(span, step as f64 / (side - 1) as f64),
            }
        })
        .collect();
    point.reverse();
    point
}

/// Point `number` of the seed.
fn draw(sample: Sample, region: &Region, seed: u64, number: u64) -> Vec<f64> {
    let mut generator = stream(seed, Purpose::Search, number);
    let value = |&[low, high]: &[f64; 2]| {
        let share: f64 = generator.random();
        match sample {
            Sample::LogUniform => logarithmic([low, high], share),
            _ => ((1.0 - share) * low + share * high).clamp(low, high),
        }
    };
    region.iter().map(value).collect()
}

#[cfg(test)]
mod tests;
