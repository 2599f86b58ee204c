//! Curves over the steps: what a training's scores were between them, and the learning rate below.

use std::collections::BTreeMap;

use maud::{Markup, html};

use super::parts::Charts;
use super::text::{number, percent};
use crate::config::schedule::{Policy, Schedule};
use crate::config::spec::Length;
use crate::records::metrics::Line;
use crate::report::chart::{Axis, Chart, Form, Mark, Panel, Point, Series};
use crate::util::text::grouped;

/// Evaluations drawn at most, of all the runs in a chart together; of a run with more every so manyth.
const EVALUATIONS: usize = 6000;
/// Of a run at least and at most: fewer would show less than there is, and more could not be seen.
const OF_A_RUN: [usize; 2] = [60, 600];
/// Straight parts at most, and half as many at least, that a curved learning rate is drawn in.
const PARTS: u64 = 60;

/// A value of one model at one evaluation.
pub(super) type Value = fn(&Line) -> Option<f64>;

/// What is drawn of an evaluation.
pub(super) struct Kind {
    pub title: &'static str,
    pub axis: fn() -> Axis,
    pub train: Value,
    pub validation: Value,
}

/// Each in a chart of its own, as in the report's figures.
pub(super) const KINDS: [Kind; 3] = [
    Kind {
        title: "Cost",
        axis: || Axis::new("cost = loss + penalty"),
        train: |line| Some(line.train_cost),
        validation: |line| line.val_cost,
    },
    Kind {
        title: "Loss",
        axis: || Axis::new("loss, in nats"),
        train: |line| Some(line.train_loss),
        validation: |line| line.val_loss,
    },
    Kind {
        title: "Accuracy",
        axis: || Axis::percent("images classified rightly"),
        train: |line| Some(line.train_accuracy),
        validation: |line| line.val_accuracy,
    },
];

/// Lines by evaluation, every so manyth where there are more than can be seen, beside those of so many runs.
pub(super) fn thinned(lines: &[Line], runs: usize) -> (Vec<&[Line]>, usize) {
    let [least, most] = OF_A_RUN;
    let evaluations: Vec<_> = lines.chunk_by(|a, b| a.step == b.step).collect();
    let every = evaluations.len().div_ceil((EVALUATIONS / runs.max(1)).clamp(least, most)).max(1);
    let last = evaluations.len().saturating_sub(1);
    (
        evaluations
            .into_iter()
            .enumerate()
            .filter(|(place, _)| place % every == 0 || *place == last)
            .map(|(_, one)| one)
            .collect(),
        every,
    )
}

/// A value over the steps: the models' mean, with their range.
pub(super) fn series(label: &str, look: usize, evaluations: &[&[Line]], value: Value) -> Series {
    let points = evaluations.iter().filter_map(|lines| {
        let values: Vec<f64> = lines.iter().filter_map(value).collect();
        Point::of(lines[0].step as f64, &values)
    });
    Series { label: label.to_owned(), look, mark: Mark::Line, points: points.collect() }
}

/// A training's learning rate.
#[derive(Clone, Copy, PartialEq)]
pub(super) struct Rate {
    schedule: Schedule,
    /// Steps that it counts on; 0 if it does not depend on them.
    steps: u64,
}

impl Rate {
    /// Of a training of this length, whose lines tell how many steps an epoch has.
    pub(super) fn of(schedule: Schedule, length: Length, lines: &[Line]) -> Self {
        let epoch = lines.last().map_or(0.0, |line| line.step as f64 / line.epoch.max(f64::MIN_POSITIVE)).round();
        let steps = if schedule.policy.spans_run() { length.steps(&schedule, epoch as u64) } else { 0 };
        Self { schedule, steps }
    }

    /// Steps between which it is drawn straight, up to the last step: where it turns, drops, or has gone a small part of
    /// the way.
    fn corners(&self, last: f64) -> Vec<f64> {
        let Self { schedule: Schedule { policy, half_cycle, step_size, warmup, .. }, .. } = *self;
        let period = match policy {
            Policy::Step => step_size,
            Policy::Constant => last as u64,
            _ if policy.is_cyclical() => half_cycle,
            _ => (last as u64).div_ceil(PARTS),
        };
        let period = period.max(1) as f64;
        let turns = (last / period).floor() as u64;
        // So many that they could not be seen are not drawn.
        let mut corners: Vec<f64> = (0..=turns.min(400)).map(|turn| turn as f64 * period).collect();
        if policy == Policy::Step {
            corners.extend(corners.clone().into_iter().skip(1).map(|corner| corner - 1.0));
        }
        corners.extend([warmup as f64].into_iter().filter(|&end| end < last));
        corners.extend((turns <= 400).then_some(last));
        corners
    }

    fn ends_of_cycles(&self, last: f64) -> Vec<f64> {
        let cycle = self.schedule.cycle().max(1) as f64;
        let count = (last / cycle).floor() as u64;
        let seen = self.schedule.policy.is_cyclical() && count <= 60;
        if seen { (1..=count).map(|end| end as f64 * cycle).collect() } else { Vec::new() }
    }
}

/// Series over the steps, with the learning rate below and the ends of its cycles marked.
pub(super) fn over_steps(name: &str, title: &str, y: Axis, series: Vec<Series>, rate: Option<Rate>) -> Chart {
    let last = series.iter().filter_map(|series| series.points.last()).map(|point| point.x).fold(0.0, f64::max);
    let ends = series.iter().filter(|series| !series.points.is_empty()).filter_map(|series| {
        let last = series.points.last()?;
        Some(format!(
            "{} ends at {}",
            series.label,
            match y.form {
                Form::Percent => percent(last.y),
                _ => number(last.y, 5),
            }
        ))
    });
    let description = format!("{title} over {} steps: {}.", grouped(last as u64), ends.collect::<Vec<_>>().join(", "));
    let mut panels = vec![Panel::new(y, series)];
    let mut marks = Vec::new();
    if let Some(rate) = rate {
        marks = rate.ends_of_cycles(last);
        // At the evaluations it can be read.
        let mut steps = rate.corners(last);
        steps.extend(panels[0].series.iter().flat_map(|series| &series.points).map(|point| point.x));
        steps.sort_by(f64::total_cmp);
        steps.dedup();
        let rate = steps.into_iter().map(|step| Point::new(step, rate.schedule.at(step as u64, rate.steps))).collect();
        let rate = Series { label: "learning rate".into(), look: 5, mark: Mark::Thin, points: rate };
        panels.push(Panel::strip(Axis::new("learning rate"), vec![rate]));
    }
    Chart { marks, ..Chart::new(name, title, description, Axis::count("step"), panels) }
}

/// Curves of several trainings at once, by evaluation: what a search's records have, as lines.
pub(super) fn by_step(models: &[Vec<Line>]) -> Vec<Line> {
    let mut steps: BTreeMap<u64, Vec<Line>> = BTreeMap::new();
    for line in models.iter().flatten() {
        steps.entry(line.step).or_default().push(line.clone());
    }
    steps.into_values().flatten().collect()
}

/// Cost, loss and accuracy of a training, or of repeats of one, over the steps.
pub(super) fn figures(name: &str, lines: &[Line], rate: Rate, charts: &mut Charts) -> Markup {
    let (lines, _) = thinned(lines, 1);
    html! {
        div.figures {
            @for Kind { title, axis, train, validation } in KINDS {
                @let both = vec![series("training", 0, &lines, train), series("validation", 1, &lines, validation)];
                (charts.add(over_steps(&format!("{name}-{title}"), title, axis(), both, Some(rate))))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate(policy: Policy, warmup: u64) -> Rate {
        let schedule = Schedule { policy, step_size: 3, warmup, ..Schedule::triangular(0.1, 0.5, 4) };
        Rate { schedule, steps: 0 }
    }

    fn corners(rate: Rate, last: f64) -> Vec<f64> {
        let mut corners = rate.corners(last);
        corners.sort_by(f64::total_cmp);
        corners.dedup();
        corners
    }

    fn line(step: u64, model: usize, loss: f64) -> Line {
        Line { step, model, train_loss: loss, ..Line::default() }
    }

    #[test]
    fn of_many_evaluations_every_so_manyth_is_drawn_and_the_last() {
        let lines: Vec<_> = (0..=1501).map(|step| line(step, 0, 1.0)).collect();
        let (drawn, every) = thinned(&lines, 1);
        assert_eq!((drawn.len(), every), (502, 3));
        assert_eq!([drawn[0][0].step, drawn[1][0].step, drawn[501][0].step], [0, 3, 1501]);
        assert_eq!(thinned(&lines[..600], 1).1, 1);
        assert!(thinned(&[], 1).0.is_empty());
        // Of many runs fewer, but never too few to see a curve.
        assert_eq!([20, 1000].map(|runs| thinned(&lines, runs).1), [6, 26]);
    }

    #[test]
    fn a_point_is_the_mean_of_the_models_with_their_range() {
        let lines = [line(0, 0, 1.0), line(0, 1, 4.0), line(9, 0, 2.0), line(9, 1, f64::NAN)];
        let (evaluations, _) = thinned(&lines, 1);
        let points = series("loss", 0, &evaluations, |line| Some(line.train_loss)).points;
        // One that is not a number leaves no mean.
        assert_eq!(points, [Point { x: 0.0, y: 2.5, low: 1.0, high: 4.0 }]);
        assert!(series("loss", 0, &evaluations, |line| line.val_loss).points.is_empty());
    }

    #[test]
    fn cycles_end_and_rates_turn_at_their_steps_up_to_the_last() {
        let rate = rate(Policy::Triangular, 0);
        assert_eq!(rate.ends_of_cycles(17.0), [8.0, 16.0]);
        assert_eq!(corners(rate, 10.0), [0.0, 4.0, 8.0, 10.0]);
        assert_eq!(corners(rate, 8.0), [0.0, 4.0, 8.0]);
    }

    #[test]
    fn a_rate_without_cycles_is_drawn_where_it_drops_or_bends() {
        assert_eq!(corners(rate(Policy::Step, 0), 7.0), [0.0, 2.0, 3.0, 5.0, 6.0, 7.0]);
        assert_eq!(corners(rate(Policy::Triangular, 3), 8.0), [0.0, 3.0, 4.0, 8.0]);
        let cosine = rate(Policy::Cosine, 0);
        assert!(cosine.ends_of_cycles(17.0).is_empty());
        assert_eq!(corners(rate(Policy::Constant, 2), 17.0), [0.0, 2.0, 17.0]);
        assert_eq!(corners(cosine, 3.0), [0.0, 1.0, 2.0, 3.0]);
        assert_eq!(corners(cosine, 600.0).len(), 61);
    }

    #[test]
    fn an_unfinished_runs_lines_tell_how_long_it_was_to_be() {
        let schedule = rate(Policy::Cosine, 0).schedule;
        let lines = [line(0, 0, 1.0), Line { epoch: 34.0 / 12.0, ..line(34, 0, 1.0) }];
        assert_eq!(Rate::of(schedule, Length::Epochs(5), &lines).steps, 60);
        assert_eq!(Rate::of(schedule, Length::Cycles(5), &lines).steps, 40);
        assert_eq!(Rate::of(schedule, Length::Epochs(5), &[]).steps, 0);
    }
}
