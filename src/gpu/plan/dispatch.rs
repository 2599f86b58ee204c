//! How each kernel is dispatched: `override` constants, workgroups, and what they take.

use super::{GROUP, PART, Plan, SLICE, TALLY};
use crate::gpu::kernels::Kernel;
use crate::model::ModelSpec;
use crate::model::params::{W1, tensors};

/// Columns of a workgroup of `update`.
const COLUMNS: u64 = 64;
/// Small values of a workgroup of `update`.
const VALUES: u64 = 32;
/// Workgroups in the first dimension of `update`'s grid.
const UPDATE_ROW: u64 = 32_768;

/// Slices of a workgroup of `update`: the next step's product has room beside one alone.
const fn update_slices(fused: bool) -> u64 {
    if fused { 1 } else { 2 }
}

impl Plan {
    /// Invocations of a workgroup.
    pub(super) fn workgroup(&self, kernel: Kernel) -> u32 {
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
    pub(super) fn trips(&self, kernel: Kernel) -> u64 {
        let (b, c) = (self.job.batch_size as u64, self.job.model.classes as u64);
        let threads = u64::from(self.workgroup(kernel));
        match kernel {
            Kernel::Forward => {
                let (rows, columns) = (u64::from(self.tuning.threads.0), u64::from(self.tuning.threads.1));
                let loads = (16 * rows).div_ceil(threads) * (1 + 12) + (32 * columns).div_ceil(threads);
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
                let weights = 32 + b.div_ceil(32) * (1 + 6 + 4 + 16 * (1 + 2)) + b.div_ceil(64) * (1 + SLICE + 16);
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

    /// Workgroups of a dispatch over `rows` images, for training or for evaluation; `fused` counts for `update` alone.
    pub fn grid(&self, kernel: Kernel, rows: u64, train: bool, fused: bool) -> [u32; 3] {
        self.workgroups(kernel, rows, train, fused).map(|groups| groups as u32)
    }

    pub(super) fn workgroups(&self, kernel: Kernel, rows: u64, train: bool, fused: bool) -> [u64; 3] {
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
