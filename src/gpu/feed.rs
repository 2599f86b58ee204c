//! How images reach the kernels: streamed from the host, or resident on the GPU. The kernels see no difference: either
//! way a chunk's pixels lie in a slot, in the order of its rows.

use std::sync::Arc;

use rayon::prelude::*;

use super::context::Gpu;
use super::plan::Plan;
use super::recorder::Phase;
use crate::config::spec;
use crate::data::{Dataset, Images, Mix, Move};
use crate::error::{Error, Result};
use crate::model::regularise::Target;
use crate::util::text::bytes;

/// Rows that one thread gathers at a time: 200 KB, about 20 µs.
const PIECE: usize = 64;
/// Most bytes of images that `auto` keeps on a GPU: CIFAR-10 has 184 MB, and the smallest GPUs in use have 2 GB.
const RESIDENT: u64 = 512 << 20;
/// Rows of a piece of the upload of resident images: 25 MB of CIFAR-10, so that the driver's copies stay small.
const UPLOAD: usize = 8192;

/// What a chunk of steps reads. Two take turns: the host fills one while the GPU works on the other.
#[derive(Debug)]
pub struct Slot {
    /// `[rows of the chunk, ⌈D/4⌉]`, 4 pixels each.
    pub pixels: wgpu::Buffer,
    /// Rows of the data set, `[rows of the chunk]`, for resident images.
    pub rows: wgpu::Buffer,
    /// How these are moved, [`Move::word`], and of what each is mixed with the row, the move and the share, `[rows of the
    /// chunk, 4]`.
    pub changes: wgpu::Buffer,
    /// What a step teaches of them, [`crate::model::regularise::Target::word`], `[rows of the chunk]`.
    pub targets: wgpu::Buffer,
    /// Learning rates, decays and the keys of masks, all as words, `[steps of the chunk, M, 4]`.
    pub rates: wgpu::Buffer,
    /// What the GPU must finish before the slot can be filled again.
    pub submission: Option<wgpu::SubmissionIndex>,
}

/// Some of the images on the GPU: as many as a binding holds.
#[derive(Debug)]
pub struct Part {
    /// `[count, ⌈D/4⌉]`, 4 pixels each.
    pub images: wgpu::Buffer,
    /// The first one's row in the data set.
    pub first: u32,
    /// How many.
    pub count: u32,
}

/// The data set, two slots, and perhaps all its images on the GPU.
pub struct Feed {
    dataset: Arc<Dataset>,
    /// Filled by turns.
    pub slots: [Slot; 2],
    /// The images on the GPU; empty if they are streamed.
    pub parts: Vec<Part>,
    bytes: Vec<u8>,
    next: usize,
}

impl Feed {
    /// A feed of `dataset`. Where memory does not suffice for resident images, `auto` streams.
    pub fn new(gpu: &Gpu, plan: &Plan, dataset: Arc<Dataset>, kind: spec::Feed) -> Result<Self> {
        let size = dataset.labels.len() as u64 * 4 * plan.words();
        let (mixes, split) = (plan.job.regularise.mixup > 0.0, size > most_of(gpu));
        let parts = match kind {
            // An image and what it is mixed with may lie in different ones.
            spec::Feed::Resident if split && mixes => {
                return Err(Error::Usage(format!(
                    "--feed resident with --mixup: the images take {}, and a buffer of this adapter has at most {}: use --feed \
                     stream",
                    bytes(size),
                    bytes(most_of(gpu))
                )));
            }
            spec::Feed::Stream => vec![],
            spec::Feed::Resident => upload(gpu, plan, &dataset)?,
            spec::Feed::Auto if gpu.is_software() || size > RESIDENT || split && mixes => vec![],
            spec::Feed::Auto => match upload(gpu, plan, &dataset) {
                Err(Error::Gpu(_)) => gpu.check().map(|()| vec![])?,
                other => other?,
            },
        };
        let rows = if parts.is_empty() { 4 } else { 4 * plan.chunk_rows };
        let slot = || -> Result<Slot> {
            Ok(Slot {
                pixels: gpu.buffer("pixels", plan.sizes.pixels)?,
                rows: gpu.buffer("rows", rows)?,
                changes: gpu.buffer("changes", if parts.is_empty() { 16 } else { plan.sizes.changes })?,
                targets: gpu.buffer("targets", plan.sizes.targets)?,
                rates: gpu.buffer("rates", plan.sizes.rates)?,
                submission: None,
            })
        };
        Ok(Self { dataset, slots: [slot()?, slot()?], parts, bytes: Vec::new(), next: 0 })
    }

    /// Uploads a chunk's rows and changes (if streamed, the pixels), targets, and `rates`; returns the slot's place. Waits only
    /// for the slot's last user, the chunk before the one that runs.
    pub fn fill(&mut self, gpu: &Gpu, images: Images<'_>, rates: &[[u32; 4]]) -> Result<usize> {
        let Self { dataset, slots, parts, bytes, next } = self;
        let place = *next;
        *next = 1 - place;
        let slot = &mut slots[place];
        let mut targets = Vec::new();
        gpu.recorder.phase(Phase::Gather, || {
            targets = dataset.targets(images).map(Target::word).collect();
            if parts.is_empty() {
                gather(dataset, images, bytes);
            }
        });
        if let Some(submission) = slot.submission.take() {
            gpu.wait(&submission)?;
        }
        gpu.recorder.phase(Phase::Upload, || {
            if parts.is_empty() {
                gpu.queue.write_buffer(&slot.pixels, 0, bytes);
            } else {
                let change = |(_, by, mix): (_, Move, Mix)| [by.word(), mix.row, mix.by.word(), mix.share.into()];
                let changes: Vec<[u32; 4]> = images.iter().map(change).collect();
                gpu.queue.write_buffer(&slot.rows, 0, bytemuck::cast_slice(images.rows));
                gpu.queue.write_buffer(&slot.changes, 0, bytemuck::cast_slice(&changes));
            }
            gpu.queue.write_buffer(&slot.targets, 0, bytemuck::cast_slice(&targets));
            gpu.queue.write_buffer(&slot.rates, 0, bytemuck::cast_slice(rates));
        });
        gpu.check()?;
        Ok(place)
    }
}

/// The pixels of `images`, each padded to whole words.
fn gather(dataset: &Dataset, images: Images<'_>, bytes: &mut Vec<u8>) {
    let row_bytes = dataset.inputs.next_multiple_of(4);
    bytes.resize(images.len() * row_bytes, 0);
    images.par_chunks(PIECE).zip(bytes.par_chunks_mut(PIECE * row_bytes)).for_each(|(images, bytes)| {
        if row_bytes == dataset.inputs {
            return dataset.gather(images, bytes);
        }
        for (image, out) in images.chunks(1).zip(bytes.chunks_exact_mut(row_bytes)) {
            dataset.gather(image, &mut out[..dataset.inputs]);
        }
    });
}

/// Most bytes of images in a buffer.
fn most_of(gpu: &Gpu) -> u64 {
    gpu.limits.max_storage_buffer_binding_size.min(gpu.limits.max_buffer_size).min(u32::MAX.into())
}

/// Brings all images to the GPU, in as many buffers as its bindings' limit asks for.
fn upload(gpu: &Gpu, plan: &Plan, dataset: &Dataset) -> Result<Vec<Part>> {
    let row_bytes = 4 * plan.words();
    let most = most_of(gpu);
    let all: Vec<u32> = (0..dataset.labels.len() as u32).collect();
    let mut bytes = Vec::new();
    let mut parts = Vec::new();
    for rows in all.chunks((most / row_bytes).max(1) as usize) {
        let images = gpu.buffer("images", rows.len() as u64 * row_bytes)?;
        for (piece, rows) in rows.chunks(UPLOAD).enumerate() {
            gather(dataset, rows.into(), &mut bytes);
            gpu.queue.write_buffer(&images, (piece * UPLOAD) as u64 * row_bytes, &bytes);
            // Otherwise the driver would hold a copy of all of them until the first step.
            gpu.finish([])?;
        }
        parts.push(Part { images, first: rows[0], count: rows.len() as u32 });
    }
    Ok(parts)
}
