//! What trained networks score on any images, each alone and all together by the means of their probabilities.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::data::{Dataset, mirrored};
use crate::device::Device;
use crate::error::{Error, Result, shown};
use crate::model::params::Params;
use crate::model::softmax::log_softmax;
use crate::records::evaluation::{Evaluated, Member, Part, Scores};
use crate::records::trained::Networks;

/// Images mirrored at a time: 29 MiB of pixels.
const MIRRORED: usize = 10_000;

/// Images to score networks on.
pub struct Images {
    /// The data set.
    pub dataset: Arc<Dataset>,
    /// Which of its parts.
    pub part: Part,
    /// The rows of that part, one at least.
    pub rows: Vec<u32>,
    /// Whether the probabilities are to be means over each image and its mirror image.
    pub mirror: bool,
}

/// The scores of all networks of some runs, one at least, on `images`.
///
/// # Errors
///
/// [`Error::Data`] for images of other classes or another size than a run's, [`Error::Diverged`] for a network whose
/// answers are not finite, and what the device has.
pub fn evaluate(runs: &[(PathBuf, Networks)], images: &Images, device: &Device) -> Result<Evaluated> {
    let Images { dataset, rows, .. } = images;
    let classes = dataset.classes.len();
    let labels: Vec<u8> = rows.iter().map(|&row| dataset.labels[row as usize]).collect();
    let (mut engine, mut members, mut together) = (String::new(), Vec::new(), Vec::new());
    for (run, networks) in runs {
        fits(run, networks, dataset)?;
        let models = networks.summary.models.len();
        let mut places = networks.steps.iter().zip((0..models).cycle());
        for params in networks.params.chunks(device.wave()) {
            let (name, all) = log_probabilities(networks, params, images, device)?;
            engine = name;
            for (log_p, (&step, model)) in all.into_iter().zip(&mut places) {
                let scores = Scores::of(&log_p, &labels, classes);
                let model = (models > 1).then_some(model);
                let member = Member { run: run.display().to_string(), model, step, scores };
                if !member.scores.loss.is_finite() {
                    return Err(Error::Diverged(format!("{member}: the network's answers are not finite")));
                }
                if members.is_empty() {
                    together = log_p;
                } else {
                    average(&mut together, members.len(), &log_p);
                }
                members.push(member);
            }
        }
    }
    Ok(Evaluated {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        engine,
        data: dataset.name.clone(),
        sha256: dataset.digest(),
        part: images.part,
        images: rows.len(),
        mirror: images.mirror,
        classes: dataset.classes.clone(),
        ensemble: (members.len() > 1).then(|| Scores::of(&together, &labels, classes)),
        members,
    })
}

/// Demands images of the size and the classes that a run was trained on.
fn fits(run: &Path, networks: &Networks, dataset: &Dataset) -> Result<()> {
    let classes = &networks.summary.about.data.classes;
    let (inputs, found) = (networks.standardisation.mean.len(), dataset.inputs);
    let what = if inputs != found {
        format!("images of {found} inputs, and the networks of {} have {inputs}", shown(run))
    } else if *classes != dataset.classes {
        let [found, expected] = [&dataset.classes, classes].map(|classes| classes.join(", "));
        format!("the classes are {found}; those of {} are {expected}", shown(run))
    } else {
        return Ok(());
    };
    Err(Error::data(Path::new(&dataset.name), what))
}

/// The engine's name, and the logarithms of the probabilities `[rows, C]` by each of some networks of a run.
fn log_probabilities(
    networks: &Networks,
    params: &[Params],
    images: &Images,
    device: &Device,
) -> Result<(String, Vec<Vec<f64>>)> {
    let Images { dataset, rows, mirror, .. } = images;
    let standardisation = Arc::new(networks.standardisation.clone());
    let of = |dataset: Arc<Dataset>, rows: &[u32]| -> Result<(String, Vec<Vec<f64>>)> {
        let classes = dataset.classes.len();
        let mut engine = device.trained(params, dataset, standardisation.clone())?;
        let logits = engine.logits(rows)?;
        let logs = |logits: &Vec<f32>| logits.chunks_exact(classes).flat_map(log_softmax).collect();
        Ok((engine.describe(), logits.iter().map(logs).collect()))
    };
    let (engine, mut all) = of(dataset.clone(), rows)?;
    if *mirror {
        for (block, rows) in rows.chunks(MIRRORED).enumerate() {
            let flipped = mirrored(dataset, rows)?;
            let (_, theirs) = of(flipped.into(), &(0..rows.len() as u32).collect::<Vec<_>>())?;
            let start = block * MIRRORED * dataset.classes.len();
            for (own, theirs) in all.iter_mut().zip(&theirs) {
                average(&mut own[start..], 1, theirs);
            }
        }
    }
    Ok((engine, all))
}

/// Takes one more value into each mean of `count` probabilities; all are given by their logarithms. The mean of equal ones
/// is that value, to the bit.
fn average(means: &mut [f64], count: usize, more: &[f64]) {
    for (mean, &more) in means.iter_mut().zip(more) {
        let most = mean.max(more);
        let sum = count as f64 * (*mean - most).exp() + (more - most).exp();
        *mean = most + (sum / (count + 1) as f64).ln();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mean_of_equal_probabilities_is_that_probability_to_the_bit() {
        let own: Vec<f64> = [0.3, 1e-9, 0.999, 1e-300].map(f64::ln).to_vec();
        let mut means = own.clone();
        for count in 1..9 {
            average(&mut means, count, &own);
            assert_eq!(means, own);
        }
    }

    #[test]
    fn means_of_three_probabilities_are_those_by_hand_and_finite_where_one_rounds_to_0() {
        let mut means = vec![0.2_f64.ln(), 0.5_f64.ln(), -2000.0];
        average(&mut means, 1, &[0.6_f64.ln(), -1000.0, -1000.0]);
        average(&mut means, 2, &[0.1_f64.ln(), 0.1_f64.ln(), -1001.0]);
        // ln((e^-2000 + e^-1000 + e^-1001) / 3)
        let last = -1000.0 + ((1.0 + (-1.0_f64).exp()) / 3.0).ln();
        for (mean, expected) in means.iter().zip([0.3_f64.ln(), 0.2_f64.ln(), last]) {
            approx::assert_abs_diff_eq!(*mean, expected, epsilon = 1e-12);
        }
    }
}
