//! `update`: a step on every tensor, the step's loss, and the first layer's product of the next step.

use super::forward::{Images, absolute, images, products, widened};
use super::head::{self, networks, small};
use super::inputs::side_by_side;
use super::{BEFORE, Bench, sum_limit};
use crate::cpu::head::Activations;
use crate::cpu::network::Network;
use crate::cpu::product::{Matrix, product};
use crate::cpu::update::output;
use crate::gpu::plan::SLICE;
use crate::model::params::Params;
use crate::verify::compare::Rule;
use crate::verify::launch::{Expected, Launch, Tensor};

/// What the kernel reads and writes, model by model.
struct Inputs {
    images: Images,
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
        let images = images(bench);
        let params = networks(bench, 0.1);
        let exact = bench.draw.exact();
        // Powers of two where sums must be exact.
        let rate = |i: usize| if exact { 1.0 / (1 << (i % 3)) as f32 } else { 0.1 / (1 + i) as f32 };
        let mut draw = |count: usize, len: usize, size: f32| -> Vec<Vec<f32>> {
            (0..count).map(|_| bench.draw.numbers(len, size)).collect()
        };
        Self {
            images,
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

    /// Each model's `W1 [D, H]` afterwards; or, of absolute values, the sum of all terms' absolute values.
    fn w1_after(&self, (d, h): (usize, usize), absolutes: bool) -> Vec<Vec<f64>> {
        let wide = |values: &[f64]| if absolutes { absolute(values) } else { values.to_vec() };
        let sign = if absolutes { 1.0 } else { -1.0 };
        let after = self.w1.iter().enumerate().map(|(m, w1)| {
            let (x, g) = (wide(&self.images.x[m]), wide(&widened(&self.dhidden[m])));
            let (rate, decay) = self.rate(m);
            let mut gradient = vec![0f64; d * h];
            product(Matrix::new(&x, d).transposed(), Matrix::new(&g, h), &mut gradient);
            let terms = gradient.iter().zip(wide(&widened(w1)));
            terms.map(|(g, w)| w + sign * rate * (g + decay * w)).collect()
        });
        after.collect()
    }

    /// `[M][H·C + C + H]` afterwards, likewise.
    fn small_after(&self, absolutes: bool) -> Vec<f64> {
        let wide = |values: &[f32]| if absolutes { absolute(&widened(values)) } else { widened(values) };
        let after = self.params.iter().enumerate().flat_map(|(m, params)| {
            let network = Network::from_params(params);
            let mut network = if absolutes { head::absolute(&network) } else { network };
            let activations = Activations {
                hidden: wide(&self.hidden[m]),
                logits: vec![],
                dlogits: wide(&self.dlogits[m]),
                dhidden: wide(&self.dhidden[m]),
            };
            let (rate, decay) = self.rate(m);
            let mut gradient = Network::zeros(&network.spec);
            let rate = if absolutes { -rate } else { rate };
            output::update(&activations, &mut network, decay, rate, &mut gradient);
            [network.w2, network.b2, network.b1].concat()
        });
        after.collect()
    }

    /// `[steps, M]` afterwards, likewise.
    fn losses_after(&self, b: usize, absolutes: bool) -> Vec<f64> {
        let mut after = if absolutes { absolute(&widened(&self.losses)) } else { widened(&self.losses) };
        for (m, losses) in self.image_losses.iter().enumerate() {
            let terms = losses.iter().map(|loss| f64::from(if absolutes { loss.abs() } else { *loss }));
            after[BEFORE.2 * self.w1.len() + m] = terms.sum::<f64>() / b as f64;
        }
        after
    }
}

/// A step on every tensor, and the next step's partial sums if the stages are fused.
pub fn update(mut bench: Bench) -> Launch {
    let (h, padded, _, b) = bench.sizes();
    let (d, c) = (bench.case.shape.d, bench.case.shape.c);
    let inputs = Inputs::new(&mut bench);
    let (w1, w1_gauge) = (inputs.w1_after((d, h), false), inputs.w1_after((d, h), true));
    // Two roundings make x, four the step. Worst seen 2.7 of 15.
    let w1_limit = sum_limit(b as u64, 6);

    let fused = bench.plan.tuning.fused;
    let (partials, values, partials_rule) = if fused {
        let values = products(&inputs.images.next, &w1, (d, h, padded), SLICE as usize);
        let x: Vec<_> = inputs.images.next.iter().map(|x| absolute(x)).collect();
        let gauge = products(&x, &w1_gauge, (d, h, padded), SLICE as usize);
        // The new weights' own errors come on top. Worst seen 5.5 of 44 (M = 30).
        let limit = sum_limit(SLICE.min(d as u64), 2) + w1_limit;
        (Tensor::unwritten("partials", values.len()), values, Rule::Gauge { gauge, limit })
    } else {
        // Must stay as they are.
        let before = bench.draw.numbers(100, 1.0);
        (Tensor::floats("partials", &before), widened(&before), Rule::Exact)
    };
    let exact = bench.draw.exact();
    let rule = |gauge: Vec<f64>, limit: f64| if exact { Rule::Exact } else { Rule::Gauge { gauge, limit } };
    let expected = vec![
        Expected {
            tensor: "w1",
            name: "W1",
            of: (0, 1),
            values: side_by_side(&w1, h, padded),
            rule: rule(side_by_side(&w1_gauge, h, padded), w1_limit),
        },
        Expected {
            tensor: "small",
            name: "W2, b2, b1",
            of: (0, 1),
            values: inputs.small_after(false),
            rule: rule(inputs.small_after(true), sum_limit(b as u64, 4)),
        },
        Expected {
            tensor: "losses",
            name: "the step's loss",
            of: (0, 1),
            values: inputs.losses_after(b, false),
            // A division, which Vulkan allows 2.5 ULP. Worst seen 1.0 of 18.
            rule: Rule::Gauge { gauge: inputs.losses_after(b, true), limit: sum_limit(b as u64, 5) },
        },
        Expected {
            tensor: "partials",
            name: "next partial sums",
            of: (0, 1),
            values,
            rule: if exact { Rule::Exact } else { partials_rule },
        },
    ];
    let with_losses = inputs.dlogits.iter().zip(&inputs.image_losses).map(|(dlogits, losses)| {
        let rows = dlogits.chunks_exact(c).zip(losses);
        rows.flat_map(|(row, loss)| [row, std::slice::from_ref(loss)].concat()).collect()
    });
    let dlogits: Vec<Vec<f32>> = with_losses.collect();
    let tensors = vec![
        inputs.images.pixels,
        inputs.images.standardisation,
        Tensor::floats("hidden", &side_by_side(&inputs.hidden, h, padded)),
        Tensor::floats("dhidden", &side_by_side(&inputs.dhidden, h, padded)),
        Tensor::floats("dlogits", &side_by_side(&dlogits, c + 1, c + 1)),
        Tensor::floats("rates", &inputs.rates),
        Tensor::floats("w1", &side_by_side(&inputs.w1, h, padded)),
        Tensor::floats("small", &small(&inputs.params)),
        Tensor::floats("losses", &inputs.losses),
        partials,
    ];
    bench.launch(tensors, expected)
}
