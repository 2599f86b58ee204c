//! `head`: from the first layer's sums to the loss and its gradients.

use super::case::{BEFORE, Bench, sum_limit};
use super::inputs::{self, Kind, matrix, side_by_side};
use crate::model::params::{Params, bias, tensors, weight};
use crate::model::reference::{self, Matrix, Network, Pass};
use crate::model::regularise::{Dropout, Regularise, Target, Training};
use crate::model::{Hidden, ModelSpec};
use crate::proof::compare::Rule;
use crate::verify::launch::{Expected, Launch, Tensor};

/// Limits in multiples of u · (1 + Σ|terms| of the image's largest logit), for probabilities (and, over B, the gradients
/// that are made of them). Vulkan allows an exponential of x an error of 3 + `2|x|` ULP, and `|x|` is at most twice that sum.
/// Worst seen: 0.54, of hidden units; logits' gradients share their tensor with the losses.
const GRADIENT: f64 = 4.0;
/// The same for a loss, which adds the logarithm of a sum of C exponentials. Worst seen: 5.7 (C = 100,
/// logits out to ±200).
const LOSS: f64 = 16.0;

/// Each model's small tensors, W1 left zero.
pub(super) fn networks(bench: &mut Bench, spread: f32) -> Vec<Params> {
    let spec = ModelSpec { inputs: 1, hidden: Hidden::one(bench.case.shape.h), classes: bench.case.shape.c };
    (0..bench.case.shape.m)
        .map(|_| {
            let values = tensors(&spec).iter().map(|tensor| bench.draw.numbers(tensor.len(), spread)).collect();
            Params { spec: spec.clone(), steps: 0, values }
        })
        .collect()
}

/// `[M][H·C + C + H]`: W2, b2, b1.
pub(super) fn small(models: &[Params]) -> Vec<f32> {
    models
        .iter()
        .flat_map(|params| [weight(1), bias(1), bias(0)].map(|place| &params.values[place]))
        .flatten()
        .copied()
        .collect()
}

/// The same network with the absolute value of each weight and bias.
pub(super) fn absolute(network: &Network) -> Network {
    let mut network = network.clone();
    for value in network.tensors_mut().into_iter().flatten() {
        *value = value.abs();
    }
    network
}

/// The reference of one model from `partials [S·B, H]`, and the gauges of its errors, in the same places.
fn judged(partials: &Matrix, targets: &[Target], network: &Network, training: &Training) -> (Pass, Pass) {
    let (b, h, c) = (targets.len(), network.layers[0].b.len(), network.layers[1].b.len());
    let sums = |partials: &Matrix| {
        Matrix::of(b, h, |image, unit| (image..partials.rows()).step_by(b).map(|row| partials[row][unit]).sum())
    };
    let reference = reference::pass(&sums(partials), targets, network, training);

    // The same sums over absolute values: |partials|, |b1|, then |hidden|, |W2|, |b2|.
    let absolutes = absolute(network);
    let gauge = reference::pass(&sums(&inputs::absolute(partials)), targets, &absolutes, training);
    let scale = f64::from(Dropout::constants(training.regularise.dropout).1);
    // A logit's error moves every probability of its image.
    let loss: Vec<f64> =
        (0..b).map(|b| 1.0 + gauge.logit()[b].iter().fold(0.0, |most: f64, sum| most.max(*sum))).collect();
    let dlogit = Matrix::of(b, c, |image, _| loss[image] / b as f64);
    let dhidden = Matrix::of(b, h, |image, unit| {
        scale * loss[image] / b as f64 * absolutes.layers[1].W[unit].iter().sum::<f64>()
    });
    // A smoothed loss is a sum over all classes, of terms that have both the label's size and the largest logit's.
    let losses = if training.regularise.label_smoothing > 0.0 {
        let sums = sum_limit(c as u64, 2) / LOSS * (2.0 + (c as f64).ln());
        loss.iter().map(|loss| sums.max(2.0) * loss).collect()
    } else {
        loss
    };
    (reference, Pass { loss: losses, dz: vec![dhidden, dlogit], ..gauge })
}

/// `[B, C + 1]`: an image's gradients of its logits, then `scale` times its loss.
fn dlogits_and_losses(pass: &Pass, scale: f64) -> Vec<f64> {
    (0..pass.loss.len()).flat_map(|b| [&pass.dz[1][b], &[pass.loss[b] * scale]].concat()).collect()
}

/// `hidden`, `loss`, `dlogit`, `dhidden` from the partial sums.
pub fn head(mut bench: Bench) -> Launch {
    let (h, padded, models, b) = bench.sizes();
    let (c, slices) = (bench.case.shape.c, bench.plan.partials(0, bench.case.of.trains()) as usize);
    // Logits as sums of H terms: about ±1, or ±200.
    let spread = if bench.case.kind == Kind::Extreme { 200.0 } else { 1.0 } / (h as f32).sqrt();
    let params = networks(&mut bench, spread);
    let partials: Vec<_> = (0..models).map(|_| bench.draw.numbers(slices * b * h, 1.0)).collect();
    let mixed = bench.case.regularise != Regularise::default();
    let targets = bench.draw.targets(BEFORE.0 + bench.batches() * b + 2, c, mixed);
    let judged = (0..models).map(|m| {
        let (targets, training) = (&targets[bench.batch_of(m)], bench.training(m, 0));
        judged(&matrix(&partials[m], h), targets, &Network::from(&params[m]), &training)
    });
    let (references, gauges): (Vec<Pass>, Vec<Pass>) = judged.unzip();
    // Model after model within a row, each row of `width` values padded to `stride`.
    let rows = |passes: &[Pass], width: usize, stride: usize, of: &dyn Fn(&Pass) -> Vec<f64>| {
        side_by_side(&passes.iter().map(of).collect::<Vec<_>>(), width, stride)
    };
    let losses = |passes: &[Pass]| rows(passes, 1, 1, &|pass| pass.loss.clone());
    let loss_rule = Rule::Gauge { gauge: losses(&gauges), limit: LOSS };
    let right = |pass: &Pass| pass.right.iter().map(|right| f64::from(u8::from(*right))).collect();
    let right = rows(&references, 1, 1, &right);
    let mut expected = vec![
        Expected { of: (0, 2), ..Expected::new("scores", "losses", losses(&references), loss_rule) },
        Expected { of: (1, 2), ..Expected::new("scores", "right answers", right, Rule::Exact) },
    ];
    // A mask's factor rounds once more.
    let hidden_limit = sum_limit(slices as u64 + 1, u64::from(bench.case.regularise.dropout > 0.0));
    if bench.case.of.trains() {
        let gradient = |gauge| Rule::Gauge { gauge, limit: GRADIENT };
        let hidden = |passes: &[Pass]| rows(passes, h, padded, &|pass| pass.hidden[0].values.clone());
        let dhidden = |passes: &[Pass]| rows(passes, h, padded, &|pass| pass.dz[0].values.clone());
        let dlogits = |passes: &[Pass], scale| rows(passes, c + 1, c + 1, &|pass| dlogits_and_losses(pass, scale));
        let hidden_rule = bench.rule(hidden_limit, || hidden(&gauges));
        // A loss's gauge is enlarged so that GRADIENT times it is LOSS times its own.
        let dlogits_rule = gradient(dlogits(&gauges, LOSS / GRADIENT));
        expected.extend([
            Expected::new("hidden", "hidden", hidden(&references), hidden_rule),
            Expected::new("dlogits", "dlogits, losses", dlogits(&references, 1.0), dlogits_rule),
            Expected::new("dhidden", "dhidden", dhidden(&references), gradient(dhidden(&gauges))),
        ]);
    } else {
        // The hidden units' errors, and those of a sum of H products and b2.
        let limit = hidden_limit + sum_limit(h as u64 + 1, 1);
        let logits = |passes: &[Pass]| rows(passes, c, c, &|pass| pass.logit().values.clone());
        let rule = Rule::Gauge { gauge: logits(&gauges), limit };
        expected.push(Expected::new("dlogits", "logits", logits(&references), rule));
    }
    let partials = (0..slices).flat_map(|s| {
        let slice: Vec<_> = partials.iter().map(|sums| sums[s * b * h..(s + 1) * b * h].to_vec()).collect();
        side_by_side(&slice, h, padded)
    });
    let tensors = vec![
        Tensor::floats("partials", &partials.collect::<Vec<_>>()),
        Tensor::floats("small", &small(&params)),
        Tensor::integers("targets", targets.into_iter().map(Target::word).collect()),
        bench.keys(),
        Tensor::unwritten("hidden", b * models * padded),
        Tensor::unwritten("dhidden", b * models * padded),
        Tensor::unwritten("dlogits", b * models * (c + usize::from(bench.case.of.trains()))),
        Tensor::unwritten("scores", b * models * 2),
    ];
    bench.launch(tensors, expected)
}
