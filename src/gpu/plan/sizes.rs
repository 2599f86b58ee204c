//! How a job is cut, and the buffers that it takes.

use super::tiles::{GROUP, PART, SLICE, TALLY};
use super::tuning::{Tuning, product};
use crate::engine::Job;

/// Most hidden units that `head` sums at a time.
const HEAD_BLOCK: u64 = 64;
/// Invocations of a workgroup of `head`: many models, which fill a GPU in any case; few, where 52 units in 6 groups are then
/// summed at once.
pub(super) const HEAD_THREADS: (u32, u32) = (128, 320);
/// Most bytes of an evaluated batch's partial sums by groups, and of its logits, unless a single group of images has more.
const EVALUATION_BYTES: u64 = 32 << 20;
/// Most bytes of pixels in a chunk. At B = 100 that is 54 steps; two chunks are in flight.
const CHUNK_BYTES: u64 = 16 << 20;
/// Most rows of a chunk: a dimension of `gather`'s grid.
const CHUNK_ROWS: u64 = 65_535;
/// Most arithmetic of a submission: 21 steps of thirty models. Windows resets a driver after 2 s; at 100 GFLOP/s, a weak GPU,
/// this takes 0.4 s.
const CHUNK_FLOPS: u64 = 40_000_000_000;
/// The same for a software adapter: llvmpipe takes 26 ms a step of the report's network on 2 idle cores (2.4 GFLOP/s), some
/// 150 ms on busy ones; chunks of three steps keep either under half a second.
const CHUNK_FLOPS_SOFTWARE: u64 = 200_000_000;
/// Steps whose losses are kept on the GPU between two readings.
pub const LOSSES: u64 = 4096;
/// Groups of [`TALLY`] images whose sums are kept on the GPU between two readings: 262,144 images.
pub const TALLIES: u64 = 4096;

macro_rules! sizes {
    ($($tensor:ident $name:literal),+) => {
        /// Sizes of the buffers, in bytes.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        #[allow(missing_docs, reason = "each is the size of the tensor of that name in the shaders")]
        pub struct Sizes { $(pub $tensor: u64),+ }

        impl Sizes {
            pub(super) fn named(&self) -> Vec<(&'static str, u64)> {
                vec![$(($name, self.$tensor)),+]
            }
        }
    };
}

sizes! {
    pixels "pixels", labels "labels", rates "rates", standardisation "standardisation", w1 "W1", small "W2, b2, b1",
    partials "partial sums", hidden "hidden units", dlogits "logits' gradients", scores "scores", losses "losses",
    tallies "tallies", squares "squares"
}

/// How a job runs on an adapter.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// The job.
    pub job: Job,
    /// What was chosen freely.
    pub tuning: Tuning,
    /// `HP`: `H` rounded up to a multiple of 4, so that a model's columns start at a whole vec4.
    pub padded: u64,
    /// `N = M · HP`.
    pub columns: u64,
    /// Slices of the inputs.
    pub slices: u64,
    /// Invocations of a workgroup of `head`.
    pub head_threads: u32,
    /// Images of an evaluated batch, a multiple of [`TALLY`].
    pub evaluation_rows: u64,
    /// Steps of a chunk.
    pub chunk_steps: u64,
    /// Rows of a chunk's pixels, for training and for evaluation.
    pub chunk_rows: u64,
    /// Sizes of the buffers.
    pub sizes: Sizes,
}

impl Plan {
    /// Sizes in checked arithmetic; `None` where one passes 2⁶⁴.
    pub(super) fn sized(job: &Job, software: bool, tuning: Tuning) -> Option<Self> {
        let [d, h, c] = [job.model.inputs, job.model.hidden, job.model.classes].map(|size| size as u64);
        let (m, b, g) = (job.models() as u64, job.batch_size as u64, job.shuffles as u64);
        let row_bytes = d.div_ceil(4) * 4;
        let padded = h.checked_next_multiple_of(4)?;
        let columns = product(&[m, padded])?;
        let slices = d.div_ceil(SLICE);
        let groups = slices.div_ceil(GROUP);

        let row_partials = product(&[groups, columns, 4])?;
        let row_logits = product(&[m, c, 4])?;
        let evaluation_rows = (EVALUATION_BYTES / row_partials.max(row_logits)).clamp(TALLY, 4096) / TALLY * TALLY;
        let flops = if software { CHUNK_FLOPS_SOFTWARE } else { CHUNK_FLOPS };
        let step_flops = product(&[4, b, d + c, columns])?;
        let step_rows = product(&[g, b])?;
        let step_bytes = product(&[step_rows, row_bytes])?;
        let chunk_steps = (flops / step_flops).min(CHUNK_BYTES / step_bytes).min(CHUNK_ROWS / step_rows).clamp(1, 1024);
        let chunk_rows = product(&[chunk_steps, step_rows])?.max(evaluation_rows);

        let rows = b.max(evaluation_rows);
        let train_partials = if tuning.fused { slices } else { groups };
        let small = product(&[h, c])?.checked_add(c)?.checked_add(h)?;
        let sizes = Sizes {
            pixels: product(&[chunk_rows, row_bytes])?,
            labels: product(&[chunk_rows, 4])?,
            rates: product(&[chunk_steps, m, 8])?,
            standardisation: 2 * 4 * row_bytes,
            w1: product(&[d, columns, 4])?,
            small: product(&[m, small, 4])?,
            partials: product(&[train_partials, b, columns, 4])?.max(product(&[evaluation_rows, row_partials])?),
            hidden: product(&[b, columns, 4])?,
            dlogits: product(&[b, m, c.checked_add(1)?, 4])?.max(product(&[evaluation_rows, row_logits])?),
            scores: product(&[rows, m, 8])?,
            losses: product(&[LOSSES, m, 4])?,
            tallies: product(&[TALLIES, m, 8])?,
            squares: product(&[m, product(&[d.max(c), h])?.div_ceil(PART), 4])?,
        };
        let (job, head_threads) = (job.clone(), HEAD_THREADS.0);
        Some(Self {
            job,
            tuning,
            padded,
            columns,
            slices,
            head_threads,
            evaluation_rows,
            chunk_steps,
            chunk_rows,
            sizes,
        })
    }

    /// Hidden units that `head` sums at a time.
    pub(super) fn head_block(&self) -> u64 {
        self.padded.min(HEAD_BLOCK)
    }

    pub(super) fn groups(&self) -> u64 {
        self.slices.div_ceil(GROUP)
    }

    /// Slices that `forward` sums into one partial: all of a group's, but for a fused training step.
    pub fn slices_of_a_partial(&self, train: bool) -> u64 {
        if train && self.tuning.fused { 1 } else { GROUP }
    }

    /// Partial sums of a value of the first layer's product.
    pub fn partials(&self, train: bool) -> u64 {
        self.slices.div_ceil(self.slices_of_a_partial(train))
    }

    /// Whether every model trains on its own batches; in an evaluation all see the same images.
    pub(super) fn own_batches(&self, train: bool) -> bool {
        train && self.job.shuffles > 1
    }

    /// Words of an image, four pixels each.
    pub fn words(&self) -> u64 {
        (self.job.model.inputs as u64).div_ceil(4)
    }
}
