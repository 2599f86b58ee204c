//! The CPU engine: in `f32` a trainer of its own, which `device` opens, and in `f64` the judge of the referee's long trainings.
//!
//! One file a kernel, each the twin of the shader of the same name, each a plain function over slices, or over `rows`
//! where a matrix lies along the inputs. A step is
//!
//! 1. `head` and `update::small_values`: from what enters the hidden layer to the loss and its gradients, and everything but
//!    W1 one step further; meanwhile idle threads gather the next step's images,
//! 2. `update` and, as on a GPU in the same go, `forward`: W1 one step further, and its product with the next
//!    step's images. Threads share the hidden units, so each has its part of W1 in its own cache for both.
//!
//! Every model's products have the same shapes and layouts alone as among others, and an element's sum has the same order
//! whatever tile and thread it falls to. So its bits depend neither on `M` nor on the threads; on the width of the
//! processor's registers they do.
//!
//! A step of 3072-50-10 at B = 100, from bytes to new weights, on a Zen 5 (AVX-512) with 2 threads, beside `NumPy` 2.4.6,
//! whose pixels are standardised beforehand, and JAX 0.10.2 in turns (`benches/cpu.sh`, 2026-11-25, four rounds):
//!
//! |        | this engine      | `NumPy`          | JAX              |
//! |--------|------------------|------------------|------------------|
//! | M = 1  | 0.19 – 0.31 ms   | 0.42 – 0.69 ms   | 0.46 – 0.77 ms   |
//! | M = 10 | 1.53 – 1.72 ms   | ten times that   | 7.3 – 8.5 ms     |
//!
//! The larger figures are of one round, in which the machine's memory was slow for everybody. In f64 (`examples/cpu_step.rs`,
//! M = 1) a step takes 0.35 ms.
//!
//! Where the rest of a step of one model goes, in thread time, the least that other programs left of it, on a Zen 4 (2026-11-27;
//! `gemm` 111 GFLOP/s a thread both with AVX-512 and with AVX2). Each of two threads has 25 units, 15.4 MFLOP a product:
//!
//! | µs of each thread                            | AVX-512 | AVX2 |
//! |----------------------------------------------|---------|------|
//! | both products by gemm's rate                 | 277     | 277  |
//! | `update`, from standardised images           | 137     | 155  |
//! | `forward`, from standardised images          | 149     | 163  |
//! | standardising inside `update` and `forward`  | 29      | 18   |
//!
//! Before them come the head, 19 µs of one thread, and meanwhile the fetching of 300 KB of pixels from memory, which both share:
//! 59 µs of one thread. As a whole a step takes 1.42 to 1.44 times as long there as its products at gemm's rate, 0.386 to
//! 0.397 ms in four of five rounds of `profile` (0.425 in the fifth, in which ten models were slow too); with images that were
//! standardised ahead, which are written to the cache that the threads share, it was 1.48 to 1.51 times, 0.398 to 0.420 ms.

mod activate;
mod activate_backward;
mod backward;
mod dropout;
pub(crate) mod forward;
mod head;
pub(crate) mod inputs;
mod memory;
mod model;
pub mod product;
pub mod real;
pub(crate) mod rows;
mod small;
mod squares;
mod tally;
#[cfg(test)]
mod testing;
mod update;

use std::fmt::Debug;
use std::ops::RangeBounds;
use std::sync::Arc;

use rayon::prelude::*;

use self::inputs::Batch;
pub use self::memory::memory;
use self::memory::{CHUNK_STEPS, EVALUATION_IMAGES};
use self::model::{Activations, Model};
use self::real::Real;
use self::rows::Rows;
use self::tally::tally;
use crate::data::{Dataset, Images, Standardisation};
use crate::engine::{Chunk, Engine, Job, Later, Tally, Witness};
use crate::error::{Error, Result};
use crate::model::params::Params;
use crate::model::reference::{Layer, Matrix, Network};
use crate::model::regularise::Training;
use crate::util::text::plural;

/// Trains and evaluates on the processor, in precision `T`.
pub struct CpuEngine<T> {
    job: Job,
    data: Arc<Dataset>,
    /// Means and scales, `[2, D]`.
    statistics: Arc<Rows<T>>,
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
    #[expect(clippy::needless_pass_by_value, reason = "every engine is given its images and their statistics alike")]
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
        let models = (0..job.models()).map(|model| Model::new(&job, model)).collect();
        let statistics = [&statistics.mean, &statistics.scale].map(|values| values.iter().map(|&value| value.into()));
        let statistics = Arc::new(Rows::new(&statistics.into_iter().flatten().collect::<Vec<T>>(), spec.inputs));
        let parts = threads.current_num_threads() * job.models() / job.shuffles;
        let keeps_pixels = Batch::<T>::keeps_pixels(parts) && job.regularise.input_dropout == 0.0;
        let batches = [(); 2].map(|()| Batch::new(&statistics, job.shuffles, keeps_pixels));
        Ok(Self { job, data, statistics, threads, models, batches, losses: Vec::new() })
    }

    /// The models now, in full precision.
    pub fn networks(&self) -> impl ExactSizeIterator<Item = Network> {
        self.models.iter().map(|model| {
            let wide = |tensor: &[T]| tensor.iter().map(|&value| value.into()).collect();
            let tensors = model.tensors(0);
            let layers = tensors.chunks_exact(2).map(|layer| {
                let [values, b] = [wide(&layer[0]), wide(&layer[1])];
                Layer { W: Matrix { values, columns: layer[1].len() }, b }
            });
            Network { layers: layers.collect() }
        })
    }

    /// Each model's `logits [images, C]` of some images of the data set, in full precision.
    pub fn logits<'a>(&self, images: impl Into<Images<'a>>) -> Result<Vec<Vec<T>>> {
        let blocks = self.infer(images.into(), |activations| activations.logits.clone())?;
        Ok((0..self.models.len()).map(|m| blocks.iter().flat_map(|block| &block[m]).copied().collect()).collect())
    }

    /// Each model's sums over some images.
    fn tallies(&self, images: Images<'_>) -> Result<Vec<Tally>> {
        let blocks = self.infer(images, |activations| tally(&activations.scores))?;
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

    /// What `each` makes of blocks of `images`: block after block, each model's.
    fn infer<R: Send>(&self, images: Images<'_>, each: impl Fn(&Activations<T>) -> R + Sync) -> Result<Vec<Vec<R>>> {
        self.check_rows(images.rows)?;
        let start = || {
            (
                Batch::new(&self.statistics, 1, Batch::<T>::keeps_pixels(self.models.len())),
                Activations::new(&self.job.model),
            )
        };
        Ok(self.threads.install(|| {
            let blocks = images.par_chunks(EVALUATION_IMAGES).map_init(start, |(batch, activations), images| {
                batch.fill(&self.data, images, images.len(), |_| None);
                let results = self.models.iter().map(|model| {
                    model.evaluate(batch.x(0), batch.targets(0), activations);
                    each(activations)
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
        expect("rows of a chunk", images..=images, chunk.images.len())?;
        if !chunk.images.moves.is_empty() {
            expect("moves of a chunk", images..=images, chunk.images.moves.len())?;
        }
        if !chunk.images.mixes.is_empty() {
            expect("mixes of a chunk", images..=images, chunk.images.mixes.len())?;
        }
        let rates = chunk.lengths.len() * self.job.models();
        expect("rates of a chunk", rates..=rates, chunk.rates.len())?;
        if self.job.regularise.drops() {
            expect("keys of a chunk", rates..=rates, chunk.keys.len())?;
        }
        chunk
            .lengths
            .iter()
            .try_for_each(|&length| expect("images of a step", 1..=self.job.batch_size, length as usize))?;
        self.check_rows(chunk.images.rows)
    }
}

impl<T: Real> Engine for CpuEngine<T> {
    fn describe(&self) -> String {
        format!("CPU, {}, {}", plural(self.threads.current_num_threads(), "thread"), T::NAME)
    }

    fn job(&self) -> &Job {
        &self.job
    }

    fn chunk_steps(&self) -> usize {
        CHUNK_STEPS
    }

    fn load(&mut self, params: &[Params]) -> Result<()> {
        expect("networks", self.job.models()..=self.job.models(), params.len())?;
        if let Some(other) = params.iter().find(|params| params.spec != self.job.model) {
            return Err(Error::Internal(format!("weights of {:?} for an engine of {:?}", other.spec, self.job.model)));
        }
        for (model, params) in self.models.iter_mut().zip(params) {
            model.load(params);
        }
        Ok(())
    }

    fn params(&mut self) -> Result<Vec<Params>> {
        Ok(self.models.iter().map(Model::params).collect())
    }

    fn train(&mut self, chunk: &Chunk<'_>) -> Result<()> {
        self.check_chunk(chunk)?;
        let Self { job, data, threads, models, batches: [batch, next], losses, .. } = self;
        let key = |step: usize, m: usize| chunk.key(step * job.models() + m);
        threads.install(|| {
            let mut images = chunk.images;
            let mut lengths = chunk.lengths.iter().map(|&length| length as usize).enumerate();
            // Gathers the coming step's batch, if there is one.
            let mut gather = |batch: &mut Batch<T>| {
                let Some((step, length)) = lengths.next() else { return false };
                let (now, later) = images.split_at(length * job.shuffles);
                images = later;
                let training = |group| Training { regularise: job.regularise, key: key(step, group) };
                batch.fill(data, now, length, |group| training(group).input_dropout());
                true
            };
            let mut more = gather(batch);
            if more {
                models.par_iter_mut().enumerate().for_each(|(m, model)| model.forward(batch.x(m % job.shuffles)));
            }
            for (step, rates) in chunk.rates.chunks_exact(job.models()).enumerate() {
                let output = |(m, model): (usize, &mut Model<T>)| {
                    model.output(batch.targets(m % job.shuffles), rates[m], key(step, m));
                };
                rayon::join(|| models.par_iter_mut().enumerate().for_each(output), || more = gather(next));
                models.par_iter_mut().enumerate().for_each(|(m, model)| {
                    let [now, next] = [&*batch, &*next].map(|batch| batch.x(m % job.shuffles));
                    model.hidden(now, rates[m], more.then_some(next));
                });
                losses.extend(models.iter().map(|model| model.loss().as_()));
                std::mem::swap(batch, next);
            }
        });
        Ok(())
    }

    fn losses(&mut self) -> Result<Vec<f32>> {
        Ok(std::mem::take(&mut self.losses))
    }

    fn evaluate(&mut self, rows: &[u32]) -> Result<Vec<Tally>> {
        self.tallies(rows.into())
    }

    fn logits(&mut self, rows: &[u32]) -> Result<Vec<Vec<f32>>> {
        let models = Self::logits(self, rows)?;
        Ok(models.into_iter().map(|logits| logits.into_iter().map(T::as_).collect()).collect())
    }

    fn squares(&mut self) -> Result<Vec<f64>> {
        Ok(self.threads.install(|| self.models.par_iter().map(Model::squares).collect()))
    }

    fn witness(&mut self, step: &Chunk<'_>, model: usize, images: Images<'_>) -> Result<Later<Witness>> {
        let before = self.models[model].params();
        let logits = Self::logits(self, images)?.swap_remove(model).into_iter().map(T::as_).collect();
        let tally = self.tallies(images)?[model];
        let mut after = None;
        if !step.lengths.is_empty() {
            self.train(step)?;
            let loss = self.losses[self.losses.len() - self.models.len() + model];
            after = Some((loss, self.models[model].params()));
        }
        Ok(Box::new(move || Ok(Witness { before, logits, tally, step: after })))
    }
}

/// So many threads for an engine.
pub fn threads(count: usize) -> Result<rayon::ThreadPool> {
    let threads =
        rayon::ThreadPoolBuilder::new().num_threads(count).thread_name(|index| format!("cpu engine {index}")).build();
    threads.map_err(|fault| Error::threads(&fault))
}

/// A bug in this program unless `found` is in `expected`.
fn expect(what: &str, expected: impl RangeBounds<usize> + Debug, found: usize) -> Result<()> {
    if expected.contains(&found) {
        return Ok(());
    }
    Err(Error::Internal(format!("{what}: expected {expected:?}, found {found}")))
}
