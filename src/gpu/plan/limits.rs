//! A plan that an adapter can run: everything is checked before anything is created.

use wgpu::Limits;

use super::sizes::{HEAD_THREADS, Plan};
use super::tiles::{GROUP, PART, SLICE};
use super::tuning::Tuning;
use crate::engine::Job;
use crate::error::{Error, Result};
use crate::gpu::interface::Workgroup;
use crate::gpu::kernels::{Kernel, Use};
use crate::util::text::{bytes, grouped};

/// llvmpipe silently ends an invocation's loops after 65,535 iterations, all its loops together.
const MAX_TRIPS: u64 = 65_535;

impl Plan {
    /// The plan for `job`, checked against `limits`.
    pub fn new(job: &Job, limits: &Limits, software: bool, tuning: Option<Tuning>) -> Result<Self> {
        let tuning = tuning.unwrap_or_else(|| Tuning::default_for(job));
        let overflow = || {
            Error::Usage(format!(
                "{} models of {} at a batch of {} do not fit any memory: use a smaller --hidden or --batch-size",
                job.models(),
                job.model,
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

    fn check(&self, limits: &Limits) -> Result<()> {
        type Words = fn(u64) -> String;
        let within = |needed: u64, most: u64, words: Words, say: &dyn Fn(String, String) -> String| {
            if needed <= most {
                return Ok(());
            }
            let what = say(words(needed), words(most));
            Err(Error::Usage(format!("{what}: use a smaller --hidden or --batch-size, or another --device")))
        };
        let size: Words = |size| bytes(size);
        let hidden = &self.job.model.hidden;
        // Shaders count elements in u32; 2³² bytes keep every index below that.
        let binding = limits.max_storage_buffer_binding_size.min(limits.max_buffer_size).min(u32::MAX.into());
        for (name, taken) in self.sizes.named() {
            let say = |size, most| format!("--hidden {hidden}: {name} would take {size}, the adapter binds {most}");
            within(taken, binding, size, &say)?;
        }
        let dimension = limits.max_compute_workgroups_per_dimension.into();
        within(self.chunk_rows, dimension, grouped, &|rows, most| {
            format!("a step of {rows} images, the adapter allows {most} workgroups in a dimension")
        })?;
        for of in self.uses() {
            let name = of.kernel().name();
            let taken = of.kernel().interface()?.workgroup(&self.constants(of));
            let Workgroup { invocations, memory } =
                taken.ok_or_else(|| Error::Internal(format!("kernel {name}: its workgroup is not understood")))?;
            within(memory, limits.max_compute_workgroup_storage_size.into(), size, &|needed, most| {
                format!("--hidden {hidden}: kernel {name} needs {needed} of workgroup memory, the adapter has {most}")
            })?;
            let most = limits.max_compute_invocations_per_workgroup.into();
            within(invocations, most, |count| count.to_string(), &|needed, most| {
                format!("kernel {name} needs {needed} invocations a workgroup, the adapter has {most}")
            })?;
            let rows = if of.trains() { self.job.batch_size as u64 } else { self.evaluation_rows };
            let groups = self.workgroups(of, rows).into_iter().max().unwrap_or(0);
            within(groups, dimension, grouped, &|groups, most| {
                format!(
                    "--hidden {hidden}: kernel {name} needs {groups} workgroups in a dimension, the adapter allows {most}"
                )
            })?;
            within(self.trips(of, invocations), MAX_TRIPS, grouped, &|trips, most| {
                format!("kernel {name} would loop {trips} times, the most that every driver runs is {most}")
            })?;
        }
        Ok(())
    }

    /// Iterations of one invocation, all its loops together, in a workgroup of `threads`. Counted by hand from the shaders:
    /// their bounds depend on the batch and on the invocation, so the parser does not know them.
    fn trips(&self, of: Use, threads: u64) -> u64 {
        let (b, c) = (self.job.batch_size as u64, self.job.model.classes as u64);
        let last = self.last();
        match of.kernel() {
            Kernel::Forward | Kernel::HiddenForward | Kernel::Backward => {
                let (rows, columns) = (u64::from(self.tuning.threads.0), u64::from(self.tuning.threads.1));
                let quads = u64::from(self.tuning.quads);
                let loads = (16 * rows).div_ceil(threads) * (1 + 8);
                // Of transposed ones a trip brings sixteen, in two loops of four.
                let weights = (32 * columns).div_ceil(threads) * (1 + quads).max(4 * quads);
                let sums = SLICE / 4 * (1 + 4 * (1 + quads)) + 8 * quads;
                GROUP * (1 + loads + weights + sums) + quads * (1 + 8)
            }
            Kernel::Head => {
                let (groups, block) = (last.groups(), self.head_block());
                let loads = (block * groups).div_ceil(threads) * (1 + GROUP);
                let sums = last.padded.div_ceil(block) * (1 + loads + block.div_ceil(threads) * (1 + groups));
                let logits = c.div_ceil(threads / 8) * (1 + last.padded.div_ceil(8) + 8);
                sums + logits + 3 * c + last.padded.div_ceil(threads) * (1 + c)
            }
            Kernel::Activate | Kernel::ActivateBackward => {
                let partials = self.layers.iter().map(|layer| layer.slices).max().unwrap_or(0);
                2 * partials.max(self.layers.iter().map(|layer| layer.units).max().unwrap_or(0).div_ceil(SLICE)) + 4
            }
            Kernel::Update | Kernel::HiddenUpdate => {
                let weights = 32 + b.div_ceil(32) * (1 + 6 + 4 + 16 * (1 + 2)) + b.div_ceil(64) * (1 + SLICE + 12);
                weights.max(b.div_ceil(8) + 8)
            }
            Kernel::Tally => 6,
            Kernel::Squares => PART / 256 + 8,
            Kernel::Gather => 0,
        }
    }
}
