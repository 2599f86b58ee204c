//! `forward`: the product with the images.

use super::case::{BEFORE, Bench, Shape, next_rows, sum_limit};
use super::inputs::{absolute, matrix, side_by_side};
use crate::data::Standardisation;
use crate::gpu::plan::{GROUP, SLICE};
use crate::model::reference::{self, Matrix, dropped, standardise};
use crate::verify::images::uneven;
use crate::verify::launch::{Expected, Launch, Tensor};

/// What enters a layer, as the kernels have it and as f64: images and what standardises them, or what leaves the layer before.
pub(super) struct Inputs {
    pub(super) tensors: Vec<Tensor>,
    /// Each model's batch, `[B, D]`.
    pub(super) x: Vec<Matrix>,
    pub(super) next: Vec<Matrix>,
}

pub(super) fn inputs(bench: &mut Bench) -> Inputs {
    let (d, b) = (bench.case.shape.d, bench.case.shape.b);
    if bench.case.of.layer() != Some(0) {
        let (x, tensor) = activations(bench, d);
        return Inputs { tensors: vec![tensor], next: x.clone(), x };
    }
    let row_bytes = d.next_multiple_of(4);
    // Some rows before the step's, and some after the next one's, that must not count.
    let rows = BEFORE.0 + bench.batches() * (b + next_rows(b)) + 2;
    let pixels = bench.draw.pixels(rows * row_bytes);
    let standardisation =
        if bench.draw.exact() { Standardisation { mean: vec![3.0; d], scale: vec![1.0; d] } } else { uneven(d) };
    let standardised = |m: usize, next: usize| {
        let rows = if next == 0 { bench.batch_of(m) } else { bench.next_batch_of(m) };
        let images = pixels[rows.start * row_bytes..rows.end * row_bytes].chunks_exact(row_bytes);
        let bytes: Vec<u8> = images.flat_map(|image| &image[..d]).copied().collect();
        let x = standardise(&bytes, &standardisation.mean, &standardisation.scale);
        dropped(x, bench.training(m % bench.batches(), next).input_dropout())
    };
    Inputs {
        x: (0..bench.case.shape.m).map(|m| standardised(m, 0)).collect(),
        next: (0..bench.case.shape.m).map(|m| standardised(m, 1)).collect(),
        tensors: vec![Tensor::bytes("pixels", &pixels), Tensor::floats("standardisation", &standardisation.padded())],
    }
}

/// Each model's `[B, width]`, and the tensor of all.
fn activations(bench: &mut Bench, width: usize) -> (Vec<Matrix>, Tensor) {
    let Shape { m, b, .. } = bench.case.shape;
    let values: Vec<_> = (0..m).map(|_| bench.draw.numbers(b * width, 1.0)).collect();
    let tensor = Tensor::floats("activations", &side_by_side(&values, width, width.next_multiple_of(4)));
    (values.iter().map(|values| matrix(values, width)).collect(), tensor)
}

/// The products `[partials][B][M·HP]` of each model's `x [B, D]` and `w1 [D, H]`, a partial having `inputs` inputs.
pub(super) fn products(x: &[Matrix], w1: &[Matrix], padded: usize, inputs: usize) -> Vec<f64> {
    let (d, h) = (x[0].columns, w1[0].columns);
    let partials = (0..d).step_by(inputs).flat_map(|first| {
        let slice = first..d.min(first + inputs);
        let models = x.iter().zip(w1).map(|(x, w1)| reference::forward(x, w1, slice.clone()).values);
        side_by_side(&models.collect::<Vec<_>>(), h, padded)
    });
    partials.collect()
}

/// The same of absolute values: the sums of all terms' absolute values.
pub(super) fn gauge(x: &[Matrix], w1: &[Matrix], padded: usize, inputs: usize) -> Vec<f64> {
    let [x, w1] = [x, w1].map(|models| models.iter().map(absolute).collect::<Vec<_>>());
    products(&x, &w1, padded, inputs)
}

/// `partials[p][b][n] = Σ_{d in partial p} x[b][d] · W1[d][n]`
pub fn forward(mut bench: Bench) -> Launch {
    let (h, padded, models, _) = bench.sizes();
    let d = bench.case.shape.d;
    let entering = inputs(&mut bench);
    let w1: Vec<_> = (0..models).map(|_| bench.draw.numbers(d * h, 0.03)).collect();

    let place = bench.case.of.layer().unwrap_or(0);
    let inputs = (SLICE * bench.plan.slices_of_a_partial(place, bench.case.of.trains())) as usize;
    let wide: Vec<_> = w1.iter().map(|w1| matrix(w1, h)).collect();
    let values = products(&entering.x, &wide, padded, inputs);
    // Two roundings make x. Worst seen 6.2 of 18 (M = 30).
    let rule = bench.rule(sum_limit(inputs.min(d) as u64, 2), || gauge(&entering.x, &wide, padded, inputs));
    let partials = Tensor::unwritten("partials", values.len());
    let expected = vec![Expected::new("partials", "partial sums", values, rule)];
    let w1 = Tensor::floats("w1", &side_by_side(&w1, h, padded));
    let rates = if place == 0 { vec![bench.keys()] } else { vec![] };
    bench.launch([entering.tensors, rates, vec![w1, partials]].concat(), expected)
}

/// `partials[p][b][k] = Σ_{n in partial p} x[b][n] · W[k][n]`
pub fn backward(mut bench: Bench) -> Launch {
    let (h, padded, models, _) = bench.sizes();
    let d = bench.case.shape.d;
    let (x, tensor) = activations(&mut bench, h);
    let w: Vec<_> = (0..models).map(|_| bench.draw.numbers(d * h, 0.03)).collect();
    let turned: Vec<_> = w.iter().map(|w| Matrix::of(h, d, |n, k| w[k * h + n].into())).collect();

    let (inputs, stride) = ((SLICE * GROUP) as usize, d.next_multiple_of(4));
    let values = products(&x, &turned, stride, inputs);
    // Worst seen 1.8 of 4 (H = 2).
    let rule = bench.rule(sum_limit(inputs.min(h) as u64, 0), || gauge(&x, &turned, stride, inputs));
    let partials = Tensor::unwritten("partials", values.len());
    let expected = vec![Expected::new("partials", "partial sums", values, rule)];
    bench.launch(vec![tensor, Tensor::floats("w1", &side_by_side(&w, h, padded)), partials], expected)
}
