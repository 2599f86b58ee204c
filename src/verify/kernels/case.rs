//! What the kernels' checks have in common: shapes, cases, and the place of a case's tables.

use std::fmt;

use super::inputs::{Draw, Kind};
use crate::engine::Job;
use crate::error::Result;
use crate::gpu::kernels::{Step, Use};
use crate::gpu::plan::{Plan, Tuning, Wide};
use crate::model::ModelSpec;
use crate::model::optimizer::Optimizer;
use crate::model::regularise::{Key, Regularise, Training, keys};
use crate::proof::compare::Rule;
use crate::verify::launch::{Expected, Launch, Tensor};

/// Limit of a sum of `terms` products, in multiples of `u · Σ|terms|`.
///
/// Whatever the order, a sum of K products has an error of at most K + 2 (Higham 2002, § 3.1). A good one stays far below:
/// 16 or 2√K, whichever is larger, is three times the worst seen with inputs all of one sign (35 at K = 3,072). Inputs
/// rounded to TF32 or f16 give 555, one dropped term of 3,072 gives 81,914. `roundings` are those of the terms themselves,
/// before they are summed. Worst seen of all kernels, `verify --quick` on llvmpipe: 45 % of the limit (partial
/// sums of `backward`: 1.8 of 4). Worst values beside a limit here and below are of that or of `verify --full` on it and on
/// `SwiftShader`.
pub(super) fn sum_limit(terms: u64, roundings: u64) -> f64 {
    let k = terms as f64;
    (k + 2.0).min((2.0 * k.sqrt()).max(16.0)) + roundings as f64
}

/// Units of a layer that a case is not about: two groups of slices.
const OTHER: usize = 530;

/// A shape to try, in the letters of the crate's page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Inputs.
    pub d: usize,
    /// Hidden units.
    pub h: usize,
    /// Classes.
    pub c: usize,
    /// Models.
    pub m: usize,
    /// Images of the batch.
    pub b: usize,
    /// Whether every model has its own batch.
    pub own: bool,
}

impl Shape {
    /// A job of this shape, without penalties.
    pub(in crate::verify) fn job(&self) -> Result<Job> {
        self.job_of(Use::Head)
    }

    /// A job in which that layer has this shape which `of` is of.
    pub(super) fn job_of(&self, of: Use) -> Result<Job> {
        let &Self { d, h, c, m, b, own } = self;
        let (inputs, hidden) = match of {
            Use::Activate(_) | Use::EvalActivate(_) | Use::ActivateBackward(_) => (d, vec![h, OTHER]),
            _ if of.layer() == Some(1) => (OTHER, vec![d, h]),
            _ => (d, vec![h]),
        };
        let model = ModelSpec::new(inputs, hidden.into(), c)?;
        Ok(Job { decay: vec![0.0; m], batch_size: b, shuffles: if own { m } else { 1 }, ..Job::new(model) })
    }
}

/// One dispatch to check.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Case {
    /// The kernel, as in training or as in evaluation.
    pub of: Use,
    /// The shape.
    pub shape: Shape,
    /// The inputs.
    pub kind: Kind,
    /// How the work is cut.
    pub tuning: Tuning,
    /// Of `update`, how the gradients move the weights.
    pub optimizer: Optimizer,
    /// What the step does that scoring does not.
    pub regularise: Regularise,
}

impl Case {
    /// Of plain SGD.
    pub fn new(of: Use, shape: Shape, kind: Kind, tuning: Tuning) -> Self {
        let (optimizer, regularise) = Default::default();
        Self { of, shape, kind, tuning, optimizer, regularise }
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { d, h, c, m, b, own } = self;
        let batches = if *own { "own" } else { "shared" };
        write!(f, "D{d}-H{h}-C{c}-M{m}-B{b}-{batches}")
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pass = if matches!(self.of, Use::EvalForward(_) | Use::EvalActivate(_) | Use::EvalHead) {
            "evaluate"
        } else {
            "train"
        };
        let kind = format!("{:?}", self.kind).to_lowercase();
        write!(f, "{}/{}/{}/{pass}/{kind}", self.of.kernel().name(), self.shape, self.tuning)?;
        f.write_str(match self.optimizer {
            Optimizer::Sgd { momentum: 0.0, .. } => "",
            Optimizer::Sgd { nesterov: false, .. } => "/momentum",
            Optimizer::Sgd { .. } => "/nesterov",
            Optimizer::Adamw { .. } => "/adamw",
        })?;
        f.write_str(if self.regularise == Regularise::default() { "" } else { "/regularised" })
    }
}

/// What the cases of one kernel share: the plan, the places of the step's tables, the stream of inputs.
pub(super) struct Bench {
    pub(super) case: Case,
    pub(super) plan: Plan,
    pub(super) draw: Draw,
    /// Not at the start of any table, so that a kernel that forgets an offset is seen.
    pub(super) step: Step,
}

/// Steps that an optimizer has taken before.
pub(super) const STEPS: u64 = 3;
/// Rows before the step's in the chunk, its place among the learning rates and among the losses.
pub(super) const BEFORE: (usize, usize, usize) = (3, 2, 5);

/// The key at a place of the table of rates.
fn key(at: usize) -> Key {
    keys(at as u64)(0)
}

/// The table of rates, from rates and decays by turns: `[steps, M, 4]`.
pub(super) fn rates(rates: &[f32]) -> Tensor {
    let told = rates.chunks_exact(2).enumerate();
    let words = told.flat_map(|(at, rates)| [rates[0].to_bits(), rates[1].to_bits(), key(at)[0], key(at)[1]]);
    Tensor::integers("rates", words.collect())
}

/// Images of the next step: a short batch after a full one, but for a batch of one.
pub(super) fn next_rows(b: usize) -> usize {
    b - b / 3
}

impl Bench {
    /// Numbers `H`, `HP`, `M`, `B` as usize, so often needed together.
    pub(super) fn sizes(&self) -> (usize, usize, usize, usize) {
        (self.case.shape.h, self.layer().padded as usize, self.case.shape.m, self.case.shape.b)
    }

    /// The layer that the case is about.
    pub(super) fn layer(&self) -> &Wide {
        self.case.of.layer().map_or(self.plan.last(), |layer| &self.plan.layers[layer])
    }

    pub(super) fn batches(&self) -> usize {
        if self.case.shape.own && self.case.of.trains() { self.case.shape.m } else { 1 }
    }

    /// Model `m`'s part of rows that come batch after batch, the rows before the step left out.
    pub(super) fn batch_of(&self, m: usize) -> std::ops::Range<usize> {
        let first = BEFORE.0 + m % self.batches() * self.case.shape.b;
        first..first + self.case.shape.b
    }

    /// Model `m`'s part of the next step's rows.
    pub(super) fn next_batch_of(&self, m: usize) -> std::ops::Range<usize> {
        let next = next_rows(self.case.shape.b);
        let first = BEFORE.0 + self.batches() * self.case.shape.b + m % self.batches() * next;
        first..first + next
    }

    /// Where model `m` stands in the step's row of the table of rates, or in the next one's. Models with the same batch share
    /// the masks of their inputs: those of the first.
    pub(super) fn at(&self, m: usize, next: usize) -> usize {
        (BEFORE.1 + next) * self.case.shape.m + m
    }

    /// What the step, or the next one, does with model `m`.
    pub(super) fn training(&self, m: usize, next: usize) -> Training {
        let regularise = if self.case.of.trains() { self.case.regularise } else { Regularise::default() };
        Training { regularise, key: key(self.at(m, next)) }
    }

    /// The table of rates of a kernel that needs nothing but the keys.
    pub(super) fn keys(&self) -> Tensor {
        rates(&vec![f32::NAN; 2 * self.at(0, 2)])
    }

    /// Equality for integers, else `limit` multiples of `u · gauge`.
    pub(super) fn rule(&self, limit: f64, gauge: impl FnOnce() -> Vec<f64>) -> Rule {
        if self.draw.exact() { Rule::Exact } else { Rule::Gauge { gauge: gauge(), limit } }
    }

    pub(super) fn launch(&self, tensors: Vec<Tensor>, expected: Vec<Expected>) -> Launch {
        let Case { of, shape, .. } = self.case;
        Launch {
            kernel: of.kernel(),
            constants: self.plan.constants(of),
            step: self.step,
            grid: self.plan.grid(of, shape.b as u64),
            work: self.plan.work(of, shape.b as u64, self.step.next_rows.into()),
            tensors,
            expected,
        }
    }
}
