//! Every shader against its f64 twin, over a table of cases.
//!
//! A case is one dispatch: a kernel, a shape, a kind of input. Its printed name can be passed back as `--case`.

mod forward;
mod head;
mod inputs;
mod sums;
mod update;

use std::fmt;

use wgpu::Limits;

use super::launch::Launch;
use crate::engine::Job;
use crate::error::Result;
use crate::gpu::kernels::{Kernel, Step, Use};
use crate::gpu::plan::{Plan, Tuning};
use crate::model::ModelSpec;
use inputs::Draw;
pub use inputs::Kind;

/// Limit of a sum of `terms` products, in multiples of `u · Σ|terms|`.
///
/// Whatever the order, a sum of K products has an error of at most K + 2 (Higham 2002, § 3.1). A good one stays far below:
/// 16 or 2√K, whichever is larger, is three times the worst seen with inputs all of one sign (35 at K = 3,072). Inputs
/// rounded to TF32 or f16 give 555, one dropped term of 3,072 gives 81,914. `roundings` are those of the terms themselves,
/// before they are summed. Worst seen of all kernels, `verify --full` on llvmpipe and on `SwiftShader`: 36 % of the limit
/// (`hidden` of `head`: 2.5 of 7). Worst values beside a limit here and below are of those two.
fn sum_limit(terms: u64, roundings: u64) -> f64 {
    let k = terms as f64;
    (k + 2.0).min((2.0 * k.sqrt()).max(16.0)) + roundings as f64
}

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

/// One dispatch to check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Case {
    /// The kernel, as in training or as in evaluation.
    pub of: Use,
    /// The shape.
    pub shape: Shape,
    /// The inputs.
    pub kind: Kind,
    /// How the work is cut.
    pub tuning: Tuning,
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Shape { d, h, c, m, b, own } = self.shape;
        let batches = if own { "own" } else { "shared" };
        let pass = if matches!(self.of, Use::EvalForward | Use::EvalHead) { "evaluate" } else { "train" };
        let kind = match self.kind {
            Kind::Random => "random",
            Kind::Integers => "integers",
            Kind::Extreme => "extreme",
        };
        let (kernel, tuning) = (self.of.kernel().name(), self.tuning);
        write!(f, "{kernel}/D{d}-H{h}-C{c}-M{m}-B{b}-{batches}/{tuning}/{pass}/{kind}")
    }
}

/// What the cases of one kernel share: the plan, the places of the step's tables, the stream of inputs.
struct Bench {
    case: Case,
    plan: Plan,
    draw: Draw,
    /// Not at the start of any table, so that a kernel that forgets an offset is seen.
    step: Step,
}

/// Rows before the step's in the chunk, its place among the learning rates and among the losses.
const BEFORE: (usize, usize, usize) = (3, 2, 5);

/// Images of the next step: a short batch after a full one, but for a batch of one.
fn next_rows(b: usize) -> usize {
    b - b / 3
}

impl Bench {
    /// Numbers `H`, `HP`, `M`, `B` as usize, so often needed together.
    fn sizes(&self) -> (usize, usize, usize, usize) {
        (self.case.shape.h, self.plan.padded as usize, self.case.shape.m, self.case.shape.b)
    }

    /// Number of different batches.
    fn batches(&self) -> usize {
        if self.case.shape.own && self.case.of.trains() { self.case.shape.m } else { 1 }
    }

    /// Model `m`'s part of rows that come batch after batch, the rows before the step left out.
    fn batch_of(&self, m: usize) -> std::ops::Range<usize> {
        let first = BEFORE.0 + m % self.batches() * self.case.shape.b;
        first..first + self.case.shape.b
    }

    /// Model `m`'s part of the next step's rows.
    fn next_batch_of(&self, m: usize) -> std::ops::Range<usize> {
        let next = next_rows(self.case.shape.b);
        let first = BEFORE.0 + self.batches() * self.case.shape.b + m % self.batches() * next;
        first..first + next
    }

    fn launch(&self, tensors: Vec<super::launch::Tensor>, expected: Vec<super::launch::Expected>) -> Launch {
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

impl Case {
    /// The dispatch and its reference.
    ///
    /// # Errors
    ///
    /// [`crate::error::Error::Usage`] if the shape does not fit an adapter of these limits.
    pub fn launch(&self, limits: &Limits) -> Result<Launch> {
        let Shape { d, h, c, m, b, own } = self.shape;
        let job = Job {
            model: ModelSpec::new(d, h, c)?,
            decay: vec![0.0; m],
            batch_size: b,
            shuffles: if own { m } else { 1 },
        };
        let plan = Plan::new(&job, limits, false, Some(self.tuning))?;
        let draw = Draw::new(&self.to_string(), self.kind);
        let (row, rate, loss) = BEFORE;
        let step = Step {
            row: row as u32,
            rows: b as u32,
            rate: rate as u32,
            loss: loss as u32,
            next_row: (row + job.shuffles * b) as u32,
            next_rows: next_rows(b) as u32,
        };
        let bench = Bench { case: *self, plan, draw, step };
        Ok(match self.of.kernel() {
            Kernel::Forward => forward::forward(bench),
            Kernel::Update => update::update(bench),
            Kernel::Head => head::head(bench),
            Kernel::Gather => sums::gather(bench),
            Kernel::Tally => sums::tally(bench),
            Kernel::Squares => sums::squares(bench),
        })
    }
}

/// Odd, pairwise different sizes; boundaries of every tile (32 inputs, 512 of a group, 64 rows, 64 columns, 4 columns, 128
/// and 8 units, 16 classes, 8 and 32 images, 32 values); M = 1 and 3, batches shared and own.
const SMALL: &[Shape] = &[
    Shape { d: 37, h: 5, c: 3, m: 1, b: 13, own: false },
    Shape { d: 1, h: 1, c: 2, m: 1, b: 1, own: false },
    Shape { d: 31, h: 4, c: 7, m: 3, b: 9, own: false },
    Shape { d: 33, h: 7, c: 5, m: 3, b: 11, own: true },
    Shape { d: 64, h: 63, c: 15, m: 1, b: 65, own: false },
    Shape { d: 65, h: 64, c: 16, m: 1, b: 63, own: false },
    Shape { d: 95, h: 65, c: 17, m: 1, b: 64, own: false },
    Shape { d: 101, h: 50, c: 10, m: 3, b: 31, own: false },
    Shape { d: 127, h: 127, c: 33, m: 1, b: 33, own: false },
    Shape { d: 130, h: 129, c: 11, m: 3, b: 7, own: true },
    Shape { d: 61, h: 2, c: 130, m: 1, b: 129, own: false },
    // 32 slices, two groups, the last slice short.
    Shape { d: 1001, h: 130, c: 3, m: 1, b: 131, own: false },
];

/// The shapes that people train: the report's, alone and among others, and wider ones.
const REAL: &[Shape] = &[
    Shape { d: 3072, h: 50, c: 10, m: 1, b: 100, own: false },
    Shape { d: 3072, h: 50, c: 10, m: 3, b: 100, own: true },
    Shape { d: 3072, h: 50, c: 10, m: 30, b: 100, own: false },
    Shape { d: 3072, h: 1000, c: 10, m: 1, b: 100, own: false },
    Shape { d: 3072, h: 127, c: 10, m: 1, b: 257, own: false },
    Shape { d: 3071, h: 1, c: 100, m: 1, b: 2001, own: false },
];

/// The table of cases; `full` adds the real shapes.
pub fn cases(full: bool) -> Vec<Case> {
    let mut cases = Vec::new();
    for kernel in Kernel::ALL {
        // A software driver takes seconds for the real shapes, so `--quick` has just the first.
        for (i, shape) in SMALL.iter().chain(&REAL[..if full { REAL.len() } else { 1 }]).enumerate() {
            // Every tuning gets its turn, and both numbers of stages all shapes.
            let tunings = [Tuning::ALL[0], Tuning::ALL[1 + i % (Tuning::ALL.len() - 1)]];
            for tuning in tunings {
                let mut add = |kind, of| cases.push(Case { of, shape: *shape, kind, tuning });
                match kernel {
                    Kernel::Forward => {
                        add(Kind::Random, Use::Forward);
                        add(Kind::Integers, Use::Forward);
                        if shape.own {
                            add(Kind::Random, Use::EvalForward);
                        }
                    }
                    Kernel::Head if tuning.fused => {
                        add(Kind::Random, Use::Head);
                        add(Kind::Integers, Use::Head);
                        add(Kind::Random, Use::EvalHead);
                    }
                    Kernel::Head => add(Kind::Extreme, Use::Head),
                    Kernel::Update => {
                        let of = if tuning.fused { Use::FusedUpdate } else { Use::Update };
                        add(Kind::Random, of);
                        add(Kind::Integers, of);
                    }
                    // These do not depend on the tuning.
                    Kernel::Gather if tuning.fused => add(Kind::Integers, Use::Gather),
                    Kernel::Tally | Kernel::Squares if tuning.fused => {
                        let of = if kernel == Kernel::Tally { Use::Tally } else { Use::SquaresW1 };
                        add(Kind::Random, of);
                        add(Kind::Integers, of);
                    }
                    Kernel::Gather | Kernel::Tally | Kernel::Squares => {}
                }
            }
        }
    }
    cases
}
