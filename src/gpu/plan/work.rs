//! What dispatches have to do at least, for rates beside a device's ceilings.

use super::Plan;
use crate::gpu::kernels::Kernel;
use crate::model::params::{W1, tensors};

/// What a dispatch has to do at least: padding and what is done again count nothing, a tensor is read or written once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Work {
    /// Additions and multiplications, each for one; a maximum, an exponential or a logarithm too.
    pub flops: u64,
    /// Bytes between the GPU's memory (or its caches) and its registers.
    pub bytes: u64,
}

impl Plan {
    /// What a dispatch over `rows` images has to do; `next` are the images of the next step's product, if `update` has it.
    pub fn work(&self, kernel: Kernel, rows: u64, train: bool, next: u64) -> Work {
        let [d, h, c] = [self.job.model.inputs, self.job.model.hidden, self.job.model.classes].map(|size| size as u64);
        let m = self.job.models() as u64;
        let batches = if train { self.job.shuffles as u64 } else { 1 };
        let learning = u64::from(train);
        // Bytes of the tensors, and operations of a matrix product over the images of all models.
        let images = |rows: u64| batches * rows * d;
        let (w1, small) = (4 * m * d * h, 4 * m * (h * c + c + h));
        let partials = |rows: u64| 4 * m * self.partials(train) * rows * h;
        let (hidden, logits, scores) = (4 * m * rows * h, 4 * m * rows * c, 2 * 4 * m * rows);
        let first = |rows: u64| 2 * m * rows * d * h;
        let second = 2 * m * rows * h * c;
        let (flops, bytes) = match kernel {
            Kernel::Gather => (0, 2 * rows * 4 * self.words()),
            Kernel::Forward => (first(rows), images(rows) + 2 * 4 * d + w1 + partials(rows)),
            Kernel::Head => (
                m * rows * (self.partials(train) + 1) * h + second + 5 * m * rows * c + learning * second,
                partials(rows) + small + 4 * batches * rows + scores + logits + learning * 2 * hidden,
            ),
            Kernel::Update => (
                first(rows) + 4 * m * d * h + first(next) + second + m * rows * (c + h) + 4 * m * (h * c + c + h),
                images(rows + next) + 2 * 4 * d + 2 * w1 + 2 * hidden + logits + scores + 2 * small + {
                    if next > 0 { partials(next) } else { 0 }
                },
            ),
            Kernel::Tally => (2 * m * rows, scores),
            Kernel::Squares => return self.squares_work(W1),
        };
        Work { flops, bytes }
    }

    /// The same for `squares` of the weights at `place`.
    pub fn squares_work(&self, place: usize) -> Work {
        let elements = self.job.models() as u64 * tensors(&self.job.model)[place].len() as u64;
        Work { flops: 2 * elements, bytes: 4 * elements }
    }
}
