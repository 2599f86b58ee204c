//! `update`: a step on every tensor, the step's loss, and the first layer's product of the next step.

use super::case::{BEFORE, Bench, STEPS, rates, sum_limit};
use super::forward::{self, inputs, products};
use super::head::{self, networks};
use super::inputs::{absolute, matrix, side_by_side};
use crate::gpu::kernels::Use;
use crate::gpu::plan::SLICE;
use crate::model::optimizer::{BETAS, EPS, Optimizer};
use crate::model::params::Params;
use crate::model::reference::{self, Layer, Matrix, Network, Pass};
use crate::proof::compare::Rule;
use crate::verify::launch::{Expected, Launch, Tensor};

/// What the kernel reads and writes, model by model.
struct Inputs {
    entering: forward::Inputs,
    w1: Vec<Vec<f32>>,
    params: Vec<Params>,
    /// Each kind of the optimizer's.
    moments: Vec<Vec<Network>>,
    /// `[B, H]`.
    hidden: Vec<Vec<f32>>,
    /// `[B, H]`.
    dhidden: Vec<Vec<f32>>,
    /// `[B, C]`.
    dlogits: Vec<Vec<f32>>,
    /// Each image's loss, `[B]`.
    image_losses: Vec<Vec<f32>>,
    /// Learning rate and decay by turns, `[steps, M, 2]`: different for every step and model.
    rates: Vec<f32>,
    losses: Vec<f32>,
}

impl Inputs {
    fn new(bench: &mut Bench) -> Self {
        let (h, _, models, b) = bench.sizes();
        let (d, c) = (bench.case.shape.d, bench.case.shape.c);
        let entering = inputs(bench);
        let params = networks(bench, 0.1);
        let (exact, optimizer) = (bench.draw.exact(), bench.case.optimizer);
        // Powers of two where sums must be exact.
        let rate = |i: usize| if exact { 1.0 / (1 << (i % 3)) as f32 } else { 0.1 / (1 + i) as f32 };
        let mut draw = |count: usize, len: usize, size: f32| -> Vec<Vec<f32>> {
            (0..count).map(|_| bench.draw.numbers(len, size)).collect()
        };
        let w1 = draw(models, d * h, 0.03);
        let kinds = optimizer.moments().len();
        let moments = (0..models).map(|_| {
            let kinds = (0..kinds).map(|kind| {
                // A second moment is a mean of squares.
                let sign = |value: f32| f64::from(if kind == 1 { value.abs() * 0.1 } else { value });
                let mut tensor = |len| draw(1, len, 0.1).concat().into_iter().map(sign).collect::<Vec<f64>>();
                let mut layer =
                    |from, to| Layer { W: Matrix { values: tensor(from * to), columns: to }, b: tensor(to) };
                Network { layers: vec![layer(d, h), layer(h, c)] }
            });
            kinds.collect()
        });
        let moments = moments.collect();
        Self {
            entering,
            params,
            moments,
            w1,
            hidden: draw(models, b * h, 1.0),
            dhidden: draw(models, b * h, 0.01),
            dlogits: draw(models, b * c, 0.01),
            image_losses: draw(models, b, 2.0),
            rates: (0..(BEFORE.1 + 2) * models * 2).map(rate).collect(),
            // Other steps' losses must stay as they are.
            losses: draw(1, (BEFORE.2 + 2) * models, 2.0).concat(),
        }
    }

    fn rate(&self, m: usize) -> (f64, f64) {
        let at = (BEFORE.1 * self.w1.len() + m) * 2;
        (self.rates[at].into(), self.rates[at + 1].into())
    }

    /// Each model before the step, its gradient, and its moments; or, of absolute values, the sums of all terms' absolute
    /// values.
    fn before(&self, h: usize, m: usize, absolutes: bool) -> (Network, Network, Vec<Network>) {
        let wide = |values: &[f32], columns: usize| {
            let wide = matrix(values, columns);
            if absolutes { absolute(&wide) } else { wide }
        };
        let params = &self.params[m];
        let mut network = Network::from(params);
        network.layers[0].W = matrix(&self.w1[m], h);
        let mut x = self.entering.x[m].clone();
        let mut moments = self.moments[m].clone();
        if absolutes {
            (network, x) = (head::absolute(&network), absolute(&x));
            moments = moments.iter().map(head::absolute).collect();
        }
        let dz = vec![wide(&self.dhidden[m], h), wide(&self.dlogits[m], params.spec.classes)];
        let pass = Pass { hidden: vec![wide(&self.hidden[m], h)], dz, ..Pass::default() };
        let gradient = reference::gradient(&x, &pass, &network, self.rate(m).1);
        (network, gradient, moments)
    }

    /// Each model's weights and moments afterwards.
    fn after(&self, h: usize, optimizer: Optimizer) -> Vec<Vec<Network>> {
        let after = (0..self.params.len()).map(|m| {
            let (mut network, gradient, mut moments) = self.before(h, m, false);
            reference::optimize(optimizer, &mut network, &gradient, &mut moments, self.rate(m).0, STEPS);
            [vec![network], moments].concat()
        });
        after.collect()
    }

    /// What the errors of those go by, in the same places: the sums of all terms' absolute values, and of `AdamW` what a share
    /// of the gradient's error is left with.
    fn gauges(&self, h: usize, optimizer: Optimizer) -> Vec<Vec<Network>> {
        let gauges = (0..self.params.len()).map(|m| {
            let rate = self.rate(m).0;
            let (mut weights, terms, mut moments) = self.before(h, m, true);
            let Optimizer::Adamw { weight_decay } = optimizer else {
                reference::optimize(optimizer, &mut weights, &terms, &mut moments, -rate, STEPS);
                return [vec![weights], moments].concat();
            };
            let (mut after, gradient, mut found) = self.before(h, m, false);
            reference::optimize(optimizer, &mut after, &gradient, &mut found, rate, STEPS);
            let [beta1, beta2] = BETAS;
            let [correction1, correction2] = optimizer.corrections(STEPS);
            let gradient = gradient.tensors();
            for (t, terms) in terms.tensors().into_iter().enumerate() {
                for (i, term) in terms.iter().enumerate() {
                    let g = gradient[t][i].abs();
                    let [m, v] = [0, 1].map(|kind| moments[kind].tensors()[t][i]);
                    let first = beta1 * m + (1.0 - beta1) * term;
                    // (g + d)² − g² is 2·g·d, but for d².
                    let second = beta2 * v + (1.0 - beta2) * 2.0 * g.max(*term) * term;
                    let [m, v] = [0, 1].map(|kind| found[kind].tensors()[t][i]);
                    let root = v.sqrt() * correction2 + EPS;
                    let of_root = correction2 * second / (2.0 * v.sqrt().max(EPS));
                    let step = rate * correction1 * (first + m.abs() * (1.0 + of_root / root)) / root;
                    weights.tensors_mut()[t][i] *= 1.0 + rate * f64::from(weight_decay);
                    weights.tensors_mut()[t][i] += step;
                    (moments[0].tensors_mut()[t][i], moments[1].tensors_mut()[t][i]) = (first, second);
                }
            }
            [vec![weights], moments].concat()
        });
        gauges.collect()
    }

    /// `[steps, M]` afterwards, likewise.
    fn losses_after(&self, b: usize, absolutes: bool) -> Vec<f64> {
        let term = |loss: &f32| f64::from(if absolutes { loss.abs() } else { *loss });
        let mut after: Vec<f64> = self.losses.iter().map(term).collect();
        for (m, losses) in self.image_losses.iter().enumerate() {
            after[BEFORE.2 * self.w1.len() + m] = losses.iter().map(term).sum::<f64>() / b as f64;
        }
        after
    }
}

/// Numbers that came from f32.
fn rounded(values: Vec<f64>) -> Vec<f32> {
    values.into_iter().map(|value| value as f32).collect()
}

/// What `tensor` takes of each model's weights, then of each kind of moments.
fn kinds<T>(models: &[Vec<Network>], tensor: impl Fn(&[&Network]) -> Vec<T>) -> Vec<T> {
    (0..models[0].len()).flat_map(|kind| tensor(&models.iter().map(|kinds| &kinds[kind]).collect::<Vec<_>>())).collect()
}

/// `[M][H·C + C + H]`: W2, b2, b1; then each kind of moments.
fn small_tensors(models: &[Vec<Network>]) -> Vec<f64> {
    let small = |network: &Network| {
        let [first, second] = &network.layers[..] else { return vec![] };
        [&second.W.values, &second.b[..], &first.b].concat()
    };
    kinds(models, |networks| networks.iter().flat_map(|network| small(network)).collect())
}

/// A step on every tensor, and the next step's partial sums if the stages are fused.
pub fn update(mut bench: Bench) -> Launch {
    let (h, padded, _, b) = bench.sizes();
    let (d, c) = (bench.case.shape.d, bench.case.shape.c);
    let inputs = Inputs::new(&mut bench);
    let optimizer = bench.case.optimizer;
    let (after, gauge) = (inputs.after(h, optimizer), inputs.gauges(h, optimizer));
    let before: Vec<_> = (0..inputs.params.len())
        .map(|m| {
            let (network, _, moments) = inputs.before(h, m, false);
            [vec![network], moments].concat()
        })
        .collect();
    let w1 = |models: &[Vec<Network>]| models.iter().map(|kinds| kinds[0].layers[0].W.clone()).collect::<Vec<Matrix>>();
    let (w1, w1_gauge) = (w1(&after), w1(&gauge));
    // Two roundings make x, four the step, and a dozen that of other optimizers. Worst seen 2.7 of 15.
    let more = if optimizer.moments().is_empty() { 0 } else { 12 };
    let w1_limit = sum_limit(b as u64, 6 + more);

    let fused = bench.case.of == Use::FusedUpdate;
    let (partials, values, rule) = if fused {
        let values = products(&inputs.entering.next, &w1, padded, SLICE as usize);
        let gauge = forward::gauge(&inputs.entering.next, &w1_gauge, padded, SLICE as usize);
        // The new weights' own errors come on top. Worst seen 5.5 of 44 (M = 30).
        let limit = sum_limit(SLICE.min(d as u64), 2) + w1_limit;
        (Tensor::unwritten("partials", values.len()), values, bench.rule(limit, || gauge))
    } else {
        // Must stay as they are.
        let before = bench.draw.numbers(100, 1.0);
        (Tensor::floats("partials", &before), matrix(&before, 1).values, Rule::Exact)
    };
    let in_rows = |models: &[Vec<Network>]| {
        kinds(models, |networks| {
            let values: Vec<_> = networks.iter().map(|network| network.layers[0].W.values.clone()).collect();
            side_by_side(&values, h, padded)
        })
    };
    let w1_rule = bench.rule(w1_limit, || in_rows(&gauge));
    let small_rule = bench.rule(sum_limit(b as u64, 4 + more), || small_tensors(&gauge));
    // A division, which Vulkan allows 2.5 ULP. Worst seen 1.0 of 18.
    let loss_rule = Rule::Gauge { gauge: inputs.losses_after(b, true), limit: sum_limit(b as u64, 5) };
    let expected = vec![
        Expected::new("w1", "W1", in_rows(&after), w1_rule),
        Expected::new("small", "W2, b2, b1", small_tensors(&after), small_rule),
        Expected::new("losses", "the step's loss", inputs.losses_after(b, false), loss_rule),
        Expected::new("partials", "next partial sums", values, rule),
    ];
    let with_losses = inputs.dlogits.iter().zip(&inputs.image_losses).map(|(dlogits, losses)| {
        let rows = dlogits.chunks_exact(c).zip(losses);
        rows.flat_map(|(row, loss)| [row, std::slice::from_ref(loss)].concat()).collect()
    });
    let dlogits: Vec<Vec<f32>> = with_losses.collect();
    let tensors = vec![
        Tensor::floats("hidden", &side_by_side(&inputs.hidden, h, padded)),
        Tensor::floats("dhidden", &side_by_side(&inputs.dhidden, h, padded)),
        Tensor::floats("dlogits", &side_by_side(&dlogits, c + 1, c + 1)),
        rates(&inputs.rates),
        Tensor::floats("w1", &rounded(in_rows(&before))),
        Tensor::floats("small", &rounded(small_tensors(&before))),
        Tensor::floats("losses", &inputs.losses),
        partials,
    ];
    bench.launch([inputs.entering.tensors, tensors].concat(), expected)
}
