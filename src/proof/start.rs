//! The check before the first step.

use std::ops::Range;

use super::compare::{Rule, compare};
use super::finding::Finding;
use super::lockstep::{self, Lockstep};
use crate::data::{Dataset, ImageList, Standardisation};
use crate::engine::{Chunk, Engine, Job, Witness};
use crate::error::Result;
use crate::model::params::Params;
use crate::model::reference::{Network, squares};
use crate::model::regularise::{Key, Training};

/// The second step's rate: what is left of the weights is then almost nothing but the gradient.
const RATE: f32 = 1024.0;
/// Images that are scored at most.
const IMAGES: usize = 1000;
/// As a share of the images that a check during the training may have: nobody waits for that one.
const SHARE: usize = 2;
/// `ΣW²` is this close, as a share.
const SQUARES: f64 = 1e-5;
/// Where it is compared.
const SQUARED: Range<f64> = 1e-30..1e30;

/// A step, cut to so many images that the reference can follow; or no step, but images.
struct Step {
    images: ImageList,
    lengths: Vec<u32>,
    rates: Vec<f32>,
    keys: Vec<Key>,
}

impl Step {
    /// The first two steps of `chunk`; its images if it has none.
    fn of(chunk: &Chunk<'_>, job: &Job) -> Vec<Self> {
        let (models, shuffles) = (job.models(), job.shuffles);
        let most = IMAGES.min(lockstep::images(&job.model, job.regularise) / SHARE).max(1);
        let cut = |step: Chunk<'_>| {
            let length = step.batch(0, shuffles).len().min(most);
            let images = (0..shuffles).map(|shuffle| step.batch(shuffle, shuffles).part(0..length)).collect();
            (images, length)
        };
        if chunk.lengths.is_empty() {
            return vec![Self { images: cut(*chunk).0, lengths: vec![], rates: vec![], keys: vec![] }];
        }
        let (one, later) = chunk.split(1, shuffles);
        let (two, _) = later.split(1, shuffles);
        let steps = [(one, one.rates.to_vec()), (two, vec![RATE; models])];
        let steps = steps.into_iter().take(chunk.lengths.len()).map(|(step, rates)| {
            let (images, length) = cut(step);
            Self { images, lengths: vec![length as u32], rates, keys: step.keys.to_vec() }
        });
        steps.collect()
    }

    fn chunk(&self) -> Chunk<'_> {
        Chunk { images: self.images.images(), lengths: &self.lengths, rates: &self.rates, keys: &self.keys }
    }
}

/// Two steps from the weights `start`, judged by the reference: the first alone, of the first model; the second after it in
/// one chunk, as steps usually are, of the last model. The engine is left with `start`.
pub fn findings(
    engine: &mut dyn Engine,
    (dataset, standardisation): (&Dataset, &Standardisation),
    start: &[Params],
    first: &Chunk<'_>,
) -> Result<Vec<Finding>> {
    let job = engine.job().clone();
    let mut findings = vec![same("weights as loaded", values(&engine.params()?), values(start))];

    let steps = Step::of(first, &job);
    let one = steps[0].chunk();
    let model = if steps.len() > 1 { job.models() - 1 } else { 0 };
    let again = |turn: usize, model: usize, step: &Chunk<'_>, witness: &Witness| {
        let images = step.batch(model, job.shuffles);
        let (decay, rate) = (job.decay[model], step.rates.get(model).copied().unwrap_or_default());
        let again = Lockstep {
            dataset,
            standardisation,
            images,
            batch: images.len(),
            optimizer: job.optimizer,
            training: Training { regularise: job.regularise, key: step.key(model) },
            decay,
            rate,
            turn,
        };
        again.judge(witness, &format!("trial step {}, model {model}", turn + 1))
    };
    let witness = engine.witness(&one, 0, one.batch(0, job.shuffles))?()?;
    findings.extend(again(0, 0, &one, &witness));
    if let [_, two] = &steps[..] {
        let two = two.chunk();
        let none = Chunk::default();
        let mut witness = engine.witness(&none, model, two.batch(model, job.shuffles))?()?;
        engine.losses()?;
        engine.load(start)?;
        let images: ImageList = [one.images, two.images].into_iter().collect();
        let (lengths, rates) = ([one.lengths, two.lengths].concat(), [one.rates, two.rates].concat());
        let keys = [one.keys, two.keys].concat();
        engine.train(&Chunk { images: images.images(), lengths: &lengths, rates: &rates, keys: &keys })?;
        let (losses, mut after) = (engine.losses()?, engine.params()?);
        let loss = losses.get(job.models() + model).copied().unwrap_or(f32::NAN);
        witness.step = Some((loss, after.swap_remove(model)));
        findings.extend(again(1, model, &two, &witness));
    }
    engine.losses()?;
    engine.load(start)?;
    let expected: Vec<f64> = start.iter().map(|params| squares(&Network::from(params))).collect();
    // Squares of f32's far ends are none of its numbers.
    if expected.iter().all(|square| SQUARED.contains(square)) {
        findings.push(Finding::new("squares", compare(&engine.squares()?, &expected, &Rule::Relative(SQUARES))));
    }
    Ok(findings)
}

fn values(params: &[Params]) -> impl Iterator<Item = &f32> + Clone {
    params.iter().flat_map(|params| params.values.iter().flatten())
}

/// Equal numbers. Of those that differ, the first is shown.
fn same<'a>(
    what: &'static str,
    got: impl Iterator<Item = &'a f32> + Clone,
    expected: impl Iterator<Item = &'a f32> + Clone,
) -> Finding {
    let lengths = [got.clone().count(), expected.clone().count()];
    let mut pairs = got.zip(expected).map(|(got, expected)| [*got, *expected]);
    let differing = pairs.clone().enumerate().find(|(_, [got, expected])| got != expected);
    let outcome = match (differing, pairs.next()) {
        _ if lengths[0] != lengths[1] => compare(&vec![0.0; lengths[0]], &vec![0.0; lengths[1]], &Rule::Exact),
        (Some((index, [got, expected])), _) => {
            let mut outcome = compare(&[got.into()], &[expected.into()], &Rule::Exact);
            outcome.worst.iter_mut().for_each(|worst| worst.index = index);
            outcome
        }
        (None, first) => {
            let [got, expected] = first.map_or([vec![], vec![]], |pair| pair.map(|value| vec![f64::from(value)]));
            compare(&got, &expected, &Rule::Exact)
        }
    };
    Finding::new(what, outcome)
}
