//! The GPU engine: every product, activation, gradient and update as WGSL compute, through wgpu.
//!
//! A step is two dependent dispatches, `head` and `update`, the latter with the first layer's product of the next step in
//! it; or three (`forward`, `head`, `update`) where the product is large, see [`plan::Tuning`]. A chunk of steps is one
//! submission of one compute pass; what it needs (pixels, labels, learning rates) is uploaded before it starts, and nothing
//! is read back until somebody asks for losses, sums or weights, but for a check's copies, which nothing waits for.
//!
//! Not yet measured on a GPU. The kernels are written for what NVIDIA's compiler makes of them: raw words are loaded early
//! and used late, loops have constant length, workgroups with little to do go first. What did not help, and the counts behind
//! it, is in `docs/rejected.md`.
//!
//! On the GPU the models' hidden units stand side by side, see `weights.rs`.

mod adapter;
mod context;
mod feed;
pub mod interface;
pub mod kernels;
mod pass;
pub mod pipeline;
pub mod plan;
pub mod recorder;
pub mod tune;
mod wait;
pub mod waves;
mod weights;

use std::sync::Arc;

use rayon::prelude::*;

pub use adapter::{AdapterInfo, list};
pub use context::Gpu;
pub use wait::is_polling;

use crate::data::{Dataset, Images, Standardisation};
use crate::engine::{Chunk, Engine, Job, Later, Tally, Witness};
use crate::error::{Error, Result};
use crate::model::params::Params;
use feed::Feed;
use kernels::{Shaders, Step, Use};
use pass::Pass;
use pipeline::Pipeline;
use plan::{LOSSES, Plan, TALLIES, TALLY, Tuning};
use weights::Weights;

/// A compiled kernel with its bindings for each slot of the feed.
struct Bound {
    of: Use,
    pipeline: Pipeline,
    bindings: Vec<wgpu::BindGroup>,
}

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
    plan: Arc<Plan>,
    feed: Feed,
    weights: Weights,
    losses: wgpu::Buffer,
    tallies: wgpu::Buffer,
    /// After an evaluated batch, its logits.
    dlogits: wgpu::Buffer,
    /// Of each layer.
    squares: Vec<wgpu::Buffer>,
    /// One a use; of `gather`, one a part of the resident images.
    kernels: Vec<Bound>,
    /// Losses already read back.
    read: Vec<f32>,
    /// Steps whose losses are still on the GPU.
    pending: u64,
    /// Steps that an optimizer with moments has taken.
    steps: u64,
}

impl GpuEngine {
    /// An engine for `job` on `gpu`, its weights zero until [`Engine::load`].
    pub fn new(
        gpu: Arc<Gpu>,
        job: &Job,
        dataset: Arc<Dataset>,
        standardisation: &Standardisation,
        options: &Options,
    ) -> Result<Self> {
        let plan = Plan::new(job, &gpu.limits, gpu.is_software(), options.tuning)?;
        // Images that are no pictures are not moved.
        let sides = dataset.planes.map_or([1, 1], |planes| [planes.width, planes.height]).map(|side| side as f64);
        let sizes = &plan.sizes;
        let compile = |of: Use, constants: &[_]| Pipeline::new(&gpu, &options.shaders, of.kernel(), constants);
        // A driver may take tens of milliseconds for each kernel that it does not remember, so they are compiled at once,
        // while the images are uploaded.
        let compiled = |of| Ok((of, compile(of, &plan.constants(of))?));
        let (feed, pipelines) = rayon::join(
            || Feed::new(&gpu, &plan, dataset, options.feed),
            || plan.uses().into_par_iter().filter(|of| *of != Use::Gather).map(compiled).collect::<Result<Vec<_>>>(),
        );
        let feed = feed?;
        let weights = Weights::new(&gpu, &plan)?;
        let [losses, tallies, dlogits] = [
            gpu.buffer("losses", sizes.losses)?,
            gpu.buffer("tallies", sizes.tallies)?,
            gpu.buffer("dlogits", sizes.dlogits)?,
        ];
        let layers = 1..=plan.job.model.layers().len();
        let squares = layers.map(|number| gpu.buffer(&format!("squares of W{number}"), sizes.squares));
        let squares = squares.collect::<Result<Vec<_>>>()?;
        let units = |name: &str| {
            let layers = sizes.layers.iter().zip(1..).map(|(layer, number)| {
                let name = if number < sizes.layers.len() { format!("{name} {number}") } else { name.to_owned() };
                gpu.buffer(&name, layer.hidden)
            });
            layers.collect::<Result<Vec<_>>>()
        };
        let (hidden, dhidden) = (units("hidden")?, units("dhidden")?);
        let standardised = gpu.buffer("standardisation", sizes.standardisation)?;
        gpu.queue.write_buffer(&standardised, 0, bytemuck::cast_slice(&standardisation.padded()));
        let shared = [
            ("standardisation", &standardised),
            ("losses", &losses),
            ("tallies", &tallies),
            ("dlogits", &dlogits),
            ("partials", &gpu.buffer("partial sums", sizes.partials)?),
            ("scores", &gpu.buffer("scores", sizes.scores)?),
        ];
        let bound = |of, pipeline: Pipeline, own: &[(&str, &wgpu::Buffer)]| -> Result<Bound> {
            let bindings = feed.slots.iter().map(|slot| {
                let of_slot = [
                    ("pixels", &slot.pixels),
                    ("rows", &slot.rows),
                    ("changes", &slot.changes),
                    ("targets", &slot.targets),
                    ("rates", &slot.rates),
                ];
                pipeline.bind(&gpu, &[&shared[..], &of_slot, own].concat())
            });
            Ok(Bound { of, bindings: bindings.collect::<Result<_>>()?, pipeline })
        };
        let mut kernels = Vec::new();
        for (of, pipeline) in pipelines? {
            let place = of.layer().unwrap_or(weights.layers.len() - 1);
            let layer = &weights.layers[place.min(weights.layers.len() - 1)];
            let own = if let Use::Squares(place) = of {
                let matrix = if place < weights.layers.len() { &layer.w } else { &layer.small };
                vec![("matrix", matrix), ("squares", &squares[place])]
            } else {
                let before = place.saturating_sub(1);
                let inputs = if matches!(of, Use::Backward(_)) { &dhidden[place] } else { &hidden[before] };
                vec![
                    ("w1", &layer.w),
                    ("small", &layer.small),
                    ("hidden", &hidden[place]),
                    ("dhidden", &dhidden[place]),
                    ("activations", inputs),
                ]
            };
            kernels.push(bound(of, pipeline, &own)?);
        }
        for part in &feed.parts {
            let [width, height] = sides;
            let place = [("FIRST", part.first.into()), ("COUNT", part.count.into())];
            let constants = [place, [("WIDTH", width), ("HEIGHT", height)]].concat();
            let pipeline = compile(Use::Gather, &[plan.constants(Use::Gather), constants].concat())?;
            kernels.push(bound(Use::Gather, pipeline, &[("images", &part.images)])?);
        }

        gpu.check()?;
        let (plan, read, pending, steps) = (Arc::new(plan), vec![], 0, 0);
        Ok(Self { gpu, plan, feed, weights, losses, tallies, dlogits, squares, kernels, read, pending, steps })
    }

    /// How the job runs here.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Encodes a use of a kernel; of `gather`, over every part of the resident images, if there are any.
    fn dispatch(&self, pass: &mut Pass<'_>, of: Use, slot: usize, step: &Step) {
        let grid = self.plan.grid(of, step.rows.into());
        let work = || self.plan.work(of, step.rows.into(), step.next_rows.into());
        for bound in self.kernels.iter().filter(|bound| bound.of == of) {
            pass.dispatch(&bound.pipeline, &bound.bindings[slot], step, grid, work);
        }
    }

    /// Encodes what gives the scores and logits of some images.
    fn infer(&self, pass: &mut Pass<'_>, slot: usize, step: &Step) {
        self.dispatch(pass, Use::EvalForward(0), slot, step);
        for layer in 0..self.plan.layers.len() - 1 {
            self.dispatch(pass, Use::EvalActivate(layer), slot, step);
            self.dispatch(pass, Use::EvalForward(layer + 1), slot, step);
        }
        self.dispatch(pass, Use::EvalHead, slot, step);
    }

    /// Fills a slot with a chunk's images and rates and submits `commands` on it, the images gathered before.
    fn submit(
        &mut self,
        images: Images<'_>,
        rates: &[[u32; 4]],
        commands: impl FnOnce(&Self, &mut Pass<'_>, usize),
    ) -> Result<()> {
        let slot = self.feed.fill(&self.gpu, images, rates)?;
        let submission = self.gpu.encode(|pass| {
            self.dispatch(pass, Use::Gather, slot, &Step { rows: images.len() as u32, ..Step::default() });
            commands(self, pass, slot);
        })?;
        self.feed.slots[slot].submission = Some(submission);
        Ok(())
    }

    /// Brings the losses that are still on the GPU to the host.
    fn read_losses(&mut self) -> Result<()> {
        if self.pending > 0 {
            let size = self.pending * self.plan.job.models() as u64 * 4;
            self.read.extend(self.gpu.read::<f32>(&self.losses, size)?);
            self.pending = 0;
        }
        Ok(())
    }
}

impl Engine for GpuEngine {
    fn describe(&self) -> String {
        let images = if self.feed.parts.is_empty() { "streamed" } else { "resident" };
        format!("{}, images {images}, {}", self.gpu.describe(), self.plan.tuning)
    }

    fn job(&self) -> &Job {
        &self.plan.job
    }

    fn chunk_steps(&self) -> usize {
        self.plan.chunk_steps as usize
    }

    fn load(&mut self, params: &[Params]) -> Result<()> {
        self.weights.write(&self.gpu, &self.plan, params);
        self.steps = params.first().map_or(0, |params| params.steps);
        self.gpu.check()
    }

    fn params(&mut self) -> Result<Vec<Params>> {
        self.weights.copy(&self.gpu, &self.plan)?.take(&self.gpu, &self.plan, 0..self.plan.job.models(), self.steps)
    }

    fn train(&mut self, chunk: &Chunk<'_>) -> Result<()> {
        let models = self.plan.job.models();
        let shuffles = self.plan.job.shuffles;
        let mut images = chunk.images;
        let (mut rates, mut keys) = (chunk.rates, chunk.keys);
        if self.plan.job.regularise.drops() && keys.len() != rates.len() {
            return Err(Error::Internal(format!("keys of a chunk: expected {}, found {}", rates.len(), keys.len())));
        }
        // A caller's chunk may be longer than the plan's.
        for lengths in chunk.lengths.chunks(self.plan.chunk_steps as usize) {
            let (now, later) = images.split_at(lengths.iter().sum::<u32>() as usize * shuffles);
            let (rates_now, rates_later) = rates.split_at(lengths.len() * models);
            let (keys_now, keys_later) = keys.split_at(keys.len().min(lengths.len() * models));
            (images, rates, keys) = (later, rates_later, keys_later);
            if self.pending + lengths.len() as u64 > LOSSES {
                self.read_losses()?;
            }
            let keys_now = keys_now.iter().copied().chain(std::iter::repeat([0; 2]));
            let decays = self.plan.job.decay.iter().cycle();
            let told = rates_now.iter().zip(decays).zip(keys_now);
            let rates_now: Vec<_> =
                told.map(|((rate, decay), [a, b])| [rate.to_bits(), decay.to_bits(), a, b]).collect();
            self.submit(now, &rates_now, |engine, pass, slot| {
                let mut row = 0;
                for (i, &length) in lengths.iter().enumerate() {
                    let next_row = row + length * shuffles as u32;
                    let next_rows = lengths.get(i + 1).copied().unwrap_or(0);
                    let loss = engine.pending as u32 + i as u32;
                    let [correction1, correction2] = engine.plan.job.optimizer.corrections(engine.steps + i as u64);
                    let (correction1, correction2) = (correction1 as f32, correction2 as f32);
                    let step =
                        Step { row, rows: length, rate: i as u32, loss, next_row, next_rows, correction1, correction2 };
                    let fuse = engine.plan.tuning.fused;
                    let last = engine.plan.layers.len() - 1;
                    let mut dispatch = |of| engine.dispatch(pass, of, slot, &step);
                    if i == 0 || !fuse {
                        dispatch(Use::Forward(0));
                    }
                    for layer in 0..last {
                        dispatch(Use::Activate(layer));
                        dispatch(Use::Forward(layer + 1));
                    }
                    dispatch(Use::Head);
                    for layer in (1..=last).rev() {
                        dispatch(Use::Backward(layer));
                        dispatch(Use::ActivateBackward(layer - 1));
                        dispatch(Use::Update(layer));
                    }
                    // The next chunk's images are not there yet: its first step begins with `forward` again.
                    dispatch(if fuse && next_rows > 0 { Use::FusedUpdate } else { Use::Update(0) });
                    row = next_row;
                }
            })?;
            self.pending += lengths.len() as u64;
            if !self.plan.job.optimizer.moments().is_empty() {
                self.steps += lengths.len() as u64;
            }
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
                self.submit(rows.into(), &[], |engine, pass, slot| {
                    let mut row = 0;
                    for rows in rows.chunks(batch) {
                        let length = rows.len() as u32;
                        let step = Step { row, rows: length, loss: group, ..Step::default() };
                        engine.infer(pass, slot, &step);
                        engine.dispatch(pass, Use::Tally, slot, &step);
                        row += length;
                        group += length.div_ceil(TALLY as u32);
                    }
                })?;
            }
            let sums: Vec<f32> = self.gpu.read(&self.tallies, u64::from(group) * models as u64 * 8)?;
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
            let step = Step { rows: rows.len() as u32, ..Step::default() };
            self.submit(rows.into(), &[], |engine, pass, slot| {
                engine.infer(pass, slot, &step);
            })?;
            let read: Vec<f32> = self.gpu.read(&self.dlogits, (rows.len() * models * classes * 4) as u64)?;
            for (i, image) in read.chunks_exact(classes).enumerate() {
                logits[i % models].extend_from_slice(image);
            }
        }
        Ok(logits)
    }

    fn squares(&mut self) -> Result<Vec<f64>> {
        let models = self.plan.job.models();
        let uses: Vec<_> = (0..self.squares.len()).map(Use::Squares).collect();
        self.gpu.encode(|pass| uses.iter().for_each(|of| self.dispatch(pass, *of, 0, &Step::default())))?;
        let mut squares = vec![0.0; models];
        for (of, buffer) in uses.into_iter().zip(&self.squares) {
            let parts = self.plan.grid(of, 0)[0] as usize;
            let sums: Vec<f32> = self.gpu.read(buffer, (parts * models) as u64 * 4)?;
            for (square, sums) in squares.iter_mut().zip(sums.chunks_exact(parts)) {
                *square += sums.iter().copied().map(f64::from).sum::<f64>();
            }
        }
        Ok(squares)
    }

    fn witness(&mut self, step: &Chunk<'_>, model: usize, images: Images<'_>) -> Result<Later<Witness>> {
        let (models, classes) = (self.plan.job.models(), self.plan.job.model.classes);
        let mut scored = Vec::new();
        for images in images.chunks(self.plan.evaluation_rows as usize) {
            let rows = images.len();
            self.submit(images, &[], |engine, pass, slot| {
                let step = Step { rows: rows as u32, ..Step::default() };
                engine.infer(pass, slot, &step);
                engine.dispatch(pass, Use::Tally, slot, &step);
            })?;
            let logits = self.gpu.copy(&self.dlogits, 0, (rows * models * classes * 4) as u64)?;
            scored
                .push((logits, self.gpu.copy(&self.tallies, 0, (rows.div_ceil(TALLY as usize) * models * 8) as u64)?));
        }
        let before = (self.weights.copy(&self.gpu, &self.plan)?, self.steps);
        self.train(step)?;
        let mut after = None;
        if !step.lengths.is_empty() {
            let loss = ((self.pending as usize - 1) * models + model) * 4;
            let weights = (self.weights.copy(&self.gpu, &self.plan)?, self.steps);
            after = Some((self.gpu.copy(&self.losses, loss as u64, 4)?, weights));
        }
        let (gpu, plan) = (self.gpu.clone(), self.plan.clone());
        let mut tally = Tally { images: images.len() as u64, ..Tally::default() };
        Ok(Box::new(move || {
            let mut logits = Vec::new();
            for (of_all, sums) in scored {
                logits.extend(of_all.take::<f32>(&gpu)?.chunks_exact(classes).skip(model).step_by(models).flatten());
                for sum in sums.take::<f32>(&gpu)?.chunks_exact(2).skip(model).step_by(models) {
                    tally.loss += f64::from(sum[0]);
                    tally.correct += sum[1] as u64;
                }
            }
            let weights =
                |(copy, steps): (weights::Copied, u64)| Ok(copy.take(&gpu, &plan, model..=model, steps)?.remove(0));
            let before = weights(before)?;
            let step = after.map(|(loss, after)| Ok((loss.take(&gpu)?[0], weights(after)?))).transpose()?;
            Ok(Witness { before, logits, tally, step })
        }))
    }
}
