//! `head`: from the first layer's sums to the loss and its gradients.

use super::case::{BEFORE, Bench, sum_limit};
use super::inputs::{self, Kind, matrix, side_by_side};
use crate::model::ModelSpec;
use crate::model::params::{B1, B2, Params, W2, tensors};
use crate::model::reference::{self, Matrix, Network};
use crate::verify::compare::Rule;
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
    let spec = ModelSpec { inputs: 1, hidden: bench.case.shape.h, classes: bench.case.shape.c };
    (0..bench.case.shape.m)
        .map(|_| Params { spec, values: tensors(&spec).map(|tensor| bench.draw.numbers(tensor.len(), spread)) })
        .collect()
}

/// `[M][H·C + C + H]`: W2, b2, b1.
pub(super) fn small(models: &[Params]) -> Vec<f32> {
    models.iter().flat_map(|params| [W2, B2, B1].map(|place| &params.values[place])).flatten().copied().collect()
}

/// The same network with the absolute value of each weight and bias.
pub(super) fn absolute(network: &Network) -> Network {
    let mut network = network.clone();
    for value in network.tensors_mut().into_iter().flatten() {
        *value = value.abs();
    }
    network
}

/// The reference of one model, and the gauges of its errors.
struct Head {
    reference: reference::Head,
    hidden_gauge: Vec<f64>,
    logit_gauge: Vec<f64>,
    score_gauge: Vec<f64>,
    dlogit_gauge: Vec<f64>,
    dhidden_gauge: Vec<f64>,
}

impl Head {
    /// From `partials [S·B, H]`.
    fn new(partials: &Matrix, labels: &[u8], network: &Network) -> Self {
        let (b, h, c) = (labels.len(), network.b1.len(), network.b2.len());
        let sums = |partials: &Matrix| {
            Matrix::of(b, h, |image, unit| (image..partials.rows()).step_by(b).map(|row| partials[row][unit]).sum())
        };
        let reference = reference::head(&sums(partials), labels, network);

        // The same sums over absolute values: |partials|, |b1|, then |hidden|, |W2|, |b2|.
        let absolutes = absolute(network);
        let gauges = reference::head(&sums(&inputs::absolute(partials)), labels, &absolutes);
        // A logit's error moves every probability of its image.
        let image: Vec<f64> =
            (0..b).map(|b| 1.0 + gauges.logit[b].iter().fold(0.0, |most: f64, sum| most.max(*sum))).collect();
        let dlogit_gauge = (0..b * c).map(|i| image[i / c] / b as f64).collect();
        let dhidden_gauge =
            (0..b * h).map(|i| image[i / h] / b as f64 * absolutes.W2[i % h].iter().sum::<f64>()).collect();
        let (hidden_gauge, logit_gauge) = (gauges.hidden.values, gauges.logit.values);
        Self { reference, hidden_gauge, logit_gauge, score_gauge: image, dlogit_gauge, dhidden_gauge }
    }

    /// `[B, C + 1]`: an image's gradients of its logits, then its loss.
    fn dlogits_and_losses(&self) -> Vec<f64> {
        let reference::Head { dlogit, loss, .. } = &self.reference;
        (0..loss.len()).flat_map(|b| [&dlogit[b], &[loss[b]]].concat()).collect()
    }

    /// The same of their gauges, a loss's enlarged so that [`GRADIENT`] times it is [`LOSS`] times its own.
    fn dlogit_and_loss_gauge(&self, c: usize) -> Vec<f64> {
        let rows = self.dlogit_gauge.chunks_exact(c).zip(&self.score_gauge);
        rows.flat_map(|(row, loss)| [row, &[loss * LOSS / GRADIENT]].concat()).collect()
    }
}

/// Model after model within a row: `[rows, M·width]` from `[M][rows, width]`.
fn interleaved(models: &[Vec<f64>], width: usize) -> Vec<f64> {
    side_by_side(models, width, width)
}

/// `hidden`, `loss`, `dlogit`, `dhidden` from the partial sums.
pub fn head(mut bench: Bench) -> Launch {
    let (h, padded, models, b) = bench.sizes();
    let (c, slices) = (bench.case.shape.c, bench.plan.partials(bench.case.of.trains()) as usize);
    // Logits as sums of H terms: about ±1, or ±200.
    let spread = if bench.case.kind == Kind::Extreme { 200.0 } else { 1.0 } / (h as f32).sqrt();
    let params = networks(&mut bench, spread);
    let partials: Vec<_> = (0..models).map(|_| bench.draw.numbers(slices * b * h, 1.0)).collect();
    let labels = bench.draw.labels(BEFORE.0 + bench.batches() * b + 2, c);
    let references: Vec<_> = (0..models)
        .map(|m| {
            let labels: Vec<u8> = labels[bench.batch_of(m)].iter().map(|label| *label as u8).collect();
            Head::new(&matrix(&partials[m], h), &labels, &Network::from(&params[m]))
        })
        .collect();
    let collect = |width: usize, of: &dyn Fn(&Head) -> Vec<f64>| {
        interleaved(&references.iter().map(of).collect::<Vec<_>>(), width)
    };
    let padded_rows =
        |of: &dyn Fn(&Head) -> Vec<f64>| side_by_side(&references.iter().map(of).collect::<Vec<_>>(), h, padded);

    let hidden_rule = if bench.draw.exact() {
        Rule::Exact
    } else {
        Rule::Gauge { gauge: padded_rows(&|head| head.hidden_gauge.clone()), limit: sum_limit(slices as u64 + 1, 0) }
    };
    let mut expected = vec![
        Expected {
            tensor: "scores",
            name: "losses",
            of: (0, 2),
            values: collect(1, &|head| head.reference.loss.clone()),
            rule: Rule::Gauge { gauge: collect(1, &|head| head.score_gauge.clone()), limit: LOSS },
        },
        Expected {
            tensor: "scores",
            name: "right answers",
            of: (1, 2),
            values: collect(1, &|head| head.reference.right.iter().map(|right| f64::from(u8::from(*right))).collect()),
            rule: Rule::Exact,
        },
    ];
    if bench.case.of.trains() {
        expected.extend([
            Expected {
                tensor: "hidden",
                name: "hidden",
                of: (0, 1),
                values: padded_rows(&|head| head.reference.hidden.values.clone()),
                rule: hidden_rule,
            },
            Expected {
                tensor: "dlogits",
                name: "dlogits, losses",
                of: (0, 1),
                values: collect(c + 1, &|head| head.dlogits_and_losses()),
                rule: Rule::Gauge { gauge: collect(c + 1, &|head| head.dlogit_and_loss_gauge(c)), limit: GRADIENT },
            },
            Expected {
                tensor: "dhidden",
                name: "dhidden",
                of: (0, 1),
                values: padded_rows(&|head| head.reference.dhidden.values.clone()),
                rule: Rule::Gauge { gauge: padded_rows(&|head| head.dhidden_gauge.clone()), limit: GRADIENT },
            },
        ]);
    } else {
        // The hidden units' errors, and those of a sum of H products and b2.
        let limit = sum_limit(slices as u64 + 1, 0) + sum_limit(h as u64 + 1, 1);
        expected.push(Expected {
            tensor: "dlogits",
            name: "logits",
            of: (0, 1),
            values: collect(c, &|head| head.reference.logit.values.clone()),
            rule: Rule::Gauge { gauge: collect(c, &|head| head.logit_gauge.clone()), limit },
        });
    }
    let partials = (0..slices).flat_map(|s| {
        let slice: Vec<_> = partials.iter().map(|sums| sums[s * b * h..(s + 1) * b * h].to_vec()).collect();
        side_by_side(&slice, h, padded)
    });
    let tensors = vec![
        Tensor::floats("partials", &partials.collect::<Vec<_>>()),
        Tensor::floats("small", &small(&params)),
        Tensor::integers("labels", labels),
        Tensor::unwritten("hidden", b * models * padded),
        Tensor::unwritten("dhidden", b * models * padded),
        Tensor::unwritten("dlogits", b * models * (c + usize::from(bench.case.of.trains()))),
        Tensor::unwritten("scores", b * models * 2),
    ];
    bench.launch(tensors, expected)
}
