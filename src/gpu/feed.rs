//! The streamed feed: the host gathers the rows of chunk k + 1 and hands them to the driver while the GPU runs chunk k.

use std::sync::Arc;

use rayon::prelude::*;

use super::buffer;
use super::context::Gpu;
use super::plan::Plan;
use super::recorder::Phase;
use crate::data::Dataset;
use crate::error::Result;

/// Rows that one thread gathers at a time: 200 KB, about 20 µs.
const PIECE: usize = 64;

/// What a chunk of steps reads. Two take turns.
#[derive(Debug)]
pub struct Slot {
    /// `[rows of the chunk, ⌈D/4⌉]`, 4 pixels each.
    pub pixels: wgpu::Buffer,
    /// `[rows of the chunk]`.
    pub labels: wgpu::Buffer,
    /// Learning rates `[steps of the chunk, M]`.
    pub rates: wgpu::Buffer,
    submission: Option<wgpu::SubmissionIndex>,
}

impl Slot {
    /// Its buffers, sized for the plan's largest chunk.
    pub fn new(gpu: &Gpu, plan: &Plan) -> Result<Self> {
        Ok(Self {
            pixels: buffer(gpu, "pixels", plan.sizes.pixels)?,
            labels: buffer(gpu, "labels", plan.sizes.labels)?,
            rates: buffer(gpu, "rates", plan.sizes.rates)?,
            submission: None,
        })
    }

    /// Remembers what the GPU must finish before the slot can be filled again.
    pub fn used_by(&mut self, submission: wgpu::SubmissionIndex) {
        self.submission = Some(submission);
    }

    /// Waits for the last user of the slot, then uploads `rows` of the data set. `bytes` is scratch memory.
    pub fn fill(
        &mut self,
        gpu: &Gpu,
        dataset: &Dataset,
        rows: &[u32],
        rates: &[f32],
        bytes: &mut Vec<u8>,
    ) -> Result<()> {
        let row_bytes = dataset.inputs.next_multiple_of(4);
        bytes.resize(rows.len() * row_bytes, 0);
        let mut labels = Vec::with_capacity(rows.len());
        gpu.recorder.phase(Phase::Gather, || {
            labels.extend(rows.iter().map(|row| u32::from(dataset.labels[*row as usize])));
            rows.par_chunks(PIECE).zip(bytes.par_chunks_mut(PIECE * row_bytes)).try_for_each(|(rows, bytes)| {
                if row_bytes == dataset.inputs {
                    return dataset.gather(rows, bytes);
                }
                let mut padded = bytes.chunks_exact_mut(row_bytes);
                rows.iter()
                    .zip(&mut padded)
                    .try_for_each(|(row, out)| dataset.gather(&[*row], &mut out[..dataset.inputs]))
            })
        })?;
        if let Some(submission) = self.submission.take() {
            gpu.wait(Some(&submission))?;
        }
        gpu.recorder.phase(Phase::Upload, || {
            gpu.queue.write_buffer(&self.pixels, 0, bytes);
            gpu.queue.write_buffer(&self.labels, 0, bytemuck::cast_slice(&labels));
            gpu.queue.write_buffer(&self.rates, 0, bytemuck::cast_slice(rates));
        });
        gpu.check()
    }
}

/// The data set and two slots to stream it through.
pub struct Feed {
    /// The images.
    pub dataset: Arc<Dataset>,
    slots: [Slot; 2],
    bytes: Vec<u8>,
    next: usize,
}

impl Feed {
    /// A feed of `dataset` with two empty slots.
    pub fn new(gpu: &Gpu, plan: &Plan, dataset: Arc<Dataset>) -> Result<Self> {
        Ok(Self { dataset, slots: [Slot::new(gpu, plan)?, Slot::new(gpu, plan)?], bytes: Vec::new(), next: 0 })
    }

    /// Both slots, to bind them.
    pub fn slots(&self) -> &[Slot; 2] {
        &self.slots
    }

    /// Uploads a chunk's rows and learning rates; returns the slot's place.
    pub fn fill(&mut self, gpu: &Gpu, rows: &[u32], rates: &[f32]) -> Result<usize> {
        let slot = self.next;
        self.next = 1 - slot;
        self.slots[slot].fill(gpu, &self.dataset, rows, rates, &mut self.bytes)?;
        Ok(slot)
    }

    /// Remembers what the GPU must finish before slot `slot` can be filled again.
    pub fn used_by(&mut self, slot: usize, submission: wgpu::SubmissionIndex) {
        self.slots[slot].used_by(submission);
    }
}
