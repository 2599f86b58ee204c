//! What a plan may choose freely.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::tiles::SLICE;
use crate::engine::Job;

/// Most bytes of partial sums by slices: beyond, writing and reading them is taken to cost more than a third stage (at 30
/// models they are 60 MB a step). A guess for adapters that [`crate::gpu::tune`] does not measure.
const FUSED_PARTIALS: u64 = 32 << 20;

/// What may be chosen freely: no result depends on it, only the speed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tuning {
    /// Two dependent dispatches a step, `head` and `update` with the next step's product in it; or three.
    pub fused: bool,
    /// Rows and columns of invocations in a workgroup of `forward`.
    pub threads: (u32, u32),
    /// Columns of an invocation of `forward`, in fours: it has 8 × 4 values or 8 × 8.
    pub quads: u32,
}

impl Tuning {
    /// Those worth trying: 64 × 64 values (16 KiB of workgroup memory, which every adapter has), 104 × 64 (B = 100 with
    /// little waste), 64 × 128 and 128 × 64 (for many models), 32 × 64 (for GPUs with many multiprocessors: thirty models in
    /// 600 workgroups, not 150). Last, 64 × 64 by 8 × 8 values an invocation: a third less of workgroup memory read for a
    /// product, where registers last (Apple's M1 spills 32 of them).
    pub const ALL: [Self; 7] = [
        Self { fused: true, threads: (8, 16), quads: 1 },
        Self { fused: false, threads: (8, 16), quads: 1 },
        Self { fused: false, threads: (13, 16), quads: 1 },
        Self { fused: false, threads: (8, 32), quads: 1 },
        Self { fused: false, threads: (16, 16), quads: 1 },
        Self { fused: false, threads: (4, 16), quads: 1 },
        Self { fused: false, threads: (8, 8), quads: 2 },
    ];

    /// Rows and columns of a workgroup of `forward`.
    pub fn tile(&self) -> (u64, u64) {
        (8 * u64::from(self.threads.0), 4 * u64::from(self.quads) * u64::from(self.threads.1))
    }

    /// The choice without measuring: fused unless its partial sums would be large.
    pub(super) fn default_for(job: &Job) -> Self {
        let units = job.model.hidden.first().copied().unwrap_or(job.model.classes);
        let padded = units.next_multiple_of(4) as u64;
        let slices = (job.model.inputs as u64).div_ceil(SLICE);
        let size = product(&[slices, job.batch_size as u64, job.models() as u64, padded, 4]);
        Self { fused: size.is_some_and(|size| size <= FUSED_PARTIALS), threads: (8, 16), quads: 1 }
    }
}

/// `None` if it passes 2⁶⁴.
pub(super) fn product(factors: &[u64]) -> Option<u64> {
    factors.iter().try_fold(1u64, |product, factor| product.checked_mul(*factor))
}

impl fmt::Display for Tuning {
    /// `fused-8x16`; with 8 × 8 values an invocation `split-8x8-wide`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { fused, threads: (rows, columns), quads } = self;
        let (stages, wide) = (if *fused { "fused" } else { "split" }, if *quads > 1 { "-wide" } else { "" });
        write!(f, "{stages}-{rows}x{columns}{wide}")
    }
}
