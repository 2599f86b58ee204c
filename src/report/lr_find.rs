//! The chart of a range test: loss and accuracy over the logarithm of the learning rate.

use crate::config::schedule::Policy;
use crate::report::chart::{Axis, Chart, Mark, Panel, Point, Series};
use crate::train::lr_find::Found;

/// What a range test found, as a chart.
pub fn chart(found: &Found, schedule: Policy) -> Chart {
    // What lies far above the start would squeeze all the rest.
    let top = 1.2 * found.points.first().map_or(1.0, |first| first.smoothed.max(f64::MIN_POSITIVE));
    let series = |label: &str, look, mark, points: Vec<Point>| Series { label: label.into(), look, mark, points };
    let batches = found.points.iter().filter(|point| point.loss <= top).map(|point| Point::new(point.rate, point.loss));
    let smoothed = found.points.iter().map(|point| Point::new(point.rate, point.smoothed.min(top)));
    let accuracies = found.points.iter().filter_map(|point| Some(Point::new(point.rate, point.accuracy?)));
    let range = found.suggestion.map(|suggestion| [suggestion.min, suggestion.max]);
    Chart {
        name: "lr-find".into(),
        title: match range {
            Some(_) => "Range test; shaded: the range to train with".into(),
            None => "Range test".into(),
        },
        description: found.advice(schedule),
        x: Axis::log("learning rate"),
        panels: vec![
            Panel::new(
                Axis::new("loss of a batch, in nats"),
                vec![
                    series("batches", 0, Mark::Dust, batches.collect()),
                    series("smoothed", 0, Mark::Line, smoothed.collect()),
                ],
            ),
            Panel {
                height: 110.0,
                ..Panel::new(
                    Axis::percent("accuracy on validation images"),
                    vec![series("accuracy", 1, Mark::Line, accuracies.collect())],
                )
            },
        ],
        marks: Vec::new(),
        range,
    }
}
