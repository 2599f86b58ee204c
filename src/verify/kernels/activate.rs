//! `activate`: bias and `ReLU` of a hidden layer that is not the last; and the way back.

use super::case::{Bench, sum_limit};
use super::inputs::{matrix, side_by_side};
use crate::model::reference::Matrix;
use crate::model::regularise::Dropout;
use crate::verify::launch::{Expected, Launch, Tensor};

/// Each model's partial sums, `[S·B, H]`, as numbers and as a tensor of all.
fn partials(bench: &mut Bench, slices: usize) -> (Vec<Matrix>, Tensor) {
    let (h, padded, models, b) = bench.sizes();
    let values: Vec<_> = (0..models).map(|_| bench.draw.numbers(slices * b * h, 1.0)).collect();
    let tensor = Tensor::floats("partials", &side_by_side(&values, h, padded));
    (values.iter().map(|values| matrix(values, h)).collect(), tensor)
}

/// What each model's `number` gives for an image and a unit, and the tensor's padding: `[B, M·HP]`.
fn each(bench: &Bench, number: impl Fn(usize, usize, usize) -> f64) -> Vec<f64> {
    let (h, padded, models, b) = bench.sizes();
    let model = |m: usize| (0..b * h).map(|i| number(m, i / h, i % h)).collect();
    side_by_side(&(0..models).map(model).collect::<Vec<Vec<f64>>>(), h, padded)
}

/// `hidden` from the partial sums.
pub fn activate(mut bench: Bench) -> Launch {
    let (h, padded, models, b) = bench.sizes();
    let slices = bench.plan.partials(0, bench.case.of.trains()) as usize;
    let (sums, tensor) = partials(&mut bench, slices);
    let biases: Vec<_> = (0..models).map(|_| bench.draw.numbers(h, 1.0)).collect();
    let terms = |m: usize, image: usize, unit: usize| {
        let sums = &sums[m];
        let partials = (image..sums.rows()).step_by(b).map(move |row| sums[row][unit]);
        partials.chain([f64::from(biases[m][unit])])
    };
    let mask = |m: usize, image: usize, unit: usize| {
        bench.training(m, 0).dropout(0).map_or(1.0, |dropout| f64::from(dropout.factor(image, unit)))
    };
    let values = each(&bench, |m, image, unit| mask(m, image, unit) * terms(m, image, unit).sum::<f64>().max(0.0));
    // A mask's factor rounds once more.
    let rule = bench.rule(sum_limit(slices as u64 + 1, 1), || {
        let scale = Dropout::constants(bench.case.regularise.dropout).1;
        each(&bench, |m, image, unit| f64::from(scale) * terms(m, image, unit).map(f64::abs).sum::<f64>())
    });
    let expected = vec![Expected::new("hidden", "hidden", values, rule)];
    let small = Tensor::floats("small", &biases.concat());
    let hidden = Tensor::unwritten("hidden", b * models * padded);
    bench.launch(vec![tensor, small, bench.keys(), hidden], expected)
}

/// `dhidden` from the partial sums and `hidden`.
pub fn activate_backward(mut bench: Bench) -> Launch {
    let (h, padded, models, b) = bench.sizes();
    let slices = bench.plan.back_partials(1) as usize;
    let (sums, tensor) = partials(&mut bench, slices);
    // As after a `ReLU`: about half are 0.
    let hidden: Vec<Vec<f32>> = (0..models)
        .map(|_| bench.draw.numbers(b * h, 1.0).into_iter().map(|number| number.max(0.0)).collect())
        .collect();
    let scale = f64::from(Dropout::constants(bench.case.regularise.dropout).1);
    let term = |m: usize, image: usize, unit: usize| {
        let sums = &sums[m];
        let active = if hidden[m][image * h + unit] > 0.0 { scale } else { 0.0 };
        (image..sums.rows()).step_by(b).map(move |row| active * sums[row][unit])
    };
    let values = each(&bench, |m, image, unit| term(m, image, unit).sum());
    let rule = bench
        .rule(sum_limit(slices as u64, 1), || each(&bench, |m, image, unit| term(m, image, unit).map(f64::abs).sum()));
    let expected = vec![Expected::new("dhidden", "dhidden", values, rule)];
    let hidden = Tensor::floats("hidden", &side_by_side(&hidden, h, padded));
    bench.launch(vec![tensor, hidden, Tensor::unwritten("dhidden", b * models * padded)], expected)
}
