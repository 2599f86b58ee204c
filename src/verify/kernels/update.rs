//! `update`: a step on every tensor, the step's loss, and the first layer's product of the next step.

use super::case::{BEFORE, Bench, sum_limit};
use super::forward::{self, inputs, products};
use super::head::{self, networks, small};
use super::inputs::{absolute, matrix, side_by_side};
use crate::gpu::kernels::Use;
use crate::gpu::plan::SLICE;
use crate::model::params::Params;
use crate::model::reference::{self, Matrix, Network, Pass};
use crate::proof::compare::Rule;
use crate::verify::launch::{Expected, Launch, Tensor};

/// What the kernel reads and writes, model by model.
struct Inputs {
    entering: forward::Inputs,
    w1: Vec<Vec<f32>>,
    params: Vec<Params>,
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
        let exact = bench.draw.exact();
        // Powers of two where sums must be exact.
        let rate = |i: usize| if exact { 1.0 / (1 << (i % 3)) as f32 } else { 0.1 / (1 + i) as f32 };
        let mut draw = |count: usize, len: usize, size: f32| -> Vec<Vec<f32>> {
            (0..count).map(|_| bench.draw.numbers(len, size)).collect()
        };
        Self {
            entering,
            params,
            w1: draw(models, d * h, 0.03),
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

    /// Each model afterwards; or, of absolute values, the sums of all terms' absolute values.
    fn after(&self, h: usize, absolutes: bool) -> Vec<Network> {
        let wide = |values: &[f32], columns: usize| {
            let wide = matrix(values, columns);
            if absolutes { absolute(&wide) } else { wide }
        };
        let after = self.params.iter().enumerate().map(|(m, params)| {
            let c = params.spec.classes;
            let mut network = Network::from(params);
            network.layers[0].W = matrix(&self.w1[m], h);
            let mut x = self.entering.x[m].clone();
            if absolutes {
                (network, x) = (head::absolute(&network), absolute(&x));
            }
            let dz = vec![wide(&self.dhidden[m], h), wide(&self.dlogits[m], c)];
            let pass = Pass { hidden: vec![wide(&self.hidden[m], h)], dz, ..Pass::default() };
            let (rate, decay) = self.rate(m);
            let gradient = reference::gradient(&x, &pass, &network, decay);
            reference::step(&mut network, &gradient, if absolutes { -rate } else { rate });
            network
        });
        after.collect()
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

/// `[M][H·C + C + H]`: W2, b2, b1.
fn small_after(models: &[Network]) -> Vec<f64> {
    let small = |network: &Network| {
        let [first, second] = &network.layers[..] else { return vec![] };
        [&second.W.values, &second.b[..], &first.b].concat()
    };
    models.iter().flat_map(small).collect()
}

/// A step on every tensor, and the next step's partial sums if the stages are fused.
pub fn update(mut bench: Bench) -> Launch {
    let (h, padded, _, b) = bench.sizes();
    let (d, c) = (bench.case.shape.d, bench.case.shape.c);
    let inputs = Inputs::new(&mut bench);
    let (after, gauge) = (inputs.after(h, false), inputs.after(h, true));
    let w1 = |models: &[Network]| models.iter().map(|network| network.layers[0].W.clone()).collect::<Vec<Matrix>>();
    let (w1, w1_gauge) = (w1(&after), w1(&gauge));
    // Two roundings make x, four the step. Worst seen 2.7 of 15.
    let w1_limit = sum_limit(b as u64, 6);

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
    let in_rows = |models: &[Matrix]| {
        let values: Vec<_> = models.iter().map(|w1| w1.values.clone()).collect();
        side_by_side(&values, h, padded)
    };
    let w1_rule = bench.rule(w1_limit, || in_rows(&w1_gauge));
    let small_rule = bench.rule(sum_limit(b as u64, 4), || small_after(&gauge));
    // A division, which Vulkan allows 2.5 ULP. Worst seen 1.0 of 18.
    let loss_rule = Rule::Gauge { gauge: inputs.losses_after(b, true), limit: sum_limit(b as u64, 5) };
    let expected = vec![
        Expected::new("w1", "W1", in_rows(&w1), w1_rule),
        Expected::new("small", "W2, b2, b1", small_after(&after), small_rule),
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
        Tensor::floats("rates", &inputs.rates),
        Tensor::floats("w1", &side_by_side(&inputs.w1, h, padded)),
        Tensor::floats("small", &small(&inputs.params)),
        Tensor::floats("losses", &inputs.losses),
        partials,
    ];
    bench.launch([inputs.entering.tensors, tensors].concat(), expected)
}
