//! Every shader against the reference, over a table of cases. The list of checks, the mutants and `profile` use it.
//!
//! A case is one dispatch: a kernel, a shape, a kind of input. Its printed name can be passed back as `--case`.

mod activate;
mod case;
mod forward;
mod head;
mod inputs;
mod sums;
mod update;

use wgpu::Limits;

use self::case::{BEFORE, Bench, STEPS, next_rows};
pub use self::case::{Case, Shape};
use self::inputs::Draw;
pub use self::inputs::Kind;
use super::launch::Launch;
use crate::engine::Job;
use crate::error::Result;
use crate::gpu::kernels::{Kernel, Step, Use};
use crate::gpu::plan::{Plan, Tuning};
use crate::model::optimizer::Optimizer;
use crate::model::regularise::Regularise;

impl Case {
    /// The dispatch and its reference.
    ///
    /// # Errors
    ///
    /// [`crate::error::Error::Usage`] if the shape does not fit an adapter of these limits.
    pub fn launch(&self, limits: &Limits) -> Result<Launch> {
        let job = Job { optimizer: self.optimizer, regularise: self.regularise, ..self.shape.job_of(self.of)? };
        let [correction1, correction2] = self.optimizer.corrections(STEPS).map(|number| number as f32);
        let b = job.batch_size;
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
            correction1,
            correction2,
        };
        let bench = Bench { case: *self, plan, draw, step };
        Ok(match self.of.kernel() {
            Kernel::Forward | Kernel::HiddenForward => forward::forward(bench),
            Kernel::Backward => forward::backward(bench),
            Kernel::Activate => activate::activate(bench),
            Kernel::ActivateBackward => activate::activate_backward(bench),
            Kernel::Update | Kernel::HiddenUpdate => update::update(bench),
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

/// The optimizers beside plain SGD; what `AdamW` makes of integers is none.
const OTHERS: [Optimizer; 3] = [
    Optimizer::Sgd { momentum: 0.5, nesterov: false },
    Optimizer::Sgd { momentum: 0.5, nesterov: true },
    Optimizer::Adamw { weight_decay: 0.5 },
];

/// What a training may do to images, units and labels; of integers it makes integers, but for the targets.
fn regularise(kind: Kind) -> Regularise {
    let dropout = if kind == Kind::Integers { 0.5 } else { 0.3 };
    Regularise { label_smoothing: 0.1, mixup: 1.0, dropout, input_dropout: dropout }
}

/// The shapes of a level. A software driver takes seconds for the real ones, so `--quick` has just the first.
pub fn shapes(full: bool) -> impl Iterator<Item = Shape> {
    SMALL.iter().chain(&REAL[..if full { REAL.len() } else { 1 }]).copied()
}

/// The table of cases; `full` adds the real shapes.
pub fn cases(full: bool) -> Vec<Case> {
    use Kind::{Extreme, Integers, Random};
    let mut cases = Vec::new();
    for kernel in Kernel::ALL {
        for (i, shape) in shapes(full).enumerate() {
            // Every tuning gets its turn, and both numbers of stages all shapes.
            let tunings = [Tuning::ALL[0], Tuning::ALL[1 + i % (Tuning::ALL.len() - 1)]];
            for tuning in tunings {
                let inputs: &[(Kind, Use)] = match kernel {
                    Kernel::Forward if shape.own => {
                        &[(Random, Use::Forward(0)), (Integers, Use::Forward(0)), (Random, Use::EvalForward(0))]
                    }
                    Kernel::Forward => &[(Random, Use::Forward(0)), (Integers, Use::Forward(0))],
                    Kernel::HiddenForward => &[(Random, Use::Forward(1)), (Integers, Use::Forward(1))],
                    Kernel::Backward => &[(Random, Use::Backward(1)), (Integers, Use::Backward(1))],
                    Kernel::HiddenUpdate if !tuning.fused => &[(Random, Use::Update(1)), (Integers, Use::Update(1))],
                    Kernel::Activate => &[(Random, Use::Activate(0)), (Integers, Use::Activate(0))],
                    Kernel::Head if tuning.fused => {
                        &[(Random, Use::Head), (Integers, Use::Head), (Random, Use::EvalHead)]
                    }
                    Kernel::Head => &[(Extreme, Use::Head)],
                    Kernel::Update if tuning.fused => &[(Random, Use::FusedUpdate), (Integers, Use::FusedUpdate)],
                    Kernel::Update => &[(Random, Use::Update(0)), (Integers, Use::Update(0))],
                    // The others do not depend on the tuning.
                    _ if !tuning.fused => &[],
                    Kernel::HiddenUpdate => &[],
                    Kernel::ActivateBackward => {
                        &[(Random, Use::ActivateBackward(0)), (Integers, Use::ActivateBackward(0))]
                    }
                    Kernel::Gather => &[(Integers, Use::Gather)],
                    Kernel::Tally => &[(Random, Use::Tally), (Integers, Use::Tally)],
                    Kernel::Squares => &[(Random, Use::Squares(0)), (Integers, Use::Squares(0))],
                };
                let plain = |&(kind, of): &(Kind, Use)| Case::new(of, shape, kind, tuning);
                cases.extend(inputs.iter().map(plain));
                let regularised = inputs.iter().filter(|(_, of)| of.regularises());
                cases.extend(regularised.map(|case| Case { regularise: regularise(case.0), ..plain(case) }));
                let updates = inputs.iter().filter(|(_, of)| matches!(of, Use::Update(_) | Use::FusedUpdate));
                cases.extend(updates.map(|case| {
                    let optimizer = OTHERS[i % if case.0 == Integers { 2 } else { 3 }];
                    Case { optimizer, ..plain(case) }
                }));
            }
        }
    }
    cases
}
