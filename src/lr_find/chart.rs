//! The chart of a range test, as SVG: loss and accuracy over the logarithm of the learning rate.

use plotters::coord::Shift;
use plotters::prelude::*;

use super::Found;
use crate::error::{Error, Result};

/// Width and height, in pixels.
const SIZE: (u32, u32) = (960, 540);
/// Blue and orange that people who see colours differently can tell apart (Okabe and Ito, 2008).
const LOSS: RGBColor = RGBColor(0, 114, 178);
const ACCURACY: RGBColor = RGBColor(213, 94, 0);
const RANGE: RGBColor = RGBColor(0, 158, 115);

/// The chart's text.
///
/// # Errors
///
/// [`Error::Internal`] if it cannot be drawn.
pub fn svg(found: &Found) -> Result<String> {
    let mut text = String::new();
    {
        let area = SVGBackend::with_string(&mut text, SIZE).into_drawing_area();
        draw(&area, found).map_err(|error| Error::Internal(format!("chart: {error}")))?;
    }
    Ok(text)
}

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

fn draw(area: &Area<'_>, found: &Found) -> std::result::Result<(), Box<dyn std::error::Error>> {
    let (Some(first), Some(last)) = (found.points.first(), found.points.last()) else { return Ok(()) };
    let rates = first.rate..last.rate * 1.0001;
    let least = found.points.iter().map(|point| point.smoothed).fold(f64::INFINITY, f64::min);
    // What lies far above the start would squeeze all the rest.
    let (bottom, top) = (0.9 * least, 1.2 * first.smoothed.max(f64::MIN_POSITIVE));
    let best = found.points.iter().filter_map(|point| point.accuracy).fold(0.0, f64::max);

    area.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(area)
        .margin(16)
        .x_label_area_size(44)
        .y_label_area_size(60)
        .right_y_label_area_size(60)
        .build_cartesian_2d(rates.clone().log_scale(), bottom..top)?
        .set_secondary_coord(rates.log_scale(), 0.0..(1.1 * best).max(0.1));
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(BLACK.mix(0.12))
        .x_desc("learning rate")
        .y_desc("smoothed loss (dots: batches)")
        .x_label_formatter(&|rate| format!("{rate:.0e}"))
        .label_style(("sans-serif", 15))
        .axis_desc_style(("sans-serif", 17))
        .draw()?;
    chart
        .configure_secondary_axes()
        .y_desc("accuracy")
        .y_label_formatter(&|share| format!("{:.0}%", share * 100.0))
        .label_style(("sans-serif", 15))
        .axis_desc_style(("sans-serif", 17))
        .draw()?;

    if let Some(suggestion) = found.suggestion {
        let band = Rectangle::new([(suggestion.min, bottom), (suggestion.max, top)], RANGE.mix(0.15).filled());
        chart.draw_series([band])?;
    }
    let dots = found.points.iter().filter(|point| (bottom..top).contains(&point.loss));
    chart.draw_series(dots.map(|point| Circle::new((point.rate, point.loss), 1, LOSS.mix(0.35).filled())))?;
    let smoothed = found.points.iter().map(|point| (point.rate, point.smoothed.min(top)));
    chart.draw_series(LineSeries::new(smoothed, LOSS.stroke_width(3)))?;
    let accuracies = found.points.iter().filter_map(|point| Some((point.rate, point.accuracy?)));
    chart.draw_secondary_series(LineSeries::new(accuracies, ACCURACY.stroke_width(3)))?;

    let legend = [("smoothed loss", LOSS.to_rgba()), ("accuracy", ACCURACY.to_rgba()), ("suggested", RANGE.mix(0.4))];
    for ((name, colour), place) in legend.into_iter().zip(0..) {
        let (x, y) = (90, 30 + 22 * place);
        area.draw(&Rectangle::new([(x, y), (x + 24, y + 5)], colour.filled()))?;
        area.draw(&Text::new(name, (x + 32, y - 5), ("sans-serif", 15)))?;
    }
    area.present()?;
    Ok(())
}
