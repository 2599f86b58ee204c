//! The CPU engine: the reference in `f64`, and a trainer of its own in `f32`.
//!
//! One file a kernel, each the twin of the shader of the same name, each a plain function over slices. A step is
//!
//! 1. [`forward`]: partial sums of `X·W1`, by slices of the inputs,
//! 2. [`head`]: the rest of the network, its loss and its gradients, while idle threads gather the next batch,
//! 3. [`update::hidden`] and [`update::output`]: the new weights, by slices of the inputs.
//!
//! Every model's products have the same shapes and layouts alone as among others, so its bits do not depend on `M`. Side
//! by side in one wide product, ten models of 50 hidden units would gain 9 % (on one thread, 6.8 against 7.5 ms a step);
//! but gemm chooses its kernel and its order of summation by the width, and equal bits are worth more here.
//!
//! A step of 3072-50-10 at B = 100, from bytes to new weights, with 2 threads: `examples/cpu_step.rs`, three runs, each the
//! median of its epochs of 100 steps, and `NumPy` 2.4.6 between them (2-core AMD EPYC, Zen 4 with AVX-512, nearly idle,
//! 2026-11-23).
//!
//! |        | this engine              | `NumPy`, pixels standardised beforehand   |
//! |--------|--------------------------|-------------------------------------------|
//! | M = 1  | 0.48 – 0.51 ms (f32)     | 0.74 – 0.82 ms                            |
//! | M = 10 | 4.9 – 5.1 ms (f32)       | ten times that                            |
//! | M = 1  | 0.85 – 0.95 ms (f64)     |                                           |
//!
//! On a Zen 5, likewise 2 cores (2026-11-25, `benches/cpu.sh`, two runs of two and three rounds): M = 1 in 0.26 – 0.33 ms,
//! `NumPy` in 0.44 – 0.71, JAX in 0.49 – 0.76; M = 10 in 2.4 – 2.7 ms, JAX in 8.4 – 8.8.
//!
//! On the Zen 4's one thread the step takes 0.93 ms: 0.38 forward, 0.41 update of W1, 0.05 standardising, 0.02 everything between.
//! Of the rate of the products alone (84 GFLOP/s a thread) the whole step keeps 75 %; of the most that gemm does, on square
//! matrices in the cache (115), 57 %. Rows of 50 fill 78 % of the vectors of 16. With the gradient as `[H, D]` gemm would do
//! 98 GFLOP/s and save 56 µs, which turning it round again would cost; with `X [D, B]` forward would do 91 and save 28, and
//! standardising would pay for it.

pub mod forward;
pub mod head;
pub mod network;
pub mod product;
pub mod real;
pub mod squares;
pub mod tally;
pub mod update;

mod batch;
mod memory;
mod model;

use std::fmt::Debug;
use std::ops::RangeBounds;
use std::sync::Arc;

use rayon::prelude::*;

use self::batch::Batch;
use self::head::Activations;
pub use self::memory::memory;
use self::model::Model;
use self::network::Network;
use self::real::Real;
use crate::data::{Dataset, Standardisation};
use crate::engine::{Chunk, Engine, Job, Tally};
use crate::error::{Error, Result};
use crate::params::Params;

/// Images of an evaluation's task: 3 MB of f32, and enough tasks for every thread. Fixed, so that no sum depends on
/// the threads.
const EVALUATION_IMAGES: usize = 256;

/// 32 steps of B = 100 are 20 to 40 ms: short enough for a progress bar, long enough that the calls cost nothing.
const CHUNK_STEPS: usize = 32;

/// Trains and evaluates on the processor, in precision `T`.
pub struct CpuEngine<T> {
    job: Job,
    data: Arc<Dataset>,
    statistics: Arc<Standardisation>,
    threads: rayon::ThreadPool,
    models: Vec<Model<T>>,
    /// The batch of the step that runs, and the one that is being gathered meanwhile.
    batches: [Batch<T>; 2],
    /// `[steps, M]` since they were last asked for.
    losses: Vec<f32>,
}

impl<T: Real> CpuEngine<T> {
    /// An engine with `threads` threads of its own, all weights 0.
    ///
    /// # Errors
    ///
    /// [`Error::Resources`] when the threads cannot be started; and, as an internal mistake, when the parts do not fit each other.
    pub fn new(job: Job, data: Arc<Dataset>, statistics: Arc<Standardisation>, threads: usize) -> Result<Self> {
        Self::on(self::threads(threads)?, job, data, statistics)
    }

    /// As [`Self::new`], on threads that were started.
    ///
    /// # Errors
    ///
    /// An internal mistake, when the parts do not fit each other.
    pub fn on(
        threads: rayon::ThreadPool,
        job: Job,
        data: Arc<Dataset>,
        statistics: Arc<Standardisation>,
    ) -> Result<Self> {
        let spec = &job.model;
        expect("models", 1.., job.models())?;
        expect("images of a batch", 1.., job.batch_size)?;
        if job.shuffles != 1 {
            expect("shuffles", job.models()..=job.models(), job.shuffles)?;
        }
        expect("inputs of an image", spec.inputs..=spec.inputs, data.inputs)?;
        expect("classes", spec.classes..=spec.classes, data.classes.len())?;
        expect("means", spec.inputs..=spec.inputs, statistics.mean.len())?;
        expect("scales", spec.inputs..=spec.inputs, statistics.scale.len())?;
        let models = job.decay.iter().map(|&decay| Model::new(Network::zeros(spec), decay)).collect();
        let batches = [Batch::new(spec.inputs), Batch::new(spec.inputs)];
        Ok(Self { job, data, statistics, threads, models, batches, losses: Vec::new() })
    }

    /// The models now, in full precision.
    pub fn networks(&self) -> impl ExactSizeIterator<Item = &Network<T>> {
        self.models.iter().map(|model| &model.network)
    }

    /// Replaces all weights, in full precision; one network a model.
    ///
    /// # Errors
    ///
    /// When there are not `M` networks of the job's shape.
    pub fn set_networks(&mut self, networks: Vec<Network<T>>) -> Result<()> {
        expect("networks", self.job.models()..=self.job.models(), networks.len())?;
        if let Some(other) = networks.iter().find(|network| network.spec != self.job.model) {
            return Err(Error::Internal(format!("weights of {:?} for an engine of {:?}", other.spec, self.job.model)));
        }
        for (model, network) in self.models.iter_mut().zip(networks) {
            model.network = network;
        }
        Ok(())
    }

    /// Each model's `logits [rows, C]` of the data set's `rows`.
    ///
    /// # Errors
    ///
    /// When the data set has no such rows or cannot be read.
    pub fn logits(&self, rows: &[u32]) -> Result<Vec<Vec<T>>> {
        let blocks = self.infer(rows, |logits, _| logits.to_vec())?;
        Ok((0..self.models.len()).map(|m| blocks.iter().flat_map(|block| &block[m]).copied().collect()).collect())
    }

    /// Each model's mean loss over a batch, `rows [G][B]`, and the gradient of its cost, `loss + decay/2·(ΣW1² + ΣW2²)`.
    /// No weight changes.
    ///
    /// # Errors
    ///
    /// When the batch is empty, longer than the job's, or not in the data set.
    pub fn gradients(&mut self, rows: &[u32]) -> Result<Vec<(T, Network<T>)>> {
        let length = rows.len() / self.job.shuffles;
        self.check_chunk(&Chunk { rows, lengths: &[length as u32], rates: &vec![0.0; self.models.len()] })?;
        let Self { job, data, statistics, threads, models, batches: [batch, _], .. } = self;
        Ok(threads.install(|| {
            batch.fill(data, statistics, rows, length);
            models.par_iter_mut().enumerate().for_each(|(m, model)| {
                let group = m % job.shuffles;
                model.forward(batch.x(group));
                model.head(batch.labels(group));
                model.gradient(batch.x(group));
            });
            models.iter().map(|model| (model.loss, model.gradient.clone())).collect()
        }))
    }

    /// What `each(logits [B, C], labels [B])` makes of blocks of the data set's `rows`: block after block, each model's.
    fn infer<R: Send>(&self, rows: &[u32], each: impl Fn(&[T], &[u8]) -> R + Sync) -> Result<Vec<Vec<R>>> {
        self.check_rows(rows)?;
        let start = || (Batch::new(self.job.model.inputs), Vec::new(), Activations::default());
        Ok(self.threads.install(|| {
            let blocks = rows.par_chunks(EVALUATION_IMAGES).map_init(start, |(batch, partials, activations), rows| {
                batch.fill(&self.data, &self.statistics, rows, rows.len());
                partials.resize(forward::slices(&self.job.model) * rows.len() * self.job.model.hidden, T::ZERO);
                let results = self.models.iter().map(|model| {
                    forward::forward(batch.x(0), &model.network, partials);
                    head::logits(partials, rows.len(), &model.network, activations);
                    each(&activations.logits, batch.labels(0))
                });
                results.collect()
            });
            blocks.collect()
        }))
    }

    fn check_rows(&self, rows: &[u32]) -> Result<()> {
        let images = self.data.labels.len();
        match rows.iter().find(|&&row| row as usize >= images) {
            Some(row) => Err(Error::Internal(format!("row {row} of a data set of {images} images"))),
            None => Ok(()),
        }
    }

    fn check_chunk(&self, chunk: &Chunk<'_>) -> Result<()> {
        let images: usize = chunk.lengths.iter().map(|&length| length as usize * self.job.shuffles).sum();
        expect("rows of a chunk", images..=images, chunk.rows.len())?;
        let rates = chunk.lengths.len() * self.job.models();
        expect("rates of a chunk", rates..=rates, chunk.rates.len())?;
        chunk
            .lengths
            .iter()
            .try_for_each(|&length| expect("images of a step", 1..=self.job.batch_size, length as usize))?;
        self.check_rows(chunk.rows)
    }
}

impl<T: Real> Engine for CpuEngine<T> {
    fn describe(&self) -> String {
        let threads = self.threads.current_num_threads();
        format!("CPU, {threads} thread{}, {}", if threads == 1 { "" } else { "s" }, T::NAME)
    }

    fn job(&self) -> &Job {
        &self.job
    }

    fn chunk_steps(&self) -> usize {
        CHUNK_STEPS
    }

    fn load(&mut self, params: &[Params]) -> Result<()> {
        self.set_networks(params.iter().map(Network::from_params).collect())
    }

    fn params(&mut self) -> Result<Vec<Params>> {
        Ok(self.networks().map(Network::to_params).collect())
    }

    fn train(&mut self, chunk: &Chunk<'_>) -> Result<()> {
        self.check_chunk(chunk)?;
        let Self { job, data, statistics, threads, models, batches: [batch, next], losses } = self;
        threads.install(|| {
            let mut rows = chunk.rows;
            let mut lengths = chunk.lengths.iter().map(|&length| length as usize);
            // Gathers the coming step's batch, if there is one.
            let mut gather = |batch: &mut Batch<T>| {
                let Some(length) = lengths.next() else { return };
                let (now, later) = rows.split_at(length * job.shuffles);
                rows = later;
                batch.fill(data, statistics, now, length);
            };
            gather(batch);
            for rates in chunk.rates.chunks_exact(job.models()) {
                models.par_iter_mut().enumerate().for_each(|(m, model)| model.forward(batch.x(m % job.shuffles)));
                let head = |(m, model): (usize, &mut Model<T>)| model.head(batch.labels(m % job.shuffles));
                rayon::join(|| models.par_iter_mut().enumerate().for_each(head), || gather(next));
                let update = |(m, model): (usize, &mut Model<T>)| model.update(batch.x(m % job.shuffles), rates[m]);
                models.par_iter_mut().enumerate().for_each(update);
                losses.extend(models.iter().map(|model| model.loss.to_f32()));
                std::mem::swap(batch, next);
            }
        });
        Ok(())
    }

    fn losses(&mut self) -> Result<Vec<f32>> {
        Ok(std::mem::take(&mut self.losses))
    }

    fn evaluate(&mut self, rows: &[u32]) -> Result<Vec<Tally>> {
        let classes = self.job.model.classes;
        let blocks = self.infer(rows, |logits, labels| tally::tally(logits, labels, &mut vec![T::ZERO; classes]))?;
        let mut sums = vec![Tally::default(); self.models.len()];
        for block in blocks {
            for (sum, tally) in sums.iter_mut().zip(block) {
                sum.loss += tally.loss;
                sum.correct += tally.correct;
                sum.images += tally.images;
            }
        }
        Ok(sums)
    }

    fn squares(&mut self) -> Result<Vec<f64>> {
        Ok(self.threads.install(|| self.models.par_iter().map(|model| squares::squares(&model.network)).collect()))
    }
}

/// So many threads for an engine.
///
/// # Errors
///
/// [`Error::Resources`] when they cannot be started.
pub fn threads(count: usize) -> Result<rayon::ThreadPool> {
    let threads =
        rayon::ThreadPoolBuilder::new().num_threads(count).thread_name(|index| format!("cpu engine {index}")).build();
    threads.map_err(|fault| Error::threads(&fault))
}

/// A mistake in this program unless `found` is in `expected`.
fn expect(what: &str, expected: impl RangeBounds<usize> + Debug, found: usize) -> Result<()> {
    if expected.contains(&found) {
        return Ok(());
    }
    Err(Error::Internal(format!("{what}: expected {expected:?}, found {found}")))
}
