//! What is drawn of a series.

use std::fmt::Write as _;

use maud::{Markup, html};

use super::data::{Mark, Point, Series};
use super::layout::{Layout, Place, Tenth, tenth, value};
use super::theme::LOOKS;

pub(super) fn drawn(series: &Series, place: &Place<'_>, layout: &Layout<'_>) -> Markup {
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
                Mark::Bars { whole } => {
                    @for point in &series.points {
                        @let ([x, y], zero) = (at(point), layout.x(0.0));
                        rect class="dot" x=(zero) y=(tenth(y - 6.0)) width=(tenth((x - zero).max(0.0))) height="12" rx="1.5" {}
                        text class="tick" x=(tenth(x + 6.0)) y=(tenth(y + 4.0)) { (value(point.x, whole)) }
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

fn path(places: impl Iterator<Item = [Tenth; 2]>) -> String {
    let mut path = String::new();
    for [x, y] in places {
        let _ = write!(path, "{}{x} {y}", if path.is_empty() { 'M' } else { 'L' });
    }
    path
}

/// The mark of a look.
pub(super) fn shape(look: usize, x: f64, y: f64) -> Markup {
    let (x, y) = (tenth(x), tenth(y));
    match look % LOOKS {
        0 => html! { circle class="dot" cx=(x) cy=(y) r="3.2" {} },
        1 => html! { rect class="dot" x=(tenth(x - 2.9)) y=(tenth(y - 2.9)) width="5.8" height="5.8" {} },
        2 => html! { path class="dot" d={ "M" (x) " " (tenth(y - 3.8)) "l3.8 6.6h-7.6z" } {} },
        3 => html! { path class="dot" d={ "M" (x) " " (tenth(y - 4.1)) "l4.1 4.1l-4.1 4.1l-4.1 -4.1z" } {} },
        4 => html! { path class="dot" d={ "M" (x) " " (tenth(y + 3.8)) "l3.8 -6.6h-7.6z" } {} },
        5 => html! { circle class="ring" cx=(x) cy=(y) r="3" {} },
        _ => html! { rect class="ring" x=(tenth(x - 2.7)) y=(tenth(y - 2.7)) width="5.4" height="5.4" {} },
    }
}
