//! What an engine can do: the only thing the training loop knows about GPU and CPU.
//!
//! Every engine trains `M` models of one shape at once, `M = 1` being the usual case. No result depends on `M`: a model
//! gets the same bits alone and among others.

pub use chunks::{Chunk, Chunks};

use std::fmt::{self, Display, Formatter};

use serde::{Deserialize, Serialize};

use crate::data::Images;
use crate::error::Result;
use crate::model::ModelSpec;
use crate::model::optimizer::Optimizer;
use crate::model::params::Params;
use crate::model::regularise::Regularise;
use crate::util::text::{percent, plural};

mod chunks;

/// What an engine is built for.
#[derive(Clone, Debug, PartialEq)]
pub struct Job {
    /// The shape that all models share.
    pub model: ModelSpec,
    /// The factor of `W` in each model's gradient, [`crate::config::spec::Penalty::gradient`]; its length is `M`.
    pub decay: Vec<f32>,
    /// `B`: the largest number of images of a step.
    pub batch_size: usize,
    /// `G`: 1 when all models see the same batches, `M` when each has its own.
    pub shuffles: usize,
    /// How gradients move the weights.
    pub optimizer: Optimizer,
    /// What its training does to images, units and labels.
    pub regularise: Regularise,
}

impl Job {
    /// One model, a hundred images a step, plain SGD.
    pub fn new(model: ModelSpec) -> Self {
        let (optimizer, regularise) = Default::default();
        Self { model, decay: vec![0.0], batch_size: 100, shuffles: 1, optimizer, regularise }
    }

    /// `M`.
    pub fn models(&self) -> usize {
        self.decay.len()
    }
}

/// Sums over some images, of one model.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Tally {
    /// Sum of the images' cross-entropies, in nats.
    pub loss: f64,
    /// Images whose largest logit is their label's. The first of equal logits counts as the largest.
    pub correct: u64,
    /// How many images.
    pub images: u64,
}

/// What is still on its way from a device: calling it waits.
pub type Later<T> = Box<dyn FnOnce() -> Result<T> + Send>;

/// What one model gave of some images and made of one step, for somebody who computes both again.
#[derive(Clone, Debug, PartialEq)]
pub struct Witness {
    /// Its weights before the step.
    pub before: Params,
    /// With these, the images' `[images, C]`.
    pub logits: Vec<f32>,
    /// The same images' sums.
    pub tally: Tally,
    /// The step's mean cross-entropy and the weights after it, if there was a step.
    pub step: Option<(f32, Params)>,
}

/// How often an engine's results were computed again, and how close they were.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Checks {
    /// Checks that ended.
    pub times: u64,
    /// The largest error found, as a share of its tolerance: 1 would be the limit.
    pub worst: f64,
}

impl Checks {
    /// These and `others`.
    #[must_use]
    pub fn and(self, others: Self) -> Self {
        Self { times: self.times + others.times, worst: self.worst.max(others.worst) }
    }
}

impl Display for Checks {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let times = plural(self.times as usize, "time");
        write!(f, "{times}, worst error {} of its tolerance", percent(self.worst))
    }
}

/// Trains and evaluates `M` models of one shape.
pub trait Engine: Send {
    /// What runs it, for people: adapter and driver, or processor threads and precision.
    fn describe(&self) -> String;

    /// The shapes it was built for.
    fn job(&self) -> &Job;

    /// How many steps a [`Chunk`] should have, so that one submission stays short and memory bounded.
    fn chunk_steps(&self) -> usize;

    /// Replaces all weights; one [`Params`] a model.
    fn load(&mut self, params: &[Params]) -> Result<()>;

    /// The weights now.
    fn params(&mut self) -> Result<Vec<Params>>;

    /// Runs the chunk's steps in order. May return before they are done; every other call waits for them.
    fn train(&mut self, chunk: &Chunk<'_>) -> Result<()>;

    /// The mean cross-entropy of every step's batch since the last call, before that step's update: `[steps, M]`.
    fn losses(&mut self) -> Result<Vec<f32>>;

    /// Loss and accuracy of each model over the data set's `rows`.
    fn evaluate(&mut self, rows: &[u32]) -> Result<Vec<Tally>>;

    /// Each model's `logits [rows, C]` of the data set's `rows`: those that [`Self::evaluate`] scores.
    fn logits(&mut self, rows: &[u32]) -> Result<Vec<Vec<f32>>>;

    /// `ΣW1² + ΣW2²` of each model.
    fn squares(&mut self) -> Result<Vec<f64>>;

    /// Scores `images`, moved as they say, and then runs the chunk, of one step or none, as [`Self::train`] does. What `model`
    /// gave comes later; nothing is waited for.
    fn witness(&mut self, step: &Chunk<'_>, model: usize, images: Images<'_>) -> Result<Later<Witness>>;

    /// Proves, if it can, that it computes the first steps of `first` right, from the weights that were loaded, and leaves
    /// these. To be called between [`Self::load`] and anything else.
    fn prove(&mut self, _first: &Chunk<'_>) -> Result<()> {
        Ok(())
    }

    /// The checks that ended so far, or, at the end, all; none by an engine that is not checked.
    fn checks(&mut self, _end: bool) -> Result<Option<Checks>> {
        Ok(None)
    }
}
