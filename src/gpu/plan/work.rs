//! What dispatches have to do at least, for rates beside a device's ceilings.

use super::sizes::Plan;
use crate::gpu::kernels::Use;

/// What a dispatch has to do at least: padding and what is done again count nothing, a tensor is read or written once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Work {
    /// Additions and multiplications, each for one; a maximum, an exponential or a logarithm too.
    pub flops: u64,
    /// Bytes between the GPU's memory (or its caches) and its registers.
    pub bytes: u64,
}

impl Plan {
    /// What a dispatch over `rows` images has to do; the `next_rows` of the next step count for `update` with its product.
    pub fn work(&self, of: Use, rows: u64, next_rows: u64) -> Work {
        let (m, c) = (self.job.models() as u64, self.job.model.classes as u64);
        let place = of.layer().unwrap_or(self.layers.len() - 1);
        let layer = &self.layers[place.min(self.layers.len() - 1)];
        let (d, h, outputs) = (layer.inputs, layer.units, layer.outputs);
        let batches = if of.trains() { self.job.shuffles as u64 } else { 1 };
        let next = if of == Use::FusedUpdate { next_rows } else { 0 };
        // Bytes of the tensors, and operations of a matrix product over the images of all models. Of the first layer the inputs
        // are bytes, and what standardises them.
        let inputs = |rows: u64| if place == 0 { batches * rows * d } else { 4 * m * rows * d };
        let statistics = if place == 0 { 2 * 4 * d } else { 0 };
        let (w, small) = (4 * m * d * h, 4 * m * (outputs + h));
        let sums = self.partials(place.min(self.layers.len() - 1), of.trains());
        let partials = |rows: u64| 4 * m * sums * rows * h;
        let (hidden, logits, scores) = (4 * m * rows * h, 4 * m * rows * c, 2 * 4 * m * rows);
        let first = |rows: u64| 2 * m * rows * d * h;
        let second = if outputs > 0 { 2 * m * rows * h * c } else { 0 };
        let squares = |elements: u64| (2 * m * elements, 4 * m * elements);
        let (flops, bytes) = match of {
            Use::Gather => (0, 2 * rows * 4 * self.words()),
            Use::Forward(_) | Use::EvalForward(_) => (first(rows), inputs(rows) + statistics + w + partials(rows)),
            Use::Backward(place) => {
                (first(rows), hidden + w + 4 * m * self.back_partials(place) * rows * self.layers[place - 1].units)
            }
            Use::Activate(_) | Use::EvalActivate(_) => (m * rows * (sums + 1) * h, partials(rows) + small + hidden),
            Use::ActivateBackward(place) => {
                let sums = self.back_partials(place + 1);
                (m * rows * sums * h, sums * hidden + 2 * hidden)
            }
            Use::Head | Use::EvalHead => {
                let learning = u64::from(of == Use::Head);
                (
                    m * rows * (sums + 1) * h + second + 5 * m * rows * c + learning * second,
                    partials(rows) + small + 4 * batches * rows + scores + logits + learning * 2 * hidden,
                )
            }
            Use::Update(_) | Use::FusedUpdate => {
                // The output layer's gradients and the loss are the last layer's part.
                let (read, biases) =
                    if place + 1 == self.layers.len() { (hidden + logits + scores, c) } else { (0, 0) };
                (
                    first(rows)
                        + 4 * m * d * h
                        + first(next)
                        + second
                        + m * rows * (biases + h)
                        + m * 4 * (outputs + h),
                    inputs(rows + next) + statistics + 2 * w + hidden + read + 2 * small + partials(next),
                )
            }
            Use::Tally => (2 * m * rows, scores),
            Use::Squares(place) if place < self.layers.len() => squares(d * h),
            Use::Squares(_) => squares(h * c),
        };
        Work { flops, bytes }
    }
}
