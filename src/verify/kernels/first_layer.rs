//! `forward` and `update_hidden`: the two products with the images.

use super::inputs::side_by_side;
use super::{BEFORE, Bench, sum_limit};
use crate::cpu::forward::standardise;
use crate::cpu::product::{Matrix, product};
use crate::data::Standardisation;
use crate::verify::compare::Rule;
use crate::verify::launch::{Expected, Launch, Tensor};

/// Images and what standardises them, as bytes and as f64.
struct Images {
    pixels: Tensor,
    standardisation: Tensor,
    /// Each model's batch, `[B, D]`.
    x: Vec<Vec<f64>>,
}

fn images(bench: &mut Bench) -> Images {
    let (d, b) = (bench.case.shape.d, bench.case.shape.b);
    let row_bytes = d.next_multiple_of(4);
    // Some rows before the step's, and some after, that must not count.
    let rows = BEFORE.0 + bench.batches() * b + 2;
    let pixels = bench.draw.pixels(rows * row_bytes);
    let standardisation = if bench.draw.exact() {
        Standardisation { mean: vec![3.0; d], scale: vec![1.0; d] }
    } else {
        let means = (0..d).map(|i| 110.0 + (i % 31) as f32).collect();
        Standardisation { mean: means, scale: (0..d).map(|i| 1.0 / (40.0 + (i % 37) as f32)).collect() }
    };
    let x = (0..bench.case.shape.m).map(|m| {
        let rows = &pixels[bench.batch_of(m).start * row_bytes..bench.batch_of(m).end * row_bytes];
        let bytes: Vec<u8> = rows.chunks_exact(row_bytes).flat_map(|row| &row[..d]).copied().collect();
        let mut x = vec![0f64; b * d];
        standardise(&bytes, &standardisation.mean, &standardisation.scale, &mut x);
        x
    });
    Images {
        x: x.collect(),
        pixels: Tensor::bytes("pixels", &pixels),
        standardisation: Tensor::floats("standardisation", &standardisation.padded()),
    }
}

fn widened(values: &[f32]) -> Vec<f64> {
    values.iter().copied().map(f64::from).collect()
}

fn absolute(values: &[f64]) -> Vec<f64> {
    values.iter().map(|value| value.abs()).collect()
}

/// `partials[s][b][n] = Σ_{d in slice s} x[b][d] · W1[d][n]`
pub fn forward(mut bench: Bench) -> Launch {
    let (h, padded, models, b) = bench.sizes();
    let d = bench.case.shape.d;
    let images = images(&mut bench);
    let w1: Vec<_> = (0..models).map(|_| bench.draw.numbers(d * h, 0.03)).collect();

    let (slice, slices) = (bench.plan.slice as usize, bench.plan.slices as usize);
    let sums = |absolutes: bool| -> Vec<f64> {
        let wide = |values: &[f64]| if absolutes { absolute(values) } else { values.to_vec() };
        let factors: Vec<_> = images.x.iter().zip(&w1).map(|(x, w1)| (wide(x), wide(&widened(w1)))).collect();
        let slices = (0..slices).flat_map(|s| {
            let (first, last) = (s * slice, d.min((s + 1) * slice));
            let models: Vec<Vec<f64>> = factors
                .iter()
                .map(|(x, w1)| {
                    let mut sums = vec![0f64; b * h];
                    product(
                        Matrix::new(x, d).columns(first, last),
                        Matrix::new(&w1[first * h..last * h], h),
                        &mut sums,
                    );
                    sums
                })
                .collect();
            side_by_side(&models, h, padded)
        });
        slices.collect()
    };
    let rule = if bench.draw.exact() {
        Rule::Exact
    } else {
        // Two roundings make x. Worst seen 5.5 of 18 (M = 30).
        Rule::Gauge { gauge: sums(true), limit: sum_limit(slice.min(d) as u64, 2) }
    };
    let values = sums(false);
    let partials = Tensor::unwritten("partials", values.len());
    let expected = vec![Expected { binding: 3, name: "partial sums", of: (0, 1), values, rule }];
    let w1 = Tensor::floats("W1", &side_by_side(&w1, h, padded));
    bench.launch(vec![images.pixels, images.standardisation, w1, partials], expected)
}

/// `W1[d][n] −= rate · (Σ_b x[b][d] · dhidden[b][n] + decay · W1[d][n])`
pub fn update(mut bench: Bench) -> Launch {
    let (h, padded, models, b) = bench.sizes();
    let d = bench.case.shape.d;
    let images = images(&mut bench);
    let w1: Vec<_> = (0..models).map(|_| bench.draw.numbers(d * h, 0.03)).collect();
    let dhidden: Vec<_> = (0..models).map(|_| bench.draw.numbers(b * h, 0.01)).collect();
    let (rates, decay) = rates_and_decay(&mut bench);

    let after = |absolutes: bool| {
        let wide = |values: &[f64]| if absolutes { absolute(values) } else { values.to_vec() };
        let sign = if absolutes { 1.0 } else { -1.0 };
        let models: Vec<Vec<f64>> = (0..models)
            .map(|m| {
                let (x, g, w) = (wide(&images.x[m]), wide(&widened(&dhidden[m])), wide(&widened(&w1[m])));
                let (rate, decay) = (f64::from(rates[BEFORE.1 * models + m]), f64::from(decay[m]));
                let mut gradient = vec![0f64; d * h];
                product(Matrix::new(&x, d).transposed(), Matrix::new(&g, h), &mut gradient);
                gradient.iter().zip(&w).map(|(g, w)| w + sign * rate * (g + decay * w)).collect()
            })
            .collect();
        side_by_side(&models, h, padded)
    };
    let rule = if bench.draw.exact() {
        Rule::Exact
    } else {
        // Two roundings make x, four the step. Worst seen 4.2 of 26 (M = 30).
        Rule::Gauge { gauge: after(true), limit: sum_limit(b as u64, 6) }
    };
    let expected = vec![Expected { binding: 5, name: "W1", of: (0, 1), values: after(false), rule }];
    let tensors = vec![
        images.pixels,
        images.standardisation,
        Tensor::floats("dhidden", &side_by_side(&dhidden, h, padded)),
        Tensor::floats("rates", &rates),
        Tensor::floats("decay", &decay),
        Tensor::floats("W1", &side_by_side(&w1, h, padded)),
    ];
    bench.launch(tensors, expected)
}

/// Learning rates `[steps, M]` and decay `[M]`, different for every model; powers of two where sums must be exact.
pub fn rates_and_decay(bench: &mut Bench) -> (Vec<f32>, Vec<f32>) {
    let models = bench.case.shape.m;
    let number = |i: usize| if bench.draw.exact() { 1.0 / (1 << (i % 3)) as f32 } else { 0.1 / (1 + i) as f32 };
    ((0..(BEFORE.1 + 2) * models).map(number).collect(), (0..models).map(|m| number(m + 1)).collect())
}
