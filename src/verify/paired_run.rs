//! A training that both engines take through the same steps, and that is compared after each: the same images, weights,
//! batches and learning rates.

use std::fmt::Write as _;
use std::ops::Range;
use std::sync::Arc;
use std::time::Instant;

use serde::Serialize;

use super::Referee;
use crate::config::spec::{Feed, TrainSpec};
use crate::cpu::CpuEngine;
use crate::cpu::forward::forward;
use crate::cpu::inputs::Inputs;
use crate::cpu::rows::Rows;
use crate::data::batches::Batches;
use crate::data::{Dataset, Standardisation};
use crate::engine::{Chunk, Chunks, Engine, Job};
use crate::error::{Error, Result};
use crate::gpu::GpuEngine;
use crate::model::optimizer::Optimizer;
use crate::model::params::{Params, symbol};
use crate::model::reference::{Matrix, Network, standardise};
use crate::proof::Finding;
use crate::proof::compare::{Outcome, Rule, compare};

/// After t steps without meeting, each tensor as a whole differs by at most this times √t; so does the batch's loss, as a
/// share of itself or, below 1 nat, in nats: a loss near 0 is a difference of logits, and its relative error says nothing.
/// Worst seen, as a multiple of √t: 2.1e-7 on llvmpipe, 1.8e-7 on `SwiftShader`, both of b2 in the first step.
pub(super) const FREE: f64 = 5e-7;
/// The same with `AdamW`, which divides a gradient by its size: one near 0, all rounding, moves its weight as far as any.
/// Worst seen 5.7e-7, of W1 in the first step of 3072-64-32-10 on llvmpipe.
const FREE_ADAMW: f64 = 1e-5;
/// What enters a `ReLU` this close to 0, as a share of the root mean square of all that enters, can be on either side of it
/// in f32. A sum of 3,072 products in slices of 32 is wrong by 2.1e-7 of that in the root mean square, by 9.7e-7 at worst
/// (400 sums of uniform inputs and normal weights).
const NEAR: f64 = 1e-6;

/// One model's training.
pub(super) struct PairedRun {
    /// What engines are built for; one model.
    pub job: Job,
    /// The images.
    pub dataset: Arc<Dataset>,
    /// What standardises them.
    pub standardisation: Arc<Standardisation>,
    /// The weights that it starts from.
    pub start: [Params; 1],
    spec: TrainSpec,
    /// Steps that its learning rate counts on.
    whole: u64,
    chunks: Chunks,
}

/// What the engines had at one step of a free run.
#[derive(Clone, Debug, Serialize)]
pub struct Step {
    /// Steps before it.
    pub step: u64,
    /// Its learning rate.
    pub rate: f64,
    /// The batch's loss on the GPU, before the step's update, in nats.
    pub gpu_loss: f64,
    /// The same by the CPU engine in f64.
    pub cpu_loss: f64,
    /// The two compared.
    pub loss: Outcome,
    /// The tensors after the step, in the order of [`crate::model::params::tensors`].
    pub weights: Vec<Outcome>,
    /// `ReLU`s of the batch (hidden units times images) that one has switched and the other not, or that are too near to
    /// their kink to tell.
    pub kinks: usize,
    /// Whether differences count. From the first kink on, ones beyond the tolerance do not: two networks that differ in a
    /// switched unit are both right.
    pub judged: bool,
    /// The GPU's time for it, submission and reading the loss included, in seconds.
    pub gpu_seconds: f64,
    /// The CPU engine's.
    pub cpu_seconds: f64,
}

impl Step {
    /// Difference of the losses as a share of the CPU engine's.
    pub fn relative(&self) -> f64 {
        (self.gpu_loss - self.cpu_loss).abs() / self.cpu_loss
    }

    /// Whether everything is within its tolerance.
    pub fn passed(&self) -> bool {
        self.loss.passed() && self.weights.iter().all(Outcome::passed)
    }
}

impl PairedRun {
    /// The training of `job` on `batches` of the data set, with the initial weights and the rates of `spec`, which trains
    /// `whole` steps.
    pub(super) fn new(
        job: Job,
        (spec, whole): (TrainSpec, u64),
        batches: Batches,
        dataset: Arc<Dataset>,
        standardisation: Arc<Standardisation>,
    ) -> Self {
        let lr = spec.lr;
        let chunks = Chunks::new(batches, 1, move |step, _| lr.at(step, whole) as f32);
        let chunks = chunks.regularised(job.regularise, &[spec.seed]);
        let start = [Params::init(&job.model, spec.seed, spec.init)];
        Self { job, dataset, standardisation, start, spec, whole, chunks }
    }

    /// The CPU engine in f64, which judges.
    pub(super) fn cpu(&self) -> Result<CpuEngine<f64>> {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        CpuEngine::new(self.job.clone(), self.dataset.clone(), self.standardisation.clone(), threads)
    }

    /// The engine that is checked.
    pub(super) fn gpu(&self, referee: &Referee) -> Result<GpuEngine> {
        referee.gpu_engine(&self.job, &self.dataset, &self.standardisation, (Feed::Stream, None))
    }

    /// Trains `engine` from step `first` up to step `last`.
    pub(super) fn train(&mut self, engine: &mut dyn Engine, first: u64, last: u64) -> Result<()> {
        engine.train(&self.chunk(first..last))
    }

    /// These steps.
    pub(super) fn chunk(&mut self, steps: Range<u64>) -> Chunk<'_> {
        self.chunks.steps(steps)
    }

    /// Both engines through `steps` steps from the same start, compared after each; `done` hears how many are done. The
    /// engines are left as they are after the last one.
    pub(super) fn free(
        &mut self,
        gpu: &mut GpuEngine,
        cpu: &mut CpuEngine<f64>,
        steps: u64,
        done: &mut dyn FnMut(u64),
    ) -> Result<Vec<Step>> {
        let start = self.start.clone();
        cpu.load(&start)?;
        gpu.load(&start)?;
        let mut before = [Network::from(&start[0]), Network::from(&start[0])];
        let mut run = Vec::new();
        let mut kinked = false;
        for step in 0..steps {
            let kinks = self.kinks(step, &before);
            kinked |= kinks > 0;
            let (gpu_loss, gpu_seconds) = self.step(gpu, step)?;
            let (cpu_loss, cpu_seconds) = self.step(cpu, step)?;

            let got = gpu.params()?.remove(0);
            let expected = only(cpu.networks())?;
            let free = if matches!(self.job.optimizer, Optimizer::Adamw { .. }) { FREE_ADAMW } else { FREE };
            let tolerance = free * ((step + 1) as f64).sqrt();
            let loss = compare(&[gpu_loss], &[cpu_loss], &Rule::Absolute(tolerance * cpu_loss.max(1.0)));
            let weights = normwise(&got, &expected, tolerance);
            before = [Network::from(&got), expected];

            let rate = self.spec.lr.at(step, self.whole);
            let mut step =
                Step { step, rate, gpu_loss, cpu_loss, loss, weights, kinks, judged: true, gpu_seconds, cpu_seconds };
            step.judged = step.passed() || !kinked;
            run.push(step);
            done(run.len() as u64);
        }
        Ok(run)
    }

    /// One step of `engine`: the loss of its batch, and the time it took.
    fn step(&mut self, engine: &mut dyn Engine, step: u64) -> Result<(f64, f64)> {
        let start = Instant::now();
        self.train(engine, step, step + 1)?;
        let losses = engine.losses()?;
        let seconds = start.elapsed().as_secs_f64();
        Ok((f64::from(*only(losses.iter())?), seconds))
    }

    /// `ReLU`s of step `step`'s batch that the two networks may have switched differently.
    fn kinks(&mut self, step: u64, networks: &[Network; 2]) -> usize {
        let images = self.chunks.steps(step..step + 1).images;
        let mut pixels = vec![0; images.len() * self.job.model.inputs];
        self.dataset.gather(images, &mut pixels);
        let x = standardise(&pixels, &self.standardisation.mean, &self.standardisation.scale);
        let [ours, theirs] = networks.each_ref().map(|network| inputs_of_relu(&x, network));
        let rms = (theirs.iter().map(|z| z * z).sum::<f64>() / theirs.len() as f64).sqrt();
        let kink = |(a, b): &(&f64, &f64)| (**a > 0.0) != (**b > 0.0) || a.abs().min(b.abs()) <= NEAR * rms;
        ours.iter().zip(&theirs).filter(kink).count()
    }
}

/// `(a·W + b)ᵀ [H, B]` of every hidden layer, by the engine's product: a long run has many.
fn inputs_of_relu(x: &Matrix, network: &Network) -> Vec<f64> {
    let (mut a, mut all) = (Rows::new(&x.values, x.columns), Vec::new());
    for layer in &network.layers[..network.layers.len() - 1] {
        let mut z = vec![0.0; layer.b.len() * x.rows()];
        forward(Inputs::Values(&a), Rows::transposed(&layer.W.values, layer.W.columns).values(), &mut z);
        for (z, bias) in z.chunks_exact_mut(x.rows()).zip(&layer.b) {
            for z in z {
                *z += bias;
            }
        }
        let hidden: Vec<f64> = z.iter().map(|z| z.max(0.0)).collect();
        a = Rows::transposed(&hidden, x.rows());
        all.extend(z);
    }
    all
}

/// Each tensor as a whole against the CPU engine's.
fn normwise(got: &Params, expected: &Network, tolerance: f64) -> Vec<Outcome> {
    let tensors = got.values.iter().zip(expected.tensors()).map(|(got, expected)| {
        let got: Vec<f64> = got.iter().copied().map(f64::from).collect();
        compare(&got, expected, &Rule::Normwise(tolerance))
    });
    tensors.collect()
}

/// The steps of a free run that count, as findings.
pub(super) fn findings(run: &[Step]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for step in run.iter().filter(|step| step.judged) {
        findings.push(Finding::new("losses of a free run", step.loss.clone()).at(format!("step {}", step.step)));
        for (outcome, name) in step.weights.iter().zip((0..).map(symbol)) {
            let at = format!("step {}, {name}", step.step);
            findings.push(Finding::new("weights of a free run", outcome.clone()).at(at));
        }
    }
    if let (Some(note), Some(last)) = (kink_note(run), findings.last_mut()) {
        last.note = Some(note);
    }
    findings
}

/// What is to be said about `ReLU`s that may have switched, if there are any and nothing was wrong before.
fn kink_note(run: &[Step]) -> Option<String> {
    let first = run.iter().find(|step| step.kinks > 0 || step.judged && !step.passed())?;
    if first.kinks == 0 {
        return None;
    }
    let units = if first.kinks == 1 { "1 ReLU".to_owned() } else { format!("{} ReLUs", first.kinks) };
    let mut note = format!("{units} at a kink in step {}: may be on in one and off in the other", first.step);
    let unjudged = run.iter().filter(|step| !step.judged).count();
    if unjudged > 0 {
        let _ = write!(note, "; {unjudged} of {} steps differ by that and are not judged", run.len());
    }
    Some(note)
}

/// The only item of an engine with one model and one step.
pub(super) fn only<T>(mut items: impl ExactSizeIterator<Item = T>) -> Result<T> {
    let found = items.len();
    match items.next() {
        Some(item) if found == 1 => Ok(item),
        _ => Err(Error::Internal(format!("an engine of one model gave {found} results"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::reference::Layer;

    #[test]
    fn what_enters_a_relu_is_the_product_and_the_bias() {
        let w1 = Matrix { values: vec![1.0, 10.0, 2.0, 20.0, 3.0, 30.0], columns: 2 };
        let layer = |weights, bias: [f64; 2]| Layer { W: weights, b: bias.to_vec() };
        let network = Network { layers: vec![layer(w1, [0.5, -0.5]), layer(Matrix::of(2, 2, |_, _| 0.0), [0.0; 2])] };
        let x = Matrix { values: vec![1.0, 1.0, -1.0, 0.0, 1.0, 0.0], columns: 3 };
        // 1·1 + 1·2 − 1·3 + 0.5 and 0·1 + 1·2 + 0·3 + 0.5; then 10 + 20 − 30 − 0.5 and 20 − 0.5.
        assert_eq!(inputs_of_relu(&x, &network), [0.5, 2.5, -0.5, 19.5]);
    }
}
