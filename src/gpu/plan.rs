//! What a job needs of an adapter: sizes, grids and constants, worked out and checked before anything is created.

use wgpu::Limits;

use crate::engine::Job;
use crate::error::{Error, Result};
use crate::kernels::Kernel;
use crate::params::{W1, tensors};
use crate::spec::{ModelSpec, bytes, grouped};

pub use tuning::Tuning;

mod tuning;

/// Inputs of a slice, whose products are summed one after another.
pub const SLICE: u64 = 32;
/// Slices of a group. Slices, groups and their order depend on `D` alone, never on `M`, `H` or `B`.
pub const GROUP: u64 = 16;
/// Most hidden units that `head` sums at a time.
const HEAD_BLOCK: u64 = 64;
/// Invocations of a workgroup of `head`: many models, which fill a GPU in any case; few, where 52 units in 6 groups are then
/// summed at once.
const HEAD_THREADS: (u32, u32) = (128, 320);
/// Columns of a workgroup of `update`.
const COLUMNS: u64 = 64;
/// Slices of a workgroup of `update`, as [`Plan::constants`] has it.
const fn update_slices(fused: bool) -> u64 {
    if fused { 1 } else { 2 }
}

/// Small values of a workgroup of `update`.
const VALUES: u64 = 32;
/// Workgroups in the first dimension of `update`'s grid.
const UPDATE_ROW: u64 = 32_768;
/// Images of a workgroup of `tally`.
pub const TALLY: u64 = 64;
/// Elements of a workgroup of `squares`.
pub const PART: u64 = 4096;
/// Most bytes of partial sums by groups of an evaluated batch, unless a single group of images has more.
const EVALUATION_PARTIALS: u64 = 32 << 20;
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
    fn named(&self) -> [(&'static str, u64); 13] {
        [
            ("pixels", self.pixels),
            ("labels", self.labels),
            ("rates", self.rates),
            ("standardisation", self.standardisation),
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
    /// The plan for `job`, checked against `limits`.
    ///
    /// # Errors
    ///
    /// [`Error::Usage`] says what would be needed and what the adapter allows.
    pub fn new(job: &Job, limits: &Limits, software: bool, tuning: Option<Tuning>) -> Result<Self> {
        let tuning = tuning.unwrap_or_else(|| Tuning::default_for(job));
        let overflow = || {
            let ModelSpec { inputs, hidden, classes } = job.model;
            Error::Usage(format!(
                "{} models of {inputs} → {hidden} → {classes} at a batch of {} do not fit any memory: use a smaller \
                 --hidden or --batch-size",
                job.models(),
                job.batch_size
            ))
        };
        let mut plan = Self::sized(job, software, tuning).ok_or_else(overflow)?;
        if tuning.fused && limits.max_compute_invocations_per_workgroup >= HEAD_THREADS.1 {
            plan.head_threads = HEAD_THREADS.1;
        }
        plan.check(limits)?;
        Ok(plan)
    }

    /// Sizes in checked arithmetic; `None` where one passes 2⁶⁴.
    fn sized(job: &Job, software: bool, tuning: Tuning) -> Option<Self> {
        let product = |factors: &[u64]| factors.iter().try_fold(1u64, |product, factor| product.checked_mul(*factor));
        let [d, h, c] = [job.model.inputs, job.model.hidden, job.model.classes].map(|size| size as u64);
        let (m, b, g) = (job.models() as u64, job.batch_size as u64, job.shuffles as u64);
        let row_bytes = d.div_ceil(4) * 4;
        let padded = h.checked_next_multiple_of(4)?;
        let columns = product(&[m, padded])?;
        let slices = d.div_ceil(SLICE);
        let groups = slices.div_ceil(GROUP);

        let row_partials = product(&[groups, columns, 4])?;
        let evaluation_rows = (EVALUATION_PARTIALS / row_partials).clamp(TALLY, 4096) / TALLY * TALLY;
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
            dlogits: product(&[b, m, c.checked_add(1)?, 4])?,
            scores: product(&[rows, m, 8])?,
            losses: product(&[LOSSES, m, 4])?,
            tallies: product(&[TALLIES, m, 8])?,
            squares: product(&[m, product(&[d.max(c), h])?.div_ceil(PART), 4])?,
        };
        let job = job.clone();
        let head_threads = HEAD_THREADS.0;
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

    fn check(&self, limits: &Limits) -> Result<()> {
        let refuse = |what: String| {
            Err(Error::Usage(format!("{what}: use a smaller --hidden or --batch-size, or another --device")))
        };
        let hidden = self.job.model.hidden;
        // Shaders count elements in u32; 2³² bytes keep every index below that.
        let most = limits.max_storage_buffer_binding_size.min(limits.max_buffer_size).min(u32::MAX.into());
        for (name, size) in self.sizes.named() {
            if size > most {
                let (size, most) = (bytes(size.into()), bytes(most.into()));
                return refuse(format!("--hidden {hidden}: {name} would take {size}, the adapter binds {most}"));
            }
        }
        let dimension = u64::from(limits.max_compute_workgroups_per_dimension);
        if self.chunk_rows > dimension {
            let (rows, dimension) = (grouped(self.chunk_rows), grouped(dimension));
            return refuse(format!(
                "a step of {rows} images, the adapter allows {dimension} workgroups in a dimension"
            ));
        }
        for kernel in Kernel::ALL {
            let name = kernel.name();
            let memory = self.workgroup_memory(kernel);
            if memory > limits.max_compute_workgroup_storage_size.into() {
                let (needed, allowed) = (bytes(memory.into()), bytes(limits.max_compute_workgroup_storage_size.into()));
                return refuse(format!(
                    "--hidden {hidden}: kernel {name} needs {needed} of workgroup memory, the adapter has {allowed}"
                ));
            }
            let (threads, allowed) = (self.workgroup(kernel), limits.max_compute_invocations_per_workgroup);
            if threads > allowed {
                return refuse(format!(
                    "kernel {name} needs {threads} invocations a workgroup, the adapter has {allowed}"
                ));
            }
            let grids = [(true, self.job.batch_size as u64), (false, self.evaluation_rows)];
            let most = grids.into_iter().flat_map(|(train, rows)| self.workgroups(kernel, rows, train, true)).max();
            if let Some(groups) = most.filter(|groups| *groups > dimension) {
                return refuse(format!(
                    "--hidden {hidden}: kernel {name} needs {} workgroups in a dimension, the adapter allows {}",
                    grouped(groups),
                    grouped(dimension)
                ));
            }
            let trips = self.trips(kernel);
            if trips > MAX_TRIPS {
                return refuse(format!(
                    "kernel {name} would loop {} times, the most that every driver runs is {}",
                    grouped(trips),
                    grouped(MAX_TRIPS)
                ));
            }
        }
        Ok(())
    }

    /// Hidden units that `head` sums at a time.
    fn head_block(&self) -> u64 {
        self.padded.min(HEAD_BLOCK)
    }

    /// Groups of slices.
    fn groups(&self) -> u64 {
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
    fn own_batches(&self, train: bool) -> bool {
        train && self.job.shuffles > 1
    }

    /// Invocations of a workgroup.
    fn workgroup(&self, kernel: Kernel) -> u32 {
        match kernel {
            Kernel::Forward => self.tuning.threads.0 * self.tuning.threads.1,
            Kernel::Head => self.head_threads,
            Kernel::Tally => TALLY as u32,
            Kernel::Update | Kernel::Squares | Kernel::Gather => 256,
        }
    }

    /// Bytes of workgroup memory, as declared in the shader.
    pub fn workgroup_memory(&self, kernel: Kernel) -> u64 {
        let (rows, columns) = self.tuning.threads;
        match kernel {
            Kernel::Forward => (64 * u64::from(rows) + 32 * u64::from(columns)) * 16,
            Kernel::Head => {
                let classes = self.job.model.classes as u64;
                4 * (self.head_block() * self.groups() + self.padded + u64::from(self.head_threads) + 2 * classes)
            }
            Kernel::Update => 1024 * 16,
            Kernel::Squares => 256 * 4,
            Kernel::Tally => TALLY * 8,
            Kernel::Gather => 0,
        }
    }

    /// Iterations of one invocation, all its loops together.
    fn trips(&self, kernel: Kernel) -> u64 {
        let (b, c) = (self.job.batch_size as u64, self.job.model.classes as u64);
        let threads = u64::from(self.workgroup(kernel));
        match kernel {
            Kernel::Forward => {
                let (rows, columns) = (u64::from(self.tuning.threads.0), u64::from(self.tuning.threads.1));
                let loads = (16 * rows).div_ceil(threads) + (32 * columns).div_ceil(threads);
                GROUP * (1 + loads + SLICE + 8) + 8
            }
            Kernel::Head => {
                let (groups, block) = (self.groups(), self.head_block());
                let loads = (block * groups).div_ceil(threads) * (1 + GROUP);
                let sums = self.padded.div_ceil(block) * (1 + loads + block.div_ceil(threads) * (1 + groups));
                let logits = c.div_ceil(threads / 8) * (1 + self.padded.div_ceil(8) + 8);
                sums + logits + 3 * c + self.padded.div_ceil(threads) * (1 + c)
            }
            Kernel::Update => {
                let weights = 32 + b.div_ceil(32) * (1 + 4 + 16 * (1 + 2) + 4) + b.div_ceil(64) * (1 + SLICE + 8);
                weights.max(b.div_ceil(8) + 8)
            }
            Kernel::Tally => 6,
            Kernel::Squares => PART / 256 + 8,
            Kernel::Gather => 0,
        }
    }

    /// `override` constants of a kernel, for training or for evaluation; `fused` counts for `update` alone.
    pub fn constants(&self, kernel: Kernel, train: bool, fused: bool) -> Vec<(&'static str, f64)> {
        let ModelSpec { inputs: d, hidden: h, classes: c } = self.job.model;
        let (d, h, c) = (("D", d as f64), ("H", h as f64), ("C", c as f64));
        let m = ("M", self.job.models() as f64);
        let padded = ("HP", self.padded as f64);
        let own = self.own_batches(train);
        let batch_columns = ("BATCH_COLUMNS", if own { self.padded } else { self.columns } as f64);
        let group = self.slices_of_a_partial(train);
        match kernel {
            Kernel::Forward => vec![
                d,
                ("N", self.columns as f64),
                batch_columns,
                ("GROUP", group as f64),
                ("THREAD_ROWS", self.tuning.threads.0.into()),
                ("THREAD_COLUMNS", self.tuning.threads.1.into()),
                ("WORKGROUP", self.workgroup(kernel).into()),
            ],
            Kernel::Head => vec![
                h,
                padded,
                c,
                m,
                ("PARTIALS", self.partials(train) as f64),
                ("GROUP", (GROUP / group) as f64),
                ("GROUPS", self.groups() as f64),
                ("SHUFFLES", if own { self.job.shuffles } else { 1 } as f64),
                ("TRAIN", f64::from(u8::from(train))),
                ("BLOCK", self.head_block() as f64),
                ("WORKGROUP", self.head_threads.into()),
            ],
            Kernel::Update => {
                let slices = ("SLICES", update_slices(fused) as f64);
                vec![d, h, padded, c, m, batch_columns, ("FUSED", f64::from(u8::from(fused))), slices]
            }
            Kernel::Tally => vec![m],
            Kernel::Squares | Kernel::Gather => vec![],
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

    /// Words of an image, four pixels each.
    pub fn words(&self) -> u64 {
        (self.job.model.inputs as u64).div_ceil(4)
    }

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
                partials(rows) + small + 4 * batches * rows + scores + learning * (2 * hidden + logits),
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

    /// Workgroups of a dispatch over `rows` images, for training or for evaluation; `fused` counts for `update` alone.
    pub fn grid(&self, kernel: Kernel, rows: u64, train: bool, fused: bool) -> [u32; 3] {
        self.workgroups(kernel, rows, train, fused).map(|groups| groups as u32)
    }

    fn workgroups(&self, kernel: Kernel, rows: u64, train: bool, fused: bool) -> [u64; 3] {
        let [d, h, c] = [self.job.model.inputs, self.job.model.hidden, self.job.model.classes].map(|size| size as u64);
        let m = self.job.models() as u64;
        // With a batch a model, tiles do not cross models.
        let tiles = |width: u64| {
            if self.own_batches(train) { m * self.padded.div_ceil(width) } else { self.columns.div_ceil(width) }
        };
        match kernel {
            Kernel::Forward => {
                let (thread_rows, thread_columns) = self.tuning.threads;
                let (height, width) = (8 * u64::from(thread_rows), 4 * u64::from(thread_columns));
                [tiles(width), rows.div_ceil(height), self.partials(train)]
            }
            Kernel::Head => [rows, m, 1],
            Kernel::Update => {
                let slices = self.slices.div_ceil(update_slices(fused));
                let total = tiles(COLUMNS) * slices + m * (h * c + c + h + 1).div_ceil(VALUES);
                [total.min(UPDATE_ROW), total.div_ceil(UPDATE_ROW), 1]
            }
            Kernel::Tally => [rows.div_ceil(TALLY), m, 1],
            Kernel::Squares => [(d * h).div_ceil(PART), m, 1],
            Kernel::Gather => [rows, self.words().div_ceil(256), 1],
        }
    }
}
