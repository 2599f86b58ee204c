//! The first layer's weights as pictures.

use std::path::Path;

use maud::{Markup, html};

use crate::data::INPUTS;
use crate::error::Result;
use crate::model::params::{Params, W1, W2};
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
    let mut units: Vec<usize> = (0..params.spec.hidden).collect();
    units.sort_by(|&a, &b| influence(&params, b).total_cmp(&influence(&params, a)));
    units.truncate(UNITS);
    let pictures: Vec<_> = units.iter().map(|&unit| Ok((unit, png(&pixels(&params, unit))?))).collect::<Result<_>>()?;
    Ok(Some(html! {
        p.about {
            "What each hidden unit looks for: its weights as an image, grey where they are 0, full colour at three standard "
            "deviations. "
            @if params.spec.hidden > UNITS {
                "The " (UNITS) " of " (params.spec.hidden) " units with the largest output weights. "
            }
            "The units that weigh most in the output come first; below each, the class that it speaks for most."
        }
        ul.pictures.weights {
            @for (unit, picture) in &pictures {
                @let [most, least] = ends(&params, *unit);
                li title=(format!("unit {unit}: for {}, against {}", classes[most], classes[least])) {
                    img src={ "data:image/png;base64," (picture) } width="32" height="32"
                        alt=(format!("weights of unit {unit}"));
                    p { (classes[most]) }
                }
            }
        }
    }))
}

/// The output weights of a hidden unit, `[C]`.
fn outputs(params: &Params, unit: usize) -> &[f32] {
    &params.values[W2][unit * params.spec.classes..][..params.spec.classes]
}

/// Their norm.
fn influence(params: &Params, unit: usize) -> f64 {
    outputs(params, unit).iter().map(|&weight| f64::from(weight).powi(2)).sum()
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
    let hidden = params.spec.hidden;
    let weights: Vec<f64> = params.values[W1].iter().skip(unit).step_by(hidden).map(|&weight| weight.into()).collect();
    let deviation = (weights.iter().map(|weight| weight * weight).sum::<f64>() / weights.len() as f64).sqrt();
    let full = (FULL * deviation).max(f64::MIN_POSITIVE);
    weights.iter().map(|weight| (127.5 + 127.5 * (weight / full).clamp(-1.0, 1.0)).round() as u8).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ModelSpec;

    #[test]
    fn a_units_picture_has_its_own_weights_and_grey_where_they_are_0() {
        let spec = ModelSpec { inputs: INPUTS, hidden: 3, classes: 2 };
        let mut params = Params::init(&spec, 0);
        params.values[W1].fill(0.0);
        // Input 5 of unit 1; alone it is far beyond three deviations.
        params.values[W1][5 * 3 + 1] = 2.0;
        params.values[W1][6 * 3 + 1] = -2.0;
        let picture = pixels(&params, 1);
        assert_eq!((picture.len(), picture[4], picture[5], picture[6]), (INPUTS, 128, 255, 0));
        assert!(pixels(&params, 0).iter().all(|&pixel| pixel == 128));
    }

    #[test]
    fn a_unit_speaks_for_the_class_of_its_largest_output_weight() {
        let spec = ModelSpec { inputs: INPUTS, hidden: 2, classes: 3 };
        let mut params = Params::init(&spec, 0);
        params.values[W2] = vec![0.0, 0.0, 0.0, -1.0, 3.0, 0.5];
        assert_eq!(ends(&params, 1), [1, 0]);
        assert!(influence(&params, 1) > influence(&params, 0));
    }
}
