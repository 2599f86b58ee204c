//! The GPU engine: every product, activation, gradient and update as WGSL compute, through wgpu.
//!
//! A step is two dependent dispatches, `head` and `update`, the latter with the first layer's product of the next step in
//! it; or three (`forward`, `head`, `update`) where the product is large, see [`plan::Tuning`]. A chunk of steps is one
//! submission of one compute pass; what it needs (pixels, labels, learning rates) is uploaded before it starts, and nothing
//! is read back until somebody asks for losses, sums or weights.
//!
//! **Not yet measured on a GPU.** Predicted for an H100 (132 multiprocessors at 1.75 GHz, a dependent dispatch 2.4 µs, a round
//! trip to its L2 cache 330 cycles) from what NVIDIA's compiler makes of a transliteration to CUDA (`sm_90`; registers, order
//! of loads and instructions are real, cycles are counted on paper):
//!
//! | version, 2026-11 | M = 1, two stages | M = 30, three stages |
//! |---|---|---|
//! | 23rd: inputs made as they are loaded, all blocks whole | 12 µs | 115 µs: forward 50, update 48 and its small values 5 |
//! | 24th: what is computed now; transliterated before it was put into several files | 8 to 10 µs: head 1.5, update 3 to 4, two launches | 80 to 90 µs: forward 37 to 41, update 33, head 6 |
//!
//! What the compiled code taught: a load that is used in its branch is waited for there, one after another, so raw words stay
//! in registers; loops of constant length over single numbers send out all their loads, over vec4 only two to four;
//! workgroups with little to do go first, or they are what still runs at the end; three reads of workgroup memory for 32
//! multiplications keep pace with the arithmetic, two for 16 do not. On llvmpipe, 2 cores: 14 to 26 ms a step.
//!
//! On the GPU the models' hidden units stand side by side, each model padded to a multiple of four: `W1 [D, M·HP]`.

mod cache;
mod context;
mod feed;
pub mod kernel;
pub mod kernels;
pub mod plan;
pub mod recorder;
pub mod tune;
pub mod waves;

use std::sync::Arc;

use rayon::prelude::*;

pub use context::{AdapterInfo, Gpu, is_polling, list};

use crate::data::{Dataset, Standardisation};
use crate::engine::{Chunk, Engine, Job, Tally};
use crate::error::Result;
use crate::gpu::kernels::{Kernel, Shaders, Step};
use crate::model::params::{B1, B2, Params, W1, W2};
use feed::Feed;
use kernel::Pipeline;
use plan::{LOSSES, Plan, TALLIES, TALLY, Tuning};
use recorder::Pass;

/// A storage buffer that can be written from the host and read back.
pub(crate) fn buffer(gpu: &Gpu, label: &'static str, size: u64) -> Result<wgpu::Buffer> {
    gpu.recorder.made(label, size);
    gpu.scoped(label, || {
        gpu.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some(label),
            size,
            usage: wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_DST | wgpu::BufferUsages::COPY_SRC,
            mapped_at_creation: false,
        })
    })
}

/// A kernel with its bindings for each slot of the feed, or the same ones for both.
struct Bound {
    kernel: Kernel,
    train: bool,
    fused: bool,
    pipeline: Pipeline,
    bindings: Vec<wgpu::BindGroup>,
}

/// Kernels of training, whether they train, whether they are fused; then those of evaluation. A driver may take tens of
/// milliseconds for each that it does not remember, so they are compiled at once, while the images are uploaded.
const USES: [(Kernel, bool, bool); 7] = [
    (Kernel::Forward, true, false),
    (Kernel::Head, true, false),
    (Kernel::Update, true, false),
    (Kernel::Update, true, true),
    (Kernel::Forward, false, false),
    (Kernel::Head, false, false),
    (Kernel::Tally, false, false),
];

/// What may be asked of an engine beyond its job. No right result depends on it.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// How images reach it.
    pub feed: crate::config::spec::Feed,
    /// How it is cut to the adapter; by default as the plan thinks best.
    pub tuning: Option<Tuning>,
    /// The built-in shaders, or wrong ones, to see whether checks catch them.
    pub shaders: Shaders,
}

/// Trains `M` models of one shape on a GPU.
pub struct GpuEngine {
    gpu: Arc<Gpu>,
    plan: Plan,
    feed: Feed,
    w1: wgpu::Buffer,
    small: wgpu::Buffer,
    losses: wgpu::Buffer,
    tallies: wgpu::Buffer,
    /// After an evaluated batch, its logits.
    dlogits: wgpu::Buffer,
    squares: [wgpu::Buffer; 2],
    /// One a part of the resident images.
    gather: Vec<Bound>,
    forward: Bound,
    head: Bound,
    update: Bound,
    /// `update` with the next step's product.
    fused: Bound,
    /// `forward`, `head` without gradients, `tally`.
    evaluation: [Bound; 3],
    /// `squares` of W1 and of W2, and their parts.
    penalty: [(Bound, u64); 2],
    /// Losses already read back.
    read: Vec<f32>,
    /// Steps whose losses are still on the GPU.
    pending: u64,
}

impl GpuEngine {
    /// An engine for `job` on `gpu`, its weights zero until [`Engine::load`].
    ///
    /// # Errors
    ///
    /// [`crate::error::Error::Usage`] for a job that does not fit the adapter's limits, [`crate::error::Error::Gpu`] when
    /// its memory does not suffice.
    pub fn new(
        gpu: Arc<Gpu>,
        job: &Job,
        dataset: Arc<Dataset>,
        standardisation: &Standardisation,
        options: &Options,
    ) -> Result<Self> {
        let plan = Plan::new(job, &gpu.limits, gpu.is_software(), options.tuning)?;
        let sizes = &plan.sizes;
        let compile = |kernel, constants: &[(&str, f64)]| Pipeline::new(&gpu, &options.shaders, kernel, constants);
        let compiled = |(kernel, train, fused)| compile(kernel, &plan.constants(kernel, train, fused));
        let (feed, pipelines) = rayon::join(
            || Feed::new(&gpu, &plan, dataset, options.feed),
            || USES.into_par_iter().map(compiled).collect::<Result<Vec<_>>>(),
        );
        let feed = feed?;
        let [w1, small, losses, tallies] = [
            buffer(&gpu, "W1", sizes.w1)?,
            buffer(&gpu, "W2, b2, b1", sizes.small)?,
            buffer(&gpu, "losses", sizes.losses)?,
            buffer(&gpu, "tallies", sizes.tallies)?,
        ];
        let squares = [buffer(&gpu, "squares of W1", sizes.squares)?, buffer(&gpu, "squares of W2", sizes.squares)?];
        let partials = buffer(&gpu, "partial sums", sizes.partials)?;
        let hidden = buffer(&gpu, "hidden", sizes.hidden)?;
        let dhidden = buffer(&gpu, "dhidden", sizes.hidden)?;
        let dlogits = buffer(&gpu, "dlogits", sizes.dlogits)?;
        let scores = buffer(&gpu, "scores", sizes.scores)?;
        let standard = buffer(&gpu, "standardisation", sizes.standardisation)?;
        gpu.queue.write_buffer(&standard, 0, bytemuck::cast_slice(&standardisation.padded()));

        // Bindings that differ by slot: `buffers` are in the order of the kernel's bindings.
        let bound = |((kernel, train, fused), pipeline): (_, Pipeline)| -> Result<Bound> {
            let bindings = feed.slots().iter().map(|slot| {
                let buffers: Vec<&wgpu::Buffer> = match kernel {
                    Kernel::Forward => vec![&slot.pixels, &standard, &w1, &partials],
                    Kernel::Head => vec![&partials, &small, &slot.labels, &hidden, &dhidden, &dlogits, &scores],
                    Kernel::Update => vec![
                        &slot.pixels,
                        &standard,
                        &hidden,
                        &dhidden,
                        &dlogits,
                        &slot.rates,
                        &w1,
                        &small,
                        &losses,
                        &partials,
                    ],
                    Kernel::Tally => vec![&scores, &tallies],
                    Kernel::Squares | Kernel::Gather => unreachable!("bound below, to other buffers"),
                };
                pipeline.bind(&gpu, &buffers)
            });
            let bindings = bindings.collect::<Result<_>>()?;
            Ok(Bound { kernel, train, fused, pipeline, bindings })
        };
        let bounds: Vec<Bound> = USES.into_iter().zip(pipelines?).map(bound).collect::<Result<_>>()?;
        let Ok([forward, head, update, fused, evaluated, scored, tallied]) = <[Bound; USES.len()]>::try_from(bounds)
        else {
            unreachable!("one a use")
        };
        let evaluation = [evaluated, scored, tallied];

        let fixed = |kernel, pipeline, bindings| Bound { kernel, train: false, fused: false, pipeline, bindings };
        let gather = feed.parts().iter().map(|part| {
            let constants =
                [("WORDS", plan.words() as f64), ("FIRST", part.first.into()), ("COUNT", part.count.into())];
            let pipeline = compile(Kernel::Gather, &constants)?;
            let slots = feed.slots().iter();
            let bindings = slots.map(|slot| pipeline.bind(&gpu, &[&part.images, &slot.rows, &slot.pixels]));
            let bindings = bindings.collect::<Result<_>>()?;
            Ok(fixed(Kernel::Gather, pipeline, bindings))
        });
        let gather = gather.collect::<Result<_>>()?;
        let squared = |matrix: &wgpu::Buffer, sums: &wgpu::Buffer, place: usize| -> Result<(Bound, u64)> {
            let pipeline = compile(Kernel::Squares, &plan.squares_constants(place))?;
            let bindings = vec![pipeline.bind(&gpu, &[matrix, sums])?];
            Ok((fixed(Kernel::Squares, pipeline, bindings), plan.squares_parts(place)))
        };
        let penalty = [squared(&w1, &squares[0], W1)?, squared(&small, &squares[1], W2)?];

        gpu.check()?;
        let (read, pending) = (vec![], 0);
        Ok(Self {
            gpu,
            plan,
            feed,
            w1,
            small,
            losses,
            tallies,
            dlogits,
            squares,
            gather,
            forward,
            head,
            update,
            fused,
            evaluation,
            penalty,
            read,
            pending,
        })
    }

    /// How the job runs here.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    fn dispatch(&self, pass: &mut Pass<'_>, bound: &Bound, slot: usize, step: &Step) {
        let grid = self.plan.grid(bound.kernel, step.rows.into(), bound.train, bound.fused);
        let next = if bound.fused { step.next_rows.into() } else { 0 };
        let work = || self.plan.work(bound.kernel, step.rows.into(), bound.train, next);
        pass.dispatch(&bound.pipeline, &bound.bindings[slot], step, grid, work);
    }

    /// Resident images: copies a chunk's `rows` into its slot.
    fn gather(&self, pass: &mut Pass<'_>, slot: usize, rows: u32) {
        for bound in &self.gather {
            self.dispatch(pass, bound, slot, &Step { rows, ..Step::default() });
        }
    }

    /// Brings the losses that are still on the GPU to the host.
    fn read_losses(&mut self) -> Result<()> {
        if self.pending > 0 {
            let size = self.pending * self.plan.job.models() as u64 * 4;
            self.read.extend_from_slice(&floats(&self.gpu.read(&self.losses, size)?));
            self.pending = 0;
        }
        Ok(())
    }
}

impl Engine for GpuEngine {
    fn describe(&self) -> String {
        let images = if self.feed.parts().is_empty() { "streamed" } else { "resident" };
        format!("{}, images {images}, {}", self.gpu.describe(), self.plan.tuning)
    }

    fn job(&self) -> &Job {
        &self.plan.job
    }

    fn chunk_steps(&self) -> usize {
        self.plan.chunk_steps as usize
    }

    fn load(&mut self, params: &[Params]) -> Result<()> {
        let (h, padded, n) = (self.plan.job.model.hidden, self.plan.padded as usize, self.plan.columns as usize);
        let mut w1 = vec![0f32; self.plan.job.model.inputs * n];
        let mut small = Vec::with_capacity(self.plan.sizes.small as usize / 4);
        for (m, params) in params.iter().enumerate() {
            for (row, values) in w1.chunks_exact_mut(n).zip(params.values[W1].chunks_exact(h)) {
                row[m * padded..][..h].copy_from_slice(values);
            }
            for place in [W2, B2, B1] {
                small.extend_from_slice(&params.values[place]);
            }
        }
        self.gpu.queue.write_buffer(&self.w1, 0, bytemuck::cast_slice(&w1));
        self.gpu.queue.write_buffer(&self.small, 0, bytemuck::cast_slice(&small));
        self.gpu.check()
    }

    fn params(&mut self) -> Result<Vec<Params>> {
        let spec = self.plan.job.model;
        let (h, c, padded, n) = (spec.hidden, spec.classes, self.plan.padded as usize, self.plan.columns as usize);
        let w1 = floats(&self.gpu.read(&self.w1, self.plan.sizes.w1)?);
        let small = floats(&self.gpu.read(&self.small, self.plan.sizes.small)?);
        let models = small.chunks_exact(h * c + c + h).enumerate().map(|(m, small)| {
            let mut values: [Vec<f32>; 4] = Default::default();
            values[W1] = w1.chunks_exact(n).flat_map(|row| &row[m * padded..][..h]).copied().collect();
            values[W2] = small[..h * c].to_vec();
            values[B2] = small[h * c..][..c].to_vec();
            values[B1] = small[h * c + c..].to_vec();
            Params { spec, values }
        });
        Ok(models.collect())
    }

    fn train(&mut self, chunk: &Chunk<'_>) -> Result<()> {
        let models = self.plan.job.models();
        let shuffles = self.plan.job.shuffles;
        let mut rows = chunk.rows;
        let mut rates = chunk.rates;
        // A caller's chunk may be longer than the plan's.
        for lengths in chunk.lengths.chunks(self.plan.chunk_steps as usize) {
            let images = lengths.iter().sum::<u32>() as usize * shuffles;
            let (now, later) = rows.split_at(images);
            let (rates_now, rates_later) = rates.split_at(lengths.len() * models);
            (rows, rates) = (later, rates_later);
            if self.pending + lengths.len() as u64 > LOSSES {
                self.read_losses()?;
            }
            let decayed = rates_now.chunks_exact(models).flat_map(|rates| rates.iter().zip(&self.plan.job.decay));
            let rates_now: Vec<f32> = decayed.flat_map(|(rate, decay)| [*rate, *decay]).collect();
            let slot = self.feed.fill(&self.gpu, now, &rates_now)?;
            let submission = self.gpu.encode(|pass| {
                self.gather(pass, slot, images as u32);
                let mut row = 0;
                for (i, &length) in lengths.iter().enumerate() {
                    let next_row = row + length * shuffles as u32;
                    let next_rows = lengths.get(i + 1).copied().unwrap_or(0);
                    let loss = self.pending as u32 + i as u32;
                    let step = Step { row, rows: length, rate: i as u32, loss, next_row, next_rows };
                    let fuse = self.plan.tuning.fused;
                    if i == 0 || !fuse {
                        self.dispatch(pass, &self.forward, slot, &step);
                    }
                    self.dispatch(pass, &self.head, slot, &step);
                    // The next chunk's images are not there yet: its first step begins with `forward` again.
                    let last = next_rows == 0;
                    self.dispatch(pass, if fuse && !last { &self.fused } else { &self.update }, slot, &step);
                    row = next_row;
                }
            })?;
            self.feed.used_by(slot, submission);
            self.pending += lengths.len() as u64;
        }
        Ok(())
    }

    fn losses(&mut self) -> Result<Vec<f32>> {
        self.read_losses()?;
        Ok(std::mem::take(&mut self.read))
    }

    fn evaluate(&mut self, rows: &[u32]) -> Result<Vec<Tally>> {
        let models = self.plan.job.models();
        let mut tallies = vec![Tally { images: rows.len() as u64, ..Tally::default() }; models];
        let batch = self.plan.evaluation_rows as usize;
        let chunk = self.plan.chunk_rows as usize / batch * batch;
        // Chunks are whole numbers of groups, so that every group but the last is full.
        for part in rows.chunks((TALLIES * TALLY) as usize) {
            let mut group = 0;
            for rows in part.chunks(chunk) {
                let slot = self.feed.fill(&self.gpu, rows, &[])?;
                let submission = self.gpu.encode(|pass| {
                    self.gather(pass, slot, rows.len() as u32);
                    let mut row = 0;
                    for rows in rows.chunks(batch) {
                        let length = rows.len() as u32;
                        let step = Step { row, rows: length, loss: group, ..Step::default() };
                        for bound in &self.evaluation {
                            self.dispatch(pass, bound, slot, &step);
                        }
                        row += length;
                        group += length.div_ceil(TALLY as u32);
                    }
                })?;
                self.feed.used_by(slot, submission);
            }
            let sums = floats(&self.gpu.read(&self.tallies, u64::from(group) * models as u64 * 8)?);
            for (i, sum) in sums.chunks_exact(2).enumerate() {
                tallies[i % models].loss += f64::from(sum[0]);
                tallies[i % models].correct += sum[1] as u64;
            }
        }
        Ok(tallies)
    }

    fn logits(&mut self, rows: &[u32]) -> Result<Vec<Vec<f32>>> {
        let (models, classes) = (self.plan.job.models(), self.plan.job.model.classes);
        let mut logits = vec![Vec::with_capacity(rows.len() * classes); models];
        for rows in rows.chunks(self.plan.evaluation_rows as usize) {
            let length = rows.len() as u32;
            let slot = self.feed.fill(&self.gpu, rows, &[])?;
            let submission = self.gpu.encode(|pass| {
                self.gather(pass, slot, length);
                let [forward, head, _] = &self.evaluation;
                for bound in [forward, head] {
                    self.dispatch(pass, bound, slot, &Step { rows: length, ..Step::default() });
                }
            })?;
            self.feed.used_by(slot, submission);
            let read = floats(&self.gpu.read(&self.dlogits, (rows.len() * models * classes * 4) as u64)?);
            for (i, image) in read.chunks_exact(classes).enumerate() {
                logits[i % models].extend_from_slice(image);
            }
        }
        Ok(logits)
    }

    fn squares(&mut self) -> Result<Vec<f64>> {
        let models = self.plan.job.models();
        self.gpu.encode(|pass| {
            for ((bound, parts), place) in self.penalty.iter().zip([W1, W2]) {
                let (step, grid) = (Step::default(), [*parts as u32, models as u32, 1]);
                pass.dispatch(&bound.pipeline, &bound.bindings[0], &step, grid, || self.plan.squares_work(place));
            }
        })?;
        let mut squares = vec![0.0; models];
        for ((_, parts), buffer) in self.penalty.iter().zip(&self.squares) {
            let sums = floats(&self.gpu.read(buffer, parts * models as u64 * 4)?);
            for (square, sums) in squares.iter_mut().zip(sums.chunks_exact(*parts as usize)) {
                *square += sums.iter().copied().map(f64::from).sum::<f64>();
            }
        }
        Ok(squares)
    }
}

/// Little-endian bytes, aligned or not, as numbers.
fn floats(bytes: &[u8]) -> Vec<f32> {
    bytemuck::pod_collect_to_vec(bytes)
}
