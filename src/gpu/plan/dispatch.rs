//! How each kernel is dispatched: `override` constants and workgroups.

use super::sizes::Plan;
use super::tiles::{COLUMNS, GROUP, PART, TALLY, UPDATE_ROW, VALUES, WORDS};
use crate::gpu::kernels::Use;
use crate::model::ModelSpec;

/// Slices of a workgroup of `update`: the next step's product has room beside one alone.
const fn update_slices(of: Use) -> u64 {
    if matches!(of, Use::FusedUpdate) { 1 } else { 2 }
}

impl Plan {
    /// `override` constants, but for those of `gather` that depend on the buffer of images.
    pub fn constants(&self, of: Use) -> Vec<(&'static str, f64)> {
        let ModelSpec { inputs: d, hidden: h, classes: c } = self.job.model;
        let (padded, columns, models) = (self.padded as f64, self.columns as f64, self.job.models() as f64);
        let (d, h, c) = (d as f64, h as f64, c as f64);
        let own = self.own_batches(of.trains());
        let batch_columns = if own { padded } else { columns };
        let group = self.slices_of_a_partial(of.trains());
        let (thread_rows, thread_columns) = self.tuning.threads;
        match of {
            Use::Gather => vec![("WORDS", self.words() as f64)],
            Use::Forward | Use::EvalForward => vec![
                ("D", d),
                ("N", columns),
                ("BATCH_COLUMNS", batch_columns),
                ("GROUP", group as f64),
                ("THREAD_ROWS", thread_rows.into()),
                ("THREAD_COLUMNS", thread_columns.into()),
                ("QUADS", self.tuning.quads.into()),
                ("WORKGROUP", (thread_rows * thread_columns).into()),
            ],
            Use::Head | Use::EvalHead => vec![
                ("H", h),
                ("HP", padded),
                ("C", c),
                ("M", models),
                ("PARTIALS", self.partials(of.trains()) as f64),
                ("GROUP", (GROUP / group) as f64),
                ("GROUPS", self.groups() as f64),
                ("SHUFFLES", if own { models } else { 1.0 }),
                ("TRAIN", f64::from(u8::from(of == Use::Head))),
                ("BLOCK", self.head_block() as f64),
                ("WORKGROUP", self.head_threads.into()),
            ],
            Use::Update | Use::FusedUpdate => vec![
                ("D", d),
                ("H", h),
                ("HP", padded),
                ("C", c),
                ("M", models),
                ("BATCH_COLUMNS", batch_columns),
                ("FUSED", f64::from(u8::from(of == Use::FusedUpdate))),
                ("SLICES", update_slices(of) as f64),
            ],
            Use::Tally => vec![("M", models)],
            Use::SquaresW1 => vec![("WIDTH", h), ("HEIGHT", d), ("STRIDE", columns), ("STEP", padded)],
            Use::SquaresW2 => vec![("WIDTH", c), ("HEIGHT", h), ("STRIDE", c), ("STEP", h * c + c + h)],
        }
    }

    /// Workgroups of a dispatch over `rows` images.
    pub fn grid(&self, of: Use, rows: u64) -> [u32; 3] {
        self.workgroups(of, rows).map(|groups| groups as u32)
    }

    pub(super) fn workgroups(&self, of: Use, rows: u64) -> [u64; 3] {
        let [d, h, c] = [self.job.model.inputs, self.job.model.hidden, self.job.model.classes].map(|size| size as u64);
        let m = self.job.models() as u64;
        // With a batch a model, tiles do not cross models.
        let tiles = |width: u64| {
            if self.own_batches(of.trains()) { m * self.padded.div_ceil(width) } else { self.columns.div_ceil(width) }
        };
        match of {
            Use::Gather => [rows, self.words().div_ceil(WORDS), 1],
            Use::Forward | Use::EvalForward => {
                let (height, width) = self.tuning.tile();
                [tiles(width), rows.div_ceil(height), self.partials(of.trains())]
            }
            Use::Head | Use::EvalHead => [rows, m, 1],
            Use::Update | Use::FusedUpdate => {
                let slices = self.slices.div_ceil(update_slices(of));
                let total = tiles(COLUMNS) * slices + m * (h * c + c + h + 1).div_ceil(VALUES);
                [total.min(UPDATE_ROW), total.div_ceil(UPDATE_ROW), 1]
            }
            Use::Tally => [rows.div_ceil(TALLY), m, 1],
            Use::SquaresW1 => [(d * h).div_ceil(PART), m, 1],
            Use::SquaresW2 => [(h * c).div_ceil(PART), m, 1],
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use wgpu::Limits;

    use super::*;
    use crate::engine::Job;

    #[test]
    fn every_override_of_a_shader_is_given_and_nothing_else() {
        let model = ModelSpec { inputs: 3072, hidden: 50, classes: 10 };
        let job = Job { model, decay: vec![0.0], batch_size: 100, shuffles: 1 };
        let plan = Plan::new(&job, &Limits::default(), false, None).unwrap();
        for of in Use::ALL {
            let mut given: BTreeSet<_> = plan.constants(of).into_iter().map(|(name, _)| name).collect();
            if of == Use::Gather {
                given.extend(["FIRST", "COUNT"]);
            }
            assert_eq!(of.kernel().interface().unwrap().overrides().collect::<BTreeSet<_>>(), given, "{of:?}");
        }
    }
}
