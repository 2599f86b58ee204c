//! What an engine gave of some images and made of one step, computed again by the reference from the engine's own weights.
//!
//! The reference takes some tens of milliseconds for all of the report's network, and far too long for a wide one. So of
//! many hidden units and images it takes a slice, by turns: the logits of some images say that the layers' products are
//! right, and with the engine's own logits, so judged, a step can be judged in some hidden units alone.

#![expect(non_snake_case, reason = "H and C are the letters of the crate's page")]

use super::compare::{Rule, U, compare};
use super::finding::Finding;
use crate::data::{Dataset, ImageList, Images, Standardisation};
use crate::engine::{Job, Witness};
use crate::model::ModelSpec;
use crate::model::optimizer::{BETAS, EPS, Optimizer};
use crate::model::params::{Params, symbol};
use crate::model::reference::{
    Matrix, Network, Pass, backwards, dropped, forward, gradient, logits, optimize, pass, pass_of_logits, scores,
    standardise, step,
};
use crate::model::regularise::{Regularise, Target, Training};

/// Multiplications of one product of a check: half of the report's first layer. A check of it takes 27 ms on a core of an
/// EPYC (median of 62).
const PRODUCT: usize = 1 << 23;
/// Most numbers of a batch that is computed again: in f64 they take 64 MiB.
const INPUTS: usize = 1 << 23;
/// Most multiplications of a pass through a network of more hidden layers: 3072-1000-500-100-10 at B = 100 takes a third.
const DEEP: usize = 1 << 30;
/// A logit is this close, as a share of itself or of all logits' root mean square. Worst seen, as
/// of the next three, in 640 checks of 14 trainings (H = 1 to 500, B = 1 to 9,000, rates up to 3, one batch learnt by heart)
/// on the CPU engine: 1.6e-6.
/// Their sums' rounding grows with the square root of their length, from [`UNITS`] on.
const LOGITS: f64 = 1e-5;
const UNITS: f64 = 500.0;
/// The mean cross-entropy of some images is this close to that of their logits, in nats, and above 1 nat as a share of itself.
/// Worst seen: 9.1e-7. Of many images in a row, whose sum in f32 may round the same way each time, a quarter of u more each.
const LOSS: f64 = 5e-6;
/// A gradient's part of a tensor's error after a step, as a share of its gauge as a whole. Worst seen, with the
/// next: 28 % of both.
const GRADIENT: f64 = 4e-6;
/// Rounding's part, as a share of the tensor as a whole: the new value is rounded once, by u at most.
const ROUNDING: f64 = 2.0 * U;
/// What enters a `ReLU` may be on its other side in an engine if it is this close to 0, as a share of the root mean square of
/// all that enters the layer's.
const NEAR: f64 = 1e-4;
/// What moments that are known make of a tensor is this close, as a share of the whole step: a dozen roundings, of which a
/// momentum's look ahead has some twice.
const STEP: f64 = 32.0 * U;
/// Numbers from here on are those of a training that diverges, which is no fault of an engine.
const RUNAWAY: f64 = 1e30;

/// The thread that checks: its stack, and the address space that glibc reserves at its first allocation.
const THREAD: u128 = 66 << 20;

/// Whether a step is computed again as a whole: layers behind the first hidden one need all of its units, and the logits of
/// a step with dropout are not those of its images.
fn is_whole(spec: &ModelSpec, regularise: Regularise) -> bool {
    spec.hidden.len() != 1 || regularise.drops()
}

/// Most images of a step that is computed again.
pub fn images(spec: &ModelSpec, regularise: Regularise) -> usize {
    let whole = if is_whole(spec, regularise) { DEEP / spec.parameters() } else { usize::MAX };
    whole.min(INPUTS / spec.inputs)
}

/// The most bytes that a check of `job` takes at a time: the weights before and after a step, in f32 and f64; a batch's
/// pixels, its inputs and their absolute values; and nine matrices of a slice of the weights, or of all of a deeper network's, and
/// of each kind of moments three. Those of all models that the check before the first step has are as many as a training has
/// later.
pub fn memory(job: &Job) -> u128 {
    let parameters = job.model.parameters();
    let batch = (job.batch_size * job.model.inputs).min(INPUTS);
    let whole = is_whole(&job.model, job.regularise);
    let some = if whole { parameters } else { (PRODUCT / job.batch_size).max(job.model.inputs).min(parameters) };
    let moments = job.optimizer.moments().len();
    // Nine numbers of each hidden unit of a batch: what enters and leaves it, its mask, and what comes back, now and by the
    // gauges.
    let images = if whole { job.batch_size.min(images(&job.model, job.regularise)) } else { 0 };
    let units = 72 * images * job.model.hidden.iter().sum::<usize>();
    (24 * (1 + moments) * parameters + 17 * batch + (72 + 24 * moments) * some + units) as u128 + THREAD
}

/// What is computed again.
pub struct Lockstep<'a> {
    /// Where the rows are.
    pub dataset: &'a Dataset,
    /// What standardises them.
    pub standardisation: &'a Standardisation,
    /// The scored images, those of the step first.
    pub images: Images<'a>,
    /// Images of the step.
    pub batch: usize,
    /// How gradients move the weights.
    pub optimizer: Optimizer,
    /// What the step does that scoring does not.
    pub training: Training,
    /// The factor of `W` in the gradient.
    pub decay: f32,
    /// The step's learning rate.
    pub rate: f32,
    /// Which of the slices.
    pub turn: usize,
}

impl Lockstep<'_> {
    /// Compares what the engine gave at this `place` of a run. Empty if the training has diverged.
    pub fn judge(&self, witness: &Witness, place: &str) -> Vec<Finding> {
        let findings = self.findings(witness).into_iter();
        let at = |at: &str| if at.is_empty() { place.to_owned() } else { format!("{at}, {place}") };
        findings.map(|finding| Finding { at: at(&finding.at), ..finding }).collect()
    }

    fn findings(&self, witness: &Witness) -> Vec<Finding> {
        let network = Network::from(&witness.before);
        let C = witness.before.spec.classes;
        let logit = Matrix { values: widened(&witness.logits), columns: C };
        let images = self.images;
        if logit.values.len() != images.len() * C {
            let outcome = compare(&logit.values, &vec![0.0; images.len() * C], &Rule::Exact);
            return vec![Finding::new("logits (forward, head)", outcome)];
        }

        let some = slice(self.turn, images.len(), PRODUCT / witness.before.spec.parameters());
        let sliced: ImageList = some.iter().map(|&image| images.part(image..image + 1)).collect();
        let x = self.read(sliced.images());
        let product = forward(&x, &network.layers[0].W, 0..x.columns);
        let expected = logits(&product, &network).values;
        if !network.tensors().into_iter().chain([&expected[..]]).all(tame) {
            return Vec::new();
        }
        let got: Vec<f64> = some.iter().flat_map(|&image| &logit[image]).copied().collect();
        let rule = Rule::Relative(LOGITS * growth(&witness.before.spec));
        let mut outcome = compare(&got, &expected, &rule);
        outcome.worst.iter_mut().for_each(|worst| worst.index = some[worst.index / C] * C + worst.index % C);
        let mut findings = vec![Finding::new("logits (forward, head)", outcome)];

        let scores = scores(&logit, &self.targets(images), 0.0);
        let right = scores.right.iter().filter(|right| **right).count();
        let mean = witness.tally.loss / images.len() as f64;
        findings.push(Finding::new(
            "right answers (head, tally)",
            compare(&[witness.tally.correct as f64], &[right as f64], &Rule::Exact),
        ));
        findings.push(same_loss("loss of some images (head, tally)", mean, &scores.loss));

        if let Some((loss, after)) = &witness.step
            && self.batch <= self::images(&after.spec, self.training.regularise)
            && self.batch <= images.len()
        {
            let logit = Matrix { values: logit.values[..self.batch * logit.columns].to_vec(), columns: logit.columns };
            findings.extend(self.step(witness, &network, logit, (*loss, after)));
        }
        findings
    }

    /// Compares the loss of a step and the tensors after it; of one hidden layer, unless the step is computed as a whole, in
    /// some units: their columns of `W1` and `b1`, their rows of `W2`, and `b2`. `logit` are the batch's as it is scored.
    fn step(&self, witness: &Witness, network: &Network, logit: Matrix, (loss, after): (f32, &Params)) -> Vec<Finding> {
        let images = self.images.part(0..self.batch);
        let x = dropped(self.read(images), self.training.input_dropout());
        let targets = self.targets(images);
        let H = network.layers[0].b.len();
        let most = if is_whole(&after.spec, self.training.regularise) { H } else { PRODUCT / x.values.len() };
        let some = slice(self.turn, H, most);
        let (before, got) = (network.units(&some), Network::from(after).units(&some));
        let (decay, rate) = (f64::from(self.decay), f64::from(self.rate));

        let product = forward(&x, &before.layers[0].W, 0..x.columns);
        let pass = if self.training.regularise.drops() {
            pass(&product, &targets, &before, &self.training)
        } else {
            pass_of_logits(&product, logit, &targets, &before, &self.training)
        };
        let slopes = gradient(&x, &pass, &before, decay);
        let magnitudes = magnitudes(&before);
        let gauge = gauge(&x, &pass, &targets, &magnitudes, (decay, self.training.regularise.label_smoothing));
        let kinks = kinks(&x, &pass, &before, &magnitudes);
        // Of each tensor, the most by which its gradient may differ.
        let gradients = gauge.tensors().into_iter().zip(kinks.tensors());
        let allowed: Vec<f64> = gradients.map(|(gauge, kinks)| GRADIENT * norm(gauge) + norm(kinks)).collect();

        // The moments by the gradient; the weights by the moments that the engine has, which are then known to be right.
        let [earlier, later] = [&witness.before, after]
            .map(|params| Network::moments(params).iter().map(|moments| moments.units(&some)).collect::<Vec<_>>());
        let mut expected = (before.clone(), earlier.clone());
        optimize(self.optimizer, &mut expected.0, &slopes, &mut expected.1, rate, witness.before.steps);
        let mut moved = before.clone();
        let errors =
            follow(self.optimizer, &mut moved, [&earlier, &later], rate, witness.before.steps).unwrap_or_else(|| {
                moved = expected.0.clone();
                allowed.iter().map(|allowed| rate * allowed).collect()
            });
        let kinds = [&moved].into_iter().chain(&expected.1);
        if !kinds.clone().flat_map(Network::tensors).all(tame) {
            return Vec::new();
        }
        let mut findings = vec![same_loss("loss of a step (head, update)", f64::from(loss), &pass.loss)];
        for (kind, (expected, got)) in kinds.zip([&got].into_iter().chain(&later)).enumerate() {
            let compared = got.tensors().into_iter().zip(expected.tensors()).enumerate();
            for (place, (got, expected)) in compared.filter(|(_, (got, _))| !got.is_empty()) {
                // What only decays ends below f32's normal numbers, where nothing rounds by a share.
                let least = f64::from(f32::MIN_POSITIVE) * (got.len() as f64).sqrt();
                let error = match kind {
                    0 => errors[place],
                    _ => moment_error(self.optimizer, kind, allowed[place], slopes.tensors()[place]),
                };
                let mut outcome = compare(got, expected, &Rule::Norm(ROUNDING * norm(expected) + error + least));
                // Its place in the whole tensor.
                outcome.worst.iter_mut().filter(|_| some.len() < H).for_each(|worst| {
                    let (i, C) = (worst.index, after.spec.classes);
                    worst.index = match place {
                        0 => i / some.len() * H + some[i % some.len()],
                        1 => some[i],
                        2 => some[i / C] * C + i % C,
                        _ => i,
                    }
                });
                let at = match kind.checked_sub(1) {
                    Some(moment) => format!("{} of {}", self.optimizer.moments()[moment], symbol(place)),
                    None => symbol(place),
                };
                findings.push(Finding::new("weights after a step (update)", outcome).at(at));
            }
        }
        findings
    }

    fn targets(&self, images: Images<'_>) -> Vec<Target> {
        self.dataset.targets(images).collect()
    }

    /// The inputs of `images`.
    fn read(&self, images: Images<'_>) -> Matrix {
        let mut pixels = vec![0; images.len() * self.dataset.inputs];
        self.dataset.gather(images, &mut pixels);
        standardise(&pixels, &self.standardisation.mean, &self.standardisation.scale)
    }
}

/// The absolute value of each number.
fn absolute(matrix: &Matrix) -> Matrix {
    Matrix { values: matrix.values.iter().map(|value| value.abs()).collect(), columns: matrix.columns }
}

/// The absolute value of each weight and bias.
fn magnitudes(network: &Network) -> Network {
    let mut network = network.clone();
    network.tensors_mut().into_iter().flatten().for_each(|value| *value = value.abs());
    network
}

/// The gradient's sums over the absolute values of all that is added up, the two terms of `p − t` apart: what its
/// rounding errors go by. Of a bias the terms nearly cancel in a network that has learnt.
fn gauge(x: &Matrix, pass: &Pass, targets: &[Target], magnitudes: &Network, (decay, smoothing): (f64, f32)) -> Network {
    let p = &pass.p;
    let t = |b: usize, c: usize| targets[b].probability(c, p.columns, smoothing);
    let dlogit = Matrix::of(p.rows(), p.columns, |b, c| (p[b][c] + t(b, c)) / p.rows() as f64);
    let dz = backwards(dlogit, pass, magnitudes);
    gradient(&absolute(x), &Pass { hidden: pass.hidden.clone(), dz, ..Pass::default() }, magnitudes, decay)
}

/// The most by which the gradient may differ because an engine has some unit, for some image, on the other side of its
/// `ReLU`'s kink: where what enters it is [`NEAR`] to 0, it may let the whole gradient through, or nothing.
fn kinks(x: &Matrix, pass: &Pass, network: &Network, magnitudes: &Network) -> Network {
    let Pass { z, hidden, dz, p, .. } = pass;
    // From the logits back, what may differ in the gradient with respect to each layer's z.
    let mut differ = vec![Matrix::of(p.rows(), p.columns, |_, _| 0.0)];
    for l in (0..hidden.len()).rev() {
        let after = &differ[differ.len() - 1];
        let near = NEAR * norm(&z[l].values) / (z[l].values.len() as f64).sqrt();
        let (W, magnitude) = (&network.layers[l + 1].W, &magnitudes.layers[l + 1].W);
        let through = |row: &[f64], weights: &[f64]| row.iter().zip(weights).map(|(d, w)| d * w).sum::<f64>();
        differ.push(Matrix::of(p.rows(), z[l].columns, |b, h| {
            let kink = z[l][b][h].abs() <= near;
            let whole = if kink { through(&dz[l + 1][b], &W[h]).abs() } else { 0.0 };
            let carried = if kink || hidden[l][b][h] > 0.0 { through(&after[b], &magnitude[h]) } else { 0.0 };
            pass.factor(l, b, h) * (whole + carried)
        }));
    }
    differ.reverse();
    gradient(&absolute(x), &Pass { hidden: hidden.clone(), dz: differ, ..Pass::default() }, magnitudes, 0.0)
}

/// Moves `network` by moments that are known, `[before, after]` the step, and says by how much each tensor may then differ
/// beyond the rounding of its values; `None` for an optimizer without moments.
fn follow(
    optimizer: Optimizer,
    network: &mut Network,
    [before, after]: [&[Network]; 2],
    rate: f64,
    steps: u64,
) -> Option<Vec<f64>> {
    let start = network.clone();
    let direction = match (optimizer, before, after) {
        (Optimizer::Sgd { nesterov: false, .. }, [_], [velocity]) => velocity.clone(),
        (Optimizer::Sgd { momentum, .. }, [before], [after]) => {
            // The gradient is what momentum did not keep.
            let momentum = f64::from(momentum);
            combined(before, after, |before, after| after - momentum * before + momentum * after)
        }
        (Optimizer::Adamw { weight_decay }, _, [first, second]) => {
            let [correction1, correction2] = optimizer.corrections(steps);
            for layer in &mut network.layers {
                layer.W.values.iter_mut().for_each(|w| *w -= rate * f64::from(weight_decay) * *w);
            }
            combined(first, second, |m, v| correction1 * m / (v.max(0.0).sqrt() * correction2 + EPS))
        }
        (_, _, _) => return None,
    };
    step(network, &direction, rate);
    let moved = combined(&start, network, |start, moved| moved - start);
    Some(moved.tensors().into_iter().map(|moved| STEP * norm(moved)).collect())
}

/// What `number` gives for each place of two networks.
fn combined(one: &Network, other: &Network, number: impl Fn(f64, f64) -> f64) -> Network {
    let mut result = one.clone();
    for (one, other) in result.tensors_mut().into_iter().zip(other.tensors()) {
        one.iter_mut().zip(other).for_each(|(one, other)| *one = number(*one, *other));
    }
    result
}

/// By how much a kind of moments of a tensor may differ, whose gradient is `slopes` and may differ by `allowed`.
fn moment_error(optimizer: Optimizer, kind: usize, allowed: f64, slopes: &[f64]) -> f64 {
    match (optimizer, kind) {
        (Optimizer::Adamw { .. }, 1) => (1.0 - BETAS[0]) * allowed,
        // (g + d)² − g² = 2·g·d + d².
        (Optimizer::Adamw { .. }, _) => {
            let most = slopes.iter().fold(0.0, |most: f64, slope| most.max(slope.abs()));
            (1.0 - BETAS[1]) * allowed * (2.0 * most + allowed)
        }
        (Optimizer::Sgd { .. }, _) => allowed,
    }
}

/// At most `most` of `count` things, but one at least: the slice whose turn it is.
fn slice(turn: usize, count: usize, most: usize) -> Vec<usize> {
    let length = most.clamp(1, count.max(1)).min(count);
    (0..length).map(|i| (turn * length + i) % count).collect()
}

/// How the logits' rounding errors grow: with the length of their sums, and layer by layer.
fn growth(spec: &ModelSpec) -> f64 {
    spec.hidden.iter().map(|&units| (units as f64 / UNITS).sqrt().max(1.0)).sum::<f64>().max(1.0)
}

fn same_loss(what: &'static str, got: f64, losses: &[f64]) -> Finding {
    let expected = losses.iter().sum::<f64>() / losses.len() as f64;
    let share = LOSS + U / 4.0 * losses.len() as f64;
    Finding::new(what, compare(&[got], &[expected], &Rule::Absolute(share * expected.abs().max(1.0))))
}

fn norm(values: &[f64]) -> f64 {
    values.iter().map(|value| value * value).sum::<f64>().sqrt()
}

/// Whether no number is one of a training that diverges.
fn tame(values: &[f64]) -> bool {
    values.iter().all(|value| value.abs() < RUNAWAY)
}

/// As f64.
fn widened(values: &[f32]) -> Vec<f64> {
    values.iter().copied().map(f64::from).collect()
}
