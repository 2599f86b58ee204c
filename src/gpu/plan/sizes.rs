//! How a job is cut, and the buffers that it takes.

use super::tiles::{GROUP, PART, SLICE, TALLY};
use super::tuning::{Tuning, product};
use crate::engine::Job;
use crate::gpu::kernels::Use;

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
        #[derive(Clone, Debug, Default, PartialEq, Eq)]
        #[allow(missing_docs, reason = "each is the size of the tensor of that name in the shaders")]
        pub struct Sizes {
            $(pub $tensor: u64,)+
            /// Those of each wide layer.
            pub layers: Vec<LayerSizes>,
        }

        impl Sizes {
            pub(super) fn named(&self) -> Vec<(String, u64)> {
                let layers = self.layers.iter().zip(1..).flat_map(|(layer, number)| {
                    let LayerSizes { w, small, hidden } = *layer;
                    [(format!("W{number}"), w), (small_name(number, self.layers.len()), small), ("hidden units".into(), hidden)]
                });
                [$(($name.to_owned(), self.$tensor)),+].into_iter().chain(layers).collect()
            }
        }
    };
}

sizes! {
    pixels "pixels", changes "changes of images", targets "targets", rates "rates", standardisation "standardisation", partials "partial sums",
    dlogits "logits' gradients", scores "scores", losses "losses", tallies "tallies", squares "squares"
}

/// Bytes of a wide layer's buffers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LayerSizes {
    /// `W [D, M·HP]`, and behind it the optimizer's moments of it.
    pub w: u64,
    /// Of the last wide layer the output layer's tensors and its own bias, `[M][H·C + C + H]`; of another one its bias, `[M][H]`; and the moments of
    /// all.
    pub small: u64,
    /// `hidden [B, M·HP]`, and its gradient.
    pub hidden: u64,
}

/// What the small tensors of wide layer `number` of `wide` are called.
pub(in crate::gpu) fn small_name(number: usize, wide: usize) -> String {
    if number < wide { format!("b{number}") } else { format!("W{}, b{}, b{number}", number + 1, number + 1) }
}

/// A layer but the output layer, or that one where there is no other: its products are those of `forward` and `update`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wide {
    /// `D`: its inputs.
    pub inputs: u64,
    /// `H`: its units.
    pub units: u64,
    /// `HP`: `H` rounded up to a multiple of 4, so that a model's columns start at a whole vec4.
    pub padded: u64,
    /// `N = M · HP`.
    pub columns: u64,
    /// Slices of the inputs.
    pub slices: u64,
    /// Values of the output layer, if that comes next: `H·C + C`.
    pub outputs: u64,
}

impl Wide {
    /// Groups of its slices.
    pub fn groups(&self) -> u64 {
        self.slices.div_ceil(GROUP)
    }
}

/// How a job runs on an adapter.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// The job.
    pub job: Job,
    /// What was chosen freely.
    pub tuning: Tuning,
    /// The layers, but for the output layer if there is a hidden one.
    pub layers: Vec<Wide>,
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
        let [d, c] = [job.model.inputs, job.model.classes].map(|size| size as u64);
        let (m, b, g) = (job.models() as u64, job.batch_size as u64, job.shuffles as u64);
        let row_bytes = d.div_ceil(4) * 4;
        let layers = Self::wide(job)?;
        let last = layers[layers.len() - 1];

        let mut row_partials = 0;
        for layer in &layers {
            row_partials = row_partials.max(product(&[layer.groups(), layer.columns, 4])?);
        }
        let row_logits = product(&[m, c, 4])?;
        let evaluation_rows = (EVALUATION_BYTES / row_partials.max(row_logits)).clamp(TALLY, 4096) / TALLY * TALLY;
        let flops = if software { CHUNK_FLOPS_SOFTWARE } else { CHUNK_FLOPS };
        let mut step_flops = product(&[4, b, c, last.columns])?;
        for layer in &layers {
            step_flops = step_flops.checked_add(product(&[4, b, layer.inputs, layer.columns])?)?;
        }
        let step_rows = product(&[g, b])?;
        let step_bytes = product(&[step_rows, row_bytes])?;
        let chunk_steps = (flops / step_flops).min(CHUNK_BYTES / step_bytes).min(CHUNK_ROWS / step_rows).clamp(1, 1024);
        let chunk_rows = product(&[chunk_steps, step_rows])?.max(evaluation_rows);

        let rows = b.max(evaluation_rows);
        let mut partials = product(&[evaluation_rows, row_partials])?;
        let mut squares = product(&[last.units, c])?;
        let mut sizes = Vec::new();
        let copies = 1 + job.optimizer.moments().len() as u64;
        for (place, layer) in layers.iter().enumerate() {
            let sums = if place == 0 && tuning.fused { layer.slices } else { layer.groups() };
            partials = partials.max(product(&[sums, b, layer.columns, 4])?);
            if let Some(before) = place.checked_sub(1) {
                let back = layer.units.div_ceil(SLICE).div_ceil(GROUP);
                partials = partials.max(product(&[back, b, layers[before].columns, 4])?);
            }
            squares = squares.max(product(&[layer.inputs, layer.units])?);
            // An evaluation keeps what leaves all hidden layers but the last.
            let kept = if place + 1 < layers.len() { rows } else { b };
            sizes.push(LayerSizes {
                w: product(&[layer.inputs, layer.columns, 4, copies])?,
                small: product(&[m, layer.outputs.checked_add(layer.units)?, 4, copies])?,
                hidden: product(&[kept, layer.columns, 4])?,
            });
        }
        let sizes = Sizes {
            pixels: product(&[chunk_rows, row_bytes])?,
            changes: product(&[chunk_rows, 16])?,
            targets: product(&[chunk_rows, 4])?,
            rates: product(&[chunk_steps, m, 16])?,
            standardisation: 2 * 4 * row_bytes,
            partials,
            dlogits: product(&[b, m, c.checked_add(1)?, 4])?.max(product(&[evaluation_rows, row_logits])?),
            scores: product(&[rows, m, 8])?,
            losses: product(&[LOSSES, m, 4])?,
            tallies: product(&[TALLIES, m, 8])?,
            squares: product(&[m, squares.div_ceil(PART), 4])?,
            layers: sizes,
        };
        let (job, head_threads) = (job.clone(), HEAD_THREADS.0);
        Some(Self { job, tuning, layers, head_threads, evaluation_rows, chunk_steps, chunk_rows, sizes })
    }

    /// The layers but the output layer, or that one alone.
    fn wide(job: &Job) -> Option<Vec<Wide>> {
        let (m, c) = (job.models() as u64, job.model.classes as u64);
        let hidden = job.model.hidden.len();
        let layers = job.model.layers().take(hidden.max(1)).enumerate().map(|(place, [from, to])| {
            let [inputs, units] = [from, to].map(|size| size as u64);
            let padded = units.checked_next_multiple_of(4)?;
            let columns = product(&[m, padded])?;
            let outputs = if place + 1 == hidden { product(&[units, c])?.checked_add(c)? } else { 0 };
            Some(Wide { inputs, units, padded, columns, slices: inputs.div_ceil(SLICE), outputs })
        });
        layers.collect()
    }

    /// The wide layer before the output layer.
    pub fn last(&self) -> &Wide {
        &self.layers[self.layers.len() - 1]
    }

    /// Every use of a kernel.
    pub fn uses(&self) -> Vec<Use> {
        Use::all(self.job.model.hidden.len())
    }

    /// Hidden units that `head` sums at a time.
    pub(super) fn head_block(&self) -> u64 {
        self.last().padded.min(HEAD_BLOCK)
    }

    /// Slices that `forward` of a layer sums into one partial: all of a group's, but for the first layer's of a fused step.
    pub fn slices_of_a_partial(&self, layer: usize, train: bool) -> u64 {
        if train && layer == 0 && self.tuning.fused { 1 } else { GROUP }
    }

    /// Partial sums of a value of a layer's product.
    pub fn partials(&self, layer: usize, train: bool) -> u64 {
        self.layers[layer].slices.div_ceil(self.slices_of_a_partial(layer, train))
    }

    /// Partial sums of a value on the way back through a layer.
    pub fn back_partials(&self, layer: usize) -> u64 {
        self.layers[layer].units.div_ceil(SLICE).div_ceil(GROUP)
    }

    /// Whether every model has its own inputs in a use: its own batch, or what leaves its layer before. In an evaluation all
    /// see the same images.
    pub(super) fn own_inputs(&self, of: Use) -> bool {
        of.layer().unwrap_or(0) > 0 || self.own_batches(of)
    }

    /// Whether every model trains on its own batches.
    pub(super) fn own_batches(&self, of: Use) -> bool {
        of.trains() && self.job.shuffles > 1
    }

    /// Words of an image, four pixels each.
    pub fn words(&self) -> u64 {
        (self.job.model.inputs as u64).div_ceil(4)
    }
}
