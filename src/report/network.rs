//! The first layer's weights as pictures.

use std::path::Path;

use maud::{Markup, html};

use crate::data::INPUTS;
use crate::error::Result;
use crate::model::params::{Params, weight};
use crate::records::answers::png;
use crate::records::trained;

/// Hidden units shown at most: the picture of one takes some 4 kB.
const UNITS: usize = 50;
/// Weights of so many standard deviations have the full colour: the few beyond would make all others grey.
const FULL: f64 = 3.0;

/// The pictures of the network in a file; nothing if the file is not there, or its inputs are no picture.
pub(super) fn body(path: &Path, classes: &[String]) -> Result<Option<Markup>> {
    if !path.exists() {
        return Ok(None);
    }
    let params = trained::network(path, INPUTS, classes.len())?;
    let hidden = first(&params);
    let mut units: Vec<usize> = (0..hidden).collect();
    units.sort_by(|&a, &b| influence(&params, b).total_cmp(&influence(&params, a)));
    units.truncate(UNITS);
    let pictures: Vec<_> = units.iter().map(|&unit| Ok((unit, png(&pixels(&params, unit))?))).collect::<Result<_>>()?;
    Ok(Some(html! {
        p.about {
            "What each hidden unit looks for: its weights as an image, grey where they are 0, full colour at three standard "
            "deviations. "
            @if hidden > UNITS {
                "The " (UNITS) " of " (hidden) " units with the largest output weights. "
            }
            "The units that weigh most in the next layer come first"
            @if params.spec.hidden.len() < 2 { "; below each, the class that it speaks for most" }
            "."
        }
        ul.pictures.weights {
            @for (unit, picture) in &pictures {
                @let class = class(&params, *unit);
                li title=(format!("unit {unit}{}", against(&params, *unit, classes))) {
                    img src={ "data:image/png;base64," (picture) } width="32" height="32"
                        alt=(format!("weights of unit {unit}"));
                    @if let Some(class) = class { p { (classes[class]) } }
                }
            }
        }
    }))
}

/// Units of the first layer.
fn first(params: &Params) -> usize {
    params.spec.hidden.first().copied().unwrap_or(params.spec.classes)
}

/// The weights of a unit of the first layer in the next one.
fn outputs(params: &Params, unit: usize) -> &[f32] {
    let Some(weights) = params.values.get(weight(1)) else { return &[] };
    let next = weights.len() / first(params);
    &weights[unit * next..][..next]
}

/// Their norm.
fn influence(params: &Params, unit: usize) -> f64 {
    outputs(params, unit).iter().map(|&weight| f64::from(weight).powi(2)).sum()
}

/// The class that a unit speaks for most, where its weights go to the classes.
fn class(params: &Params, unit: usize) -> Option<usize> {
    match params.spec.hidden.len() {
        0 => Some(unit),
        1 => Some(ends(params, unit)[0]),
        _ => None,
    }
}

/// The same and its opposite in words.
fn against(params: &Params, unit: usize, classes: &[String]) -> String {
    if params.spec.hidden.len() != 1 {
        return String::new();
    }
    let [most, least] = ends(params, unit);
    format!(": for {}, against {}", classes[most], classes[least])
}

/// The classes of the largest and of the least output weight.
fn ends(params: &Params, unit: usize) -> [usize; 2] {
    let weights = outputs(params, unit);
    let by = |better: fn(f32, f32) -> bool| {
        (1..weights.len()).fold(0, |best, class| if better(weights[class], weights[best]) { class } else { best })
    };
    [by(|a, b| a > b), by(|a, b| a < b)]
}

/// A unit's weights as the planes of an image.
fn pixels(params: &Params, unit: usize) -> Vec<u8> {
    let hidden = first(params);
    let weights: Vec<f64> =
        params.values[weight(0)].iter().skip(unit).step_by(hidden).map(|&weight| weight.into()).collect();
    let deviation = (weights.iter().map(|weight| weight * weight).sum::<f64>() / weights.len() as f64).sqrt();
    let full = (FULL * deviation).max(f64::MIN_POSITIVE);
    weights.iter().map(|weight| (127.5 + 127.5 * (weight / full).clamp(-1.0, 1.0)).round() as u8).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::params::Init;
    use crate::model::{Hidden, ModelSpec};

    #[test]
    fn a_units_picture_has_its_own_weights_and_grey_where_they_are_0() {
        let spec = ModelSpec { inputs: INPUTS, hidden: Hidden::new(&[3]), classes: 2 };
        let mut params = Params::init(&spec, 0, Init::Report);
        params.values[weight(0)].fill(0.0);
        // Input 5 of unit 1; alone it is far beyond three deviations.
        params.values[weight(0)][5 * 3 + 1] = 2.0;
        params.values[weight(0)][6 * 3 + 1] = -2.0;
        let picture = pixels(&params, 1);
        assert_eq!((picture.len(), picture[4], picture[5], picture[6]), (INPUTS, 128, 255, 0));
        assert!(pixels(&params, 0).iter().all(|&pixel| pixel == 128));
    }

    #[test]
    fn a_unit_speaks_for_the_class_of_its_largest_output_weight() {
        let spec = ModelSpec { inputs: INPUTS, hidden: Hidden::new(&[2]), classes: 3 };
        let mut params = Params::init(&spec, 0, Init::Report);
        params.values[weight(1)] = vec![0.0, 0.0, 0.0, -1.0, 3.0, 0.5];
        assert_eq!(ends(&params, 1), [1, 0]);
        assert!(influence(&params, 1) > influence(&params, 0));
    }
}
