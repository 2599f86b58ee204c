//! What a job needs of an adapter: sizes, grids and constants, worked out and checked before anything is created.

use wgpu::Limits;

use crate::engine::Job;
use crate::error::{Error, Result};
use crate::kernels::Kernel;
use crate::params::{W1, tensors};
use crate::spec::{ModelSpec, bytes};

/// Inputs that `forward` holds in workgroup memory at once.
const BLOCK: u64 = 32;
/// Rows and columns of a workgroup of `forward`, columns of one of `update_hidden`.
const TILE: u64 = 64;
/// Inputs of a workgroup of `update_hidden`.
const INPUTS: u64 = 32;
/// Values of a workgroup of `update_output`.
const VALUES: u64 = 32;
/// Images of a workgroup of `tally`.
pub const TALLY: u64 = 64;
/// Elements of a workgroup of `squares`.
pub const PART: u64 = 4096;
/// Workgroups that `forward` should have for one model: enough for every multiprocessor of the largest GPUs (an H100 has
/// 132) to have one. More would only mean more partial sums to add up.
const WORKGROUPS: u64 = 192;
/// Most partial sums of an evaluated batch: 16 MiB as f32, unless a single group of images has more.
const EVALUATION_PARTIALS: u64 = 4 << 20;
/// Most bytes of pixels in a chunk. At B = 100 that is 54 steps; two chunks are in flight.
const CHUNK_BYTES: u64 = 16 << 20;
/// Most arithmetic of a submission. Windows resets a driver after 2 s; at 100 GFLOP/s, a weak GPU, this takes 0.1 s.
const CHUNK_FLOPS: u64 = 10_000_000_000;
/// The same for a software adapter, which reaches some 0.2 GFLOP/s (a step of the report's network: 0.27 s on 2 cores).
const CHUNK_FLOPS_SOFTWARE: u64 = 200_000_000;
/// Steps whose losses are kept on the GPU between two readings.
pub const LOSSES: u64 = 4096;
/// Groups of [`TALLY`] images whose sums are kept on the GPU between two readings: 262,144 images.
pub const TALLIES: u64 = 4096;
/// llvmpipe silently ends an invocation's loops after 65,535 iterations, all its loops together.
const MAX_TRIPS: u64 = 65_535;

/// Sizes of the buffers, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs, reason = "each is the size of the tensor of that name in the shaders")]
pub struct Sizes {
    pub pixels: u64,
    pub labels: u64,
    pub rates: u64,
    pub standardisation: u64,
    pub decay: u64,
    pub w1: u64,
    pub small: u64,
    pub partials: u64,
    pub hidden: u64,
    pub dlogits: u64,
    pub scores: u64,
    pub losses: u64,
    pub tallies: u64,
    pub squares: u64,
}

impl Sizes {
    fn named(&self) -> [(&'static str, u64); 14] {
        [
            ("pixels", self.pixels),
            ("labels", self.labels),
            ("rates", self.rates),
            ("standardisation", self.standardisation),
            ("decay", self.decay),
            ("W1", self.w1),
            ("W2, b2, b1", self.small),
            ("partial sums", self.partials),
            ("hidden units", self.hidden),
            ("logits' gradients", self.dlogits),
            ("scores", self.scores),
            ("losses", self.losses),
            ("tallies", self.tallies),
            ("squares", self.squares),
        ]
    }
}

/// What a dispatch has to do at least: padding and what is done again count nothing, a tensor is read or written once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Work {
    /// Additions and multiplications, each for one; a maximum, an exponential or a logarithm too.
    pub flops: u64,
    /// Bytes between the GPU's memory (or its caches) and its registers.
    pub bytes: u64,
}

/// How a job runs on an adapter.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// The job.
    pub job: Job,
    /// `HP`: `H` rounded up to a multiple of 4, so that a model's columns start at a whole vec4.
    pub padded: u64,
    /// `N = M · HP`.
    pub columns: u64,
    /// Inputs of a slice: a function of `D`, `H` and `B`, never of `M`, for the order of summation depends on it.
    pub slice: u64,
    /// Number of slices.
    pub slices: u64,
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
    /// The plan for `job`, checked against `limits`. An error says what would be needed and what the adapter allows.
    pub fn new(job: &Job, limits: &Limits, software: bool) -> Result<Self> {
        let overflow = || {
            let ModelSpec { inputs, hidden, classes } = job.model;
            Error::Usage(format!(
                "{} models of {inputs} → {hidden} → {classes} at a batch of {} do not fit any memory: use a smaller \
                 --hidden or --batch-size",
                job.models(),
                job.batch_size
            ))
        };
        let plan = Self::sized(job, software).ok_or_else(overflow)?;
        plan.check(limits)?;
        Ok(plan)
    }

    /// Sizes in checked arithmetic; `None` where one passes 2⁶⁴.
    fn sized(job: &Job, software: bool) -> Option<Self> {
        let product = |factors: &[u64]| factors.iter().try_fold(1u64, |product, factor| product.checked_mul(*factor));
        let [d, h, c] = [job.model.inputs, job.model.hidden, job.model.classes].map(|size| size as u64);
        let (m, b, g) = (job.models() as u64, job.batch_size as u64, job.shuffles as u64);
        let row_bytes = d.div_ceil(4) * 4;
        let padded = h.checked_next_multiple_of(4)?;
        let columns = product(&[m, padded])?;

        let tiles = b.div_ceil(TILE) * padded.div_ceil(TILE);
        let slices = (WORKGROUPS / tiles).clamp(1, d.div_ceil(BLOCK));
        let slice = d.div_ceil(slices).next_multiple_of(BLOCK);
        let slices = d.div_ceil(slice);

        let evaluation_rows = (EVALUATION_PARTIALS / slices / columns).clamp(TALLY, 1024) / TALLY * TALLY;
        let flops = if software { CHUNK_FLOPS_SOFTWARE } else { CHUNK_FLOPS };
        let step_flops = product(&[4, b, d + c, columns])?.max(1);
        let step_bytes = product(&[g, b, row_bytes])?;
        let chunk_steps = (flops / step_flops).min(CHUNK_BYTES / step_bytes).clamp(1, 1024);
        let chunk_rows = product(&[chunk_steps, g, b])?.max(evaluation_rows);

        let rows = b.max(evaluation_rows);
        let sizes = Sizes {
            pixels: product(&[chunk_rows, row_bytes])?,
            labels: product(&[chunk_rows, 4])?,
            rates: product(&[chunk_steps, m, 4])?,
            standardisation: 2 * 4 * row_bytes,
            decay: product(&[m, 4])?,
            w1: product(&[d, columns, 4])?,
            small: product(&[m, product(&[h, c])?.checked_add(c)?.checked_add(h)?, 4])?,
            partials: product(&[slices, rows, columns, 4])?,
            hidden: product(&[b, columns, 4])?,
            dlogits: product(&[b, m, c, 4])?,
            scores: product(&[rows, m, 8])?,
            losses: product(&[LOSSES, m, 4])?,
            tallies: product(&[TALLIES, m, 8])?,
            squares: product(&[m, product(&[d.max(c), h])?.div_ceil(PART), 4])?,
        };
        let job = job.clone();
        Some(Self { job, padded, columns, slice, slices, evaluation_rows, chunk_steps, chunk_rows, sizes })
    }

    fn check(&self, limits: &Limits) -> Result<()> {
        let refuse = |what: String| {
            Err(Error::Usage(format!("{what}: use a smaller --hidden or --batch-size, or another --device")))
        };
        // Shaders count elements in u32; 2³² bytes keep every index below that.
        let most = limits.max_storage_buffer_binding_size.min(limits.max_buffer_size).min(u32::MAX.into());
        for (name, size) in self.sizes.named() {
            if size > most {
                let (size, most) = (bytes(size.into()), bytes(most.into()));
                return refuse(format!(
                    "--hidden {}: {name} would take {size}, the adapter binds {most}",
                    self.job.model.hidden
                ));
            }
        }
        for kernel in Kernel::ALL {
            let name = kernel.name();
            let memory = self.workgroup_memory(kernel);
            if memory > limits.max_compute_workgroup_storage_size.into() {
                let (needed, allowed) = (bytes(memory.into()), bytes(limits.max_compute_workgroup_storage_size.into()));
                return refuse(format!(
                    "--hidden {}: kernel {name} needs {needed} of workgroup memory, the adapter has {allowed}",
                    self.job.model.hidden
                ));
            }
            let (threads, allowed) = (workgroup(kernel), limits.max_compute_invocations_per_workgroup);
            if threads > allowed {
                return refuse(format!(
                    "kernel {name} needs {threads} invocations a workgroup, the adapter has {allowed}"
                ));
            }
            let allowed = u64::from(limits.max_compute_workgroups_per_dimension);
            let rows = self.rows(kernel);
            // Training's grid is the larger: with a shuffle a model, tiles do not cross models.
            if let Some(groups) = self.workgroups(kernel, rows, true).into_iter().find(|groups| *groups > allowed) {
                return refuse(format!(
                    "kernel {name} needs {groups} workgroups in a dimension, the adapter allows {allowed}"
                ));
            }
            let trips = self.trips(kernel);
            if trips > MAX_TRIPS {
                return refuse(format!(
                    "kernel {name} would loop {trips} times, the most that every driver runs is {MAX_TRIPS}"
                ));
            }
        }
        Ok(())
    }

    /// Most rows that a dispatch of `kernel` has.
    fn rows(&self, kernel: Kernel) -> u64 {
        match kernel {
            Kernel::UpdateHidden | Kernel::UpdateOutput => self.job.batch_size as u64,
            Kernel::Forward | Kernel::Head => self.evaluation_rows.max(self.job.batch_size as u64),
            Kernel::Tally | Kernel::Squares => self.evaluation_rows,
        }
    }

    /// Bytes of workgroup memory, as declared in the shader.
    pub fn workgroup_memory(&self, kernel: Kernel) -> u64 {
        match kernel {
            Kernel::Forward => 2 * BLOCK * TILE * 4,
            Kernel::Head => (self.padded + 128 + 2 * self.job.model.classes as u64) * 4,
            Kernel::UpdateHidden => (32 * INPUTS + 32 * TILE) * 4,
            Kernel::UpdateOutput | Kernel::Squares => 256 * 4,
            Kernel::Tally => TALLY * 8,
        }
    }

    /// Iterations of one invocation, all its loops together.
    fn trips(&self, kernel: Kernel) -> u64 {
        let (b, c) = (self.job.batch_size as u64, self.job.model.classes as u64);
        match kernel {
            Kernel::Forward => self.slice / BLOCK * (1 + 2 + BLOCK) + 4,
            Kernel::Head => {
                let units = self.padded.div_ceil(128);
                units * (1 + self.slices) + c.div_ceil(16) * (1 + self.padded.div_ceil(8) + 8) + 3 * c + units * (1 + c)
            }
            Kernel::UpdateHidden => b.div_ceil(32) * (1 + 2 + 32),
            Kernel::UpdateOutput => b.div_ceil(8) + 8,
            Kernel::Tally => 6,
            Kernel::Squares => PART / 256 + 8,
        }
    }

    /// `override` constants of a kernel, for training or for evaluation (where all models see the same images).
    pub fn constants(&self, kernel: Kernel, train: bool) -> Vec<(&'static str, f64)> {
        let ModelSpec { inputs: d, hidden: h, classes: c } = self.job.model;
        let (d, h, c) = (("D", d as f64), ("H", h as f64), ("C", c as f64));
        let m = ("M", self.job.models() as f64);
        let padded = ("HP", self.padded as f64);
        let own = train && self.job.shuffles > 1;
        let batch_columns = ("BATCH_COLUMNS", if own { self.padded } else { self.columns } as f64);
        match kernel {
            Kernel::Forward => vec![d, ("N", self.columns as f64), batch_columns, ("SLICE", self.slice as f64)],
            Kernel::Head => {
                let shuffles = ("SHUFFLES", if own { self.job.shuffles } else { 1 } as f64);
                vec![h, padded, c, m, ("SLICES", self.slices as f64), shuffles, ("TRAIN", f64::from(u8::from(train)))]
            }
            Kernel::UpdateHidden => vec![d, padded, m, batch_columns],
            Kernel::UpdateOutput => vec![h, padded, c, m],
            Kernel::Tally => vec![m],
            Kernel::Squares => vec![],
        }
    }

    /// Constants of `squares` for the weights at `place` in the table of tensors: `W1` or `W2`.
    pub fn squares_constants(&self, place: usize) -> [(&'static str, f64); 4] {
        let ModelSpec { inputs: d, hidden: h, classes: c } = self.job.model;
        let [width, height, stride, step] =
            if place == W1 { [h, d, self.columns as usize, self.padded as usize] } else { [c, h, c, h * c + c + h] };
        [("WIDTH", width as f64), ("HEIGHT", height as f64), ("STRIDE", stride as f64), ("STEP", step as f64)]
    }

    /// Workgroups of `squares` for a model's weights at `place`.
    pub fn squares_parts(&self, place: usize) -> u64 {
        let tensor = tensors(&self.job.model)[place];
        (tensor.len() as u64).div_ceil(PART)
    }

    /// What a dispatch over `rows` images has to do.
    pub fn work(&self, kernel: Kernel, rows: u64, train: bool) -> Work {
        let [d, h, c] = [self.job.model.inputs, self.job.model.hidden, self.job.model.classes].map(|size| size as u64);
        let m = self.job.models() as u64;
        let batches = if train { self.job.shuffles as u64 } else { 1 };
        let learning = u64::from(train);
        // Bytes of the tensors, and operations of a matrix product over the images of all models.
        let images = batches * rows * d + 2 * 4 * d;
        let (w1, small) = (4 * m * d * h, 4 * m * (h * c + c + h));
        let partials = 4 * m * self.slices * rows * h;
        let (hidden, logits, scores) = (4 * m * rows * h, 4 * m * rows * c, 2 * 4 * m * rows);
        let (first, second) = (2 * m * rows * d * h, 2 * m * rows * h * c);
        let (flops, bytes) = match kernel {
            Kernel::Forward => (first, images + w1 + partials),
            Kernel::Head => (
                m * rows * (self.slices + 1) * h + second + 5 * m * rows * c + learning * second,
                partials + small + 4 * batches * rows + scores + learning * (2 * hidden + logits),
            ),
            Kernel::UpdateHidden => (first + 4 * m * d * h, images + hidden + 2 * w1),
            Kernel::UpdateOutput => {
                (second + m * rows * (c + h) + 4 * m * (h * c + c + h), 2 * hidden + logits + scores + 2 * small)
            }
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

    /// Workgroups of a dispatch over `rows` images, for training or for evaluation.
    pub fn grid(&self, kernel: Kernel, rows: u64, train: bool) -> [u32; 3] {
        self.workgroups(kernel, rows, train).map(|groups| groups as u32)
    }

    fn workgroups(&self, kernel: Kernel, rows: u64, train: bool) -> [u64; 3] {
        let [d, h, c] = [self.job.model.inputs, self.job.model.hidden, self.job.model.classes].map(|size| size as u64);
        let m = self.job.models() as u64;
        let own = train && self.job.shuffles > 1;
        let tiles = if own { m * self.padded.div_ceil(TILE) } else { self.columns.div_ceil(TILE) };
        match kernel {
            Kernel::Forward => [tiles, rows.div_ceil(TILE), self.slices],
            Kernel::Head => [rows, m, 1],
            Kernel::UpdateHidden => [tiles, d.div_ceil(INPUTS), 1],
            Kernel::UpdateOutput => [(h * c + c + h + 1).div_ceil(VALUES), m, 1],
            Kernel::Tally => [rows.div_ceil(TALLY), m, 1],
            Kernel::Squares => [(d * h).div_ceil(PART), m, 1],
        }
    }
}

/// Invocations of a workgroup.
fn workgroup(kernel: Kernel) -> u32 {
    match kernel {
        Kernel::Head => 128,
        Kernel::Tally => TALLY as u32,
        _ => 256,
    }
}
