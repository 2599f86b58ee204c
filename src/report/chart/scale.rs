//! From values to pixels, and the values at which an axis has its ticks.

use super::data::{Axis, Form, Kind};
use super::width::width;
use crate::report::text::{number, scientific};
use crate::util::text::grouped;

/// From here on a tick is written as 1e5: more digits than these would take the plot's room.
const LARGE: f64 = 1e5;

/// The largest value that is told apart: a range of both signs, and some room, are still finite numbers.
const LARGEST: f64 = f64::MAX / 4.0;

/// An axis laid over some pixels.
pub(super) struct Scale {
    kind: Kind,
    form: Form,
    /// Least and largest value.
    values: [f64; 2],
    /// Where those are.
    pixels: [f64; 2],
}

impl Scale {
    /// The axis for `values`, a share `room` of their range left free at both ends, over the pixels 0 to 1.
    pub(super) fn new(axis: &Axis, values: impl Iterator<Item = f64>, room: f64) -> Self {
        let new = |values| Self { kind: axis.kind, form: axis.form.clone(), values, pixels: [0.0, 1.0] };
        if let Form::Names(names) = &axis.form {
            // Each has the same room, the first at the end of the axis.
            return new([names.len().max(1) as f64 - 0.5, -0.5]);
        }
        let values = values.chain(axis.holds.iter().copied()).map(|value| along(axis.kind, value));
        let (low, high) = values
            .filter(|value| value.is_finite())
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (value.min(low), value.max(high)));
        // Values that are all one still need a range to stand in.
        let (low, high) = match high - low {
            range if range > 0.0 => (low - room * range, high + room * range),
            0.0 => {
                let around = if axis.kind == Kind::Log { 0.5 } else { 0.05 * low.abs().max(0.01) };
                (low - around, high + around)
            }
            _ => (0.0, 1.0),
        };
        new([low, high])
    }

    /// The same axis from `pixels[0]` to `pixels[1]`.
    pub(super) fn over(self, pixels: [f64; 2]) -> Self {
        Self { pixels, ..self }
    }

    /// Where a value is.
    pub(super) fn at(&self, value: f64) -> f64 {
        let [low, high] = self.values;
        let [from, to] = self.pixels;
        from + (along(self.kind, value) - low) / (high - low) * (to - from)
    }

    /// Round values in the range, about so many, with their text.
    pub(super) fn ticks(&self, about: usize) -> Vec<(f64, String)> {
        if let Form::Names(names) = &self.form {
            return names.iter().enumerate().map(|(place, name)| (place as f64, name.clone())).collect();
        }
        let [low, high] = self.values;
        match self.kind {
            Kind::Linear => {
                let step = step((high - low) / about as f64);
                self.shown(multiples(low, high, step), step)
            }
            Kind::Log => {
                let [low, high] = [10f64.powf(low), 10f64.powf(high)];
                // Between two neighbouring powers of ten a logarithm is almost a straight line.
                if (high / low).log10() < 0.7 {
                    let step = step((high - low) / about as f64);
                    return self.shown(multiples(low, high, step), step);
                }
                let every = |factors: &[f64]| -> Vec<f64> {
                    let powers = (low.log10().floor() as i32)..=(high.log10().ceil() as i32);
                    let values = powers.flat_map(|power| factors.iter().map(move |factor| factor * 10f64.powi(power)));
                    // A power that is computed may miss the end that it is by a rounding.
                    values.filter(|value| (low * (1.0 - 1e-9)..=high * (1.0 + 1e-9)).contains(value)).collect()
                };
                let candidates = [every(&[1.0, 2.0, 5.0]), every(&[1.0, 3.0]), every(&[1.0])];
                let most = candidates.iter().find(|ticks| ticks.len() <= about).unwrap_or(&candidates[2]);
                let skip = most.len().div_ceil(about.max(1)).max(1);
                let text = |value| if value < LARGE { number(value, 2) } else { scientific(value, 2) };
                most.iter().step_by(skip).map(|&value| (value, text(value))).collect()
            }
        }
    }

    /// The ticks, `most` or so many fewer that their texts, of `size` pixels, have room side by side in `width` pixels.
    pub(super) fn fitting(&self, most: usize, size: f64, width: f64) -> Vec<(f64, String)> {
        /// Between two texts.
        const GAP: f64 = 8.0;
        let fits = |ticks: &Vec<(f64, String)>| {
            ticks.iter().map(|tick| self::width(&tick.1, size) + GAP).sum::<f64>() <= width
        };
        (2..=most).rev().map(|about| self.ticks(about)).find(fits).unwrap_or_else(|| self.ticks(1))
    }

    fn shown(&self, ticks: Vec<f64>, step: f64) -> Vec<(f64, String)> {
        let scale = if self.form == Form::Percent { 100.0 } else { 1.0 };
        let decimals = (-(step * scale).log10().floor()).max(0.0) as usize;
        let largest = ticks.iter().fold(step, |largest, tick| tick.abs().max(largest));
        // As many as tell the largest from its neighbour, and as doubles have.
        let digits = (largest.log10().floor() - step.log10().floor() + 1.0).clamp(1.0, 17.0) as usize;
        let text = |value: f64| match &self.form {
            Form::Percent => format!("{:.decimals$} %", value * 100.0),
            Form::Count => grouped(value.round().max(0.0) as u64),
            _ if largest >= LARGE => scientific(value, digits),
            _ if decimals > 3 => number(value, digits),
            _ if value >= 1e3 && decimals == 0 => grouped(value.round() as u64),
            _ => format!("{value:.decimals$}"),
        };
        ticks.into_iter().map(|value| (value, text(value))).collect()
    }
}

/// What is laid out in proportion: a value, or its logarithm.
fn along(kind: Kind, value: f64) -> f64 {
    match kind {
        Kind::Linear => value.clamp(-LARGEST, LARGEST),
        Kind::Log => value.log10(),
    }
}

/// The smallest of 1, 2, 5, 10, 20 … that is no less than `least`, whatever the power of ten.
fn step(least: f64) -> f64 {
    let power = 10f64.powf(least.log10().floor());
    [1.0, 2.0, 5.0, 10.0]
        .map(|factor| factor * power)
        .into_iter()
        .find(|step| *step >= least * (1.0 - 1e-9))
        .unwrap_or(10.0 * power)
}

/// The multiples of `step` from `low` to `high`; 0 is without a sign.
fn multiples(low: f64, high: f64, step: f64) -> Vec<f64> {
    let (first, last) = ((low / step - 1e-9).ceil() as i64, (high / step + 1e-9).floor() as i64);
    (first..=last).map(|count| count as f64 * step).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ticks(axis: &Axis, low: f64, high: f64, about: usize) -> Vec<String> {
        let scale = Scale::new(axis, [low, high].into_iter(), 0.0);
        scale.ticks(about).into_iter().map(|(_, text)| text).collect()
    }

    #[test]
    fn ticks_are_round() {
        assert_eq!(ticks(&Axis::new(""), 0.0, 2.4, 5), ["0.0", "0.5", "1.0", "1.5", "2.0"]);
        assert_eq!(ticks(&Axis::new(""), -3.0, 4.0, 5), ["-2", "0", "2", "4"]);
        assert_eq!(ticks(&Axis::percent(""), 0.452, 0.61, 4), ["50 %", "55 %", "60 %"]);
        assert_eq!(ticks(&Axis::count(""), 0.0, 5880.0, 4), ["0", "2,000", "4,000"]);
        assert_eq!(ticks(&Axis::log(""), 1e-5, 10.0, 8), ["1e-5", "0.0001", "0.001", "0.01", "0.1", "1", "10"]);
        assert_eq!(ticks(&Axis::log(""), 1.9e-5, 3.5e-5, 4), ["2e-5", "2.5e-5", "3e-5", "3.5e-5"]);
    }

    #[test]
    fn ticks_of_huge_values_are_short_and_differ() {
        let plain = Axis::new("");
        assert_eq!(ticks(&plain, 0.0, 2.4e6, 5), ["0", "5e5", "1e6", "1.5e6", "2e6"]);
        assert_eq!(ticks(&plain, 123_400.0, 123_900.0, 3), ["1.234e5", "1.236e5", "1.238e5"]);
        assert_eq!(ticks(&plain, 0.0, 25e3, 3), ["0", "10,000", "20,000"]);
        assert_eq!(ticks(&plain, 0.0, 3e38, 3), ["0", "1e38", "2e38", "3e38"]);
        assert_eq!(ticks(&plain, 0.010_01, 0.010_03, 2), ["0.01001", "0.01002", "0.01003"]);
        assert_eq!(ticks(&Axis::log(""), 1.0, 1e6, 8), ["1", "10", "100", "1000", "10000", "1e5", "1e6"]);
    }

    #[test]
    fn the_largest_numbers_that_there_are_have_a_place() {
        let scale = Scale::new(&Axis::new(""), [f64::MIN, f64::MAX].into_iter(), 0.04);
        assert!(scale.at(f64::MIN) < 0.1 && scale.at(f64::MAX) > 0.9);
        assert!(scale.ticks(5).iter().all(|tick| scale.at(tick.0).is_finite()), "{:?}", scale.ticks(5));
    }

    #[test]
    fn ticks_that_would_touch_are_left_out() {
        let scale = Scale::new(&Axis::count(""), [0.0, 5e11].into_iter(), 0.0);
        assert_eq!(scale.fitting(5, 12.0, 1000.0).len(), 6);
        assert_eq!(scale.fitting(5, 12.0, 360.0).len(), 3);
    }

    #[test]
    fn names_stand_from_the_top_at_even_distances() {
        let names = Form::Names(["one", "two"].map(String::from).to_vec());
        let scale = Scale::new(&Axis { form: names, ..Axis::new("") }, std::iter::empty(), 0.0).over([100.0, 0.0]);
        assert_eq!(scale.ticks(6), [(0.0, "one".to_owned()), (1.0, "two".to_owned())]);
        assert_eq!([scale.at(0.0), scale.at(1.0)], [25.0, 75.0]);
    }

    #[test]
    fn the_ends_are_where_they_should_be() {
        for axis in [Axis::new(""), Axis::log("")] {
            let scale = Scale::new(&axis, [0.01, 100.0].into_iter(), 0.0).over([40.0, 240.0]);
            approx::assert_abs_diff_eq!(scale.at(0.01), 40.0, epsilon = 1e-9);
            approx::assert_abs_diff_eq!(scale.at(100.0), 240.0, epsilon = 1e-9);
        }
        let scale = Scale::new(&Axis::log(""), [0.01, 100.0].into_iter(), 0.0).over([40.0, 240.0]);
        approx::assert_abs_diff_eq!(scale.at(1.0), 140.0, epsilon = 1e-9);
    }

    #[test]
    fn one_value_or_none_has_a_place() {
        let scale = Scale::new(&Axis::new(""), std::iter::once(3.0), 0.0).over([0.0, 100.0]);
        approx::assert_abs_diff_eq!(scale.at(3.0), 50.0);
        assert!(Scale::new(&Axis::log(""), std::iter::empty(), 0.0).at(1.0).is_finite());
    }
}
