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
        let [d, h, c] = [self.job.model.inputs, self.job.model.hidden, self.job.model.classes].map(|size| size as u64);
        let m = self.job.models() as u64;
        let batches = if of.trains() { self.job.shuffles as u64 } else { 1 };
        let next = if of == Use::FusedUpdate { next_rows } else { 0 };
        // Bytes of the tensors, and operations of a matrix product over the images of all models.
        let images = |rows: u64| batches * rows * d;
        let (w1, small) = (4 * m * d * h, 4 * m * (h * c + c + h));
        let partials = |rows: u64| 4 * m * self.partials(of.trains()) * rows * h;
        let (hidden, logits, scores) = (4 * m * rows * h, 4 * m * rows * c, 2 * 4 * m * rows);
        let first = |rows: u64| 2 * m * rows * d * h;
        let second = 2 * m * rows * h * c;
        let squares = |elements: u64| (2 * m * elements, 4 * m * elements);
        let (flops, bytes) = match of {
            Use::Gather => (0, 2 * rows * 4 * self.words()),
            Use::Forward | Use::EvalForward => (first(rows), images(rows) + 2 * 4 * d + w1 + partials(rows)),
            Use::Head | Use::EvalHead => {
                let learning = u64::from(of == Use::Head);
                (
                    m * rows * (self.partials(of.trains()) + 1) * h + second + 5 * m * rows * c + learning * second,
                    partials(rows) + small + 4 * batches * rows + scores + logits + learning * 2 * hidden,
                )
            }
            Use::Update | Use::FusedUpdate => (
                first(rows) + 4 * m * d * h + first(next) + second + m * rows * (c + h) + 4 * m * (h * c + c + h),
                images(rows + next) + 2 * 4 * d + 2 * w1 + 2 * hidden + logits + scores + 2 * small + partials(next),
            ),
            Use::Tally => (2 * m * rows, scores),
            Use::SquaresW1 => squares(d * h),
            Use::SquaresW2 => squares(h * c),
        };
        Work { flops, bytes }
    }
}
