//! How each kernel is dispatched: `override` constants and workgroups.

use super::sizes::{Plan, Wide};
use super::tiles::{ACTIVATED, COLUMNS, GROUP, PART, TALLY, UPDATE_ROW, VALUES, WORDS};
use crate::gpu::kernels::Use;
use crate::model::optimizer::Optimizer;
use crate::model::regularise::{Dropout, Regularise};

/// Slices of a workgroup of `update`: the next step's product has room beside one alone.
const fn update_slices(of: Use) -> u64 {
    if matches!(of, Use::FusedUpdate) { 1 } else { 2 }
}

impl Plan {
    /// `override` constants, but for those of `gather` that depend on the images.
    pub fn constants(&self, of: Use) -> Vec<(&'static str, f64)> {
        let (models, classes) = (self.job.models() as f64, self.job.model.classes as f64);
        let place = of.layer().unwrap_or(self.layers.len() - 1);
        let layer = &self.layers[place.min(self.layers.len() - 1)];
        let [d, h, padded, columns, outputs] =
            [layer.inputs, layer.units, layer.padded, layer.columns, layer.outputs].map(|size| size as f64);
        let batch_columns = if self.own_inputs(of) { padded } else { columns };
        let group = self.slices_of_a_partial(place, of.trains());
        let (thread_rows, thread_columns) = self.tuning.threads;
        let flag = |is: bool| f64::from(u8::from(is));
        let tile = [
            ("THREAD_ROWS", thread_rows.into()),
            ("THREAD_COLUMNS", thread_columns.into()),
            ("QUADS", self.tuning.quads.into()),
            ("WORKGROUP", (thread_rows * thread_columns).into()),
            ("M", models),
        ];
        let sums = [
            ("PARTIALS", self.partials(place.min(self.layers.len() - 1), of.trains()) as f64),
            ("GROUP", (GROUP / group) as f64),
            ("GROUPS", layer.groups() as f64),
        ];
        match of {
            Use::Gather => vec![("D", self.job.model.inputs as f64), ("WORDS", self.words() as f64)],
            Use::Forward(_) | Use::EvalForward(_) => {
                let sizes = [
                    ("D", d),
                    ("N", columns),
                    ("BATCH_COLUMNS", batch_columns),
                    ("GROUP", group as f64),
                    ("ROWS", 0.0),
                ];
                sizes.into_iter().chain(tile).chain(self.input_masks(of)).collect()
            }
            Use::Backward(_) => {
                let before = &self.layers[place - 1];
                let sizes = [
                    ("D", h),
                    ("N", before.columns as f64),
                    ("BATCH_COLUMNS", before.padded as f64),
                    ("GROUP", GROUP as f64),
                    ("ROWS", before.units as f64),
                ];
                sizes.into_iter().chain(tile).chain(self.input_masks(of)).collect()
            }
            Use::Activate(_) | Use::EvalActivate(_) => {
                let sizes = [("H", h), ("HP", padded), ("N", columns), ("M", models)];
                sizes.into_iter().chain(sums).chain(self.masks(of)).collect()
            }
            Use::ActivateBackward(_) => {
                let (_, kept) = Dropout::constants(self.job.regularise.dropout);
                vec![("N", columns), ("PARTIALS", self.back_partials(place + 1) as f64), ("KEPT", kept.into())]
            }
            Use::Head | Use::EvalHead => {
                let sizes = [
                    ("H", h),
                    ("HP", padded),
                    ("C", classes),
                    ("M", models),
                    ("SHUFFLES", if self.own_batches(of) { models } else { 1.0 }),
                    ("TRAIN", flag(of == Use::Head)),
                    ("LINEAR", flag(outputs == 0.0)),
                    ("BLOCK", self.head_block() as f64),
                    ("WORKGROUP", self.head_threads.into()),
                    ("SMOOTHING", if of == Use::Head { self.job.regularise.label_smoothing.into() } else { 0.0 }),
                ];
                sizes.into_iter().chain(sums).chain(self.masks(of)).collect()
            }
            Use::Update(_) | Use::FusedUpdate => {
                let sizes = [
                    ("D", d),
                    ("H", h),
                    ("HP", padded),
                    ("C", classes),
                    ("M", models),
                    ("BATCH_COLUMNS", batch_columns),
                    ("OUTPUTS", outputs),
                    ("LOSS", flag(place + 1 == self.layers.len())),
                    ("FUSED", flag(of == Use::FusedUpdate)),
                    ("SLICES", update_slices(of) as f64),
                ];
                sizes.into_iter().chain(self.optimizer()).chain(self.input_masks(of)).collect()
            }
            Use::Tally => vec![("M", models)],
            Use::Squares(place) if place < self.layers.len() => {
                vec![("WIDTH", h), ("HEIGHT", d), ("STRIDE", columns), ("STEP", padded)]
            }
            Use::Squares(_) => {
                vec![("WIDTH", classes), ("HEIGHT", h), ("STRIDE", classes), ("STEP", outputs + h)]
            }
        }
    }

    /// `LAYER`, `BELOW` and `KEPT`: dropout of the inputs where a kernel reads images, else of its layer's units; none in an
    /// evaluation.
    fn masks(&self, of: Use) -> [(&'static str, f64); 3] {
        let Regularise { dropout, input_dropout, .. } = self.job.regularise;
        let (p, layer) = match of {
            Use::Forward(0) | Use::Update(0) | Use::FusedUpdate => (input_dropout, 0),
            Use::Activate(layer) => (dropout, layer + 1),
            // Without hidden layers there is nothing to leave out.
            Use::Head if !self.job.model.hidden.is_empty() => (dropout, self.layers.len()),
            _ => (0.0, 0),
        };
        let (below, kept) = Dropout::constants(p);
        [("LAYER", layer as f64), ("BELOW", below.into()), ("KEPT", kept.into())]
    }

    /// The same of a kernel that reads inputs, whose layer is a constant.
    fn input_masks(&self, of: Use) -> [(&'static str, f64); 2] {
        let [_, below, kept] = self.masks(of);
        [below, kept]
    }

    fn optimizer(&self) -> [(&'static str, f64); 3] {
        let (kind, momentum, weight_decay) = match self.job.optimizer {
            Optimizer::Sgd { momentum: 0.0, .. } => (0.0, 0.0, 0.0),
            Optimizer::Sgd { momentum, nesterov } => (if nesterov { 2.0 } else { 1.0 }, momentum, 0.0),
            Optimizer::Adamw { weight_decay } => (3.0, 0.0, weight_decay),
        };
        [("OPTIMIZER", kind), ("MOMENTUM", momentum.into()), ("WEIGHT_DECAY", weight_decay.into())]
    }

    /// Workgroups of a dispatch over `rows` images.
    pub fn grid(&self, of: Use, rows: u64) -> [u32; 3] {
        self.workgroups(of, rows).map(|groups| groups as u32)
    }

    pub(super) fn workgroups(&self, of: Use, rows: u64) -> [u64; 3] {
        let (m, c) = (self.job.models() as u64, self.job.model.classes as u64);
        let place = of.layer().unwrap_or(self.layers.len() - 1);
        let layer = &self.layers[place.min(self.layers.len() - 1)];
        // With inputs a model, tiles do not cross models.
        let tiles = |layer: &Wide, width: u64| {
            if self.own_inputs(of) { m * layer.padded.div_ceil(width) } else { layer.columns.div_ceil(width) }
        };
        let (height, width) = self.tuning.tile();
        match of {
            Use::Gather => [rows, self.words().div_ceil(WORDS), 1],
            Use::Forward(_) | Use::EvalForward(_) => {
                [tiles(layer, width), rows.div_ceil(height), self.partials(place, of.trains())]
            }
            Use::Backward(_) => {
                [tiles(&self.layers[place - 1], width), rows.div_ceil(height), self.back_partials(place)]
            }
            Use::Activate(_) | Use::EvalActivate(_) | Use::ActivateBackward(_) => {
                [rows, layer.columns.div_ceil(ACTIVATED), 1]
            }
            Use::Head | Use::EvalHead => [rows, m, 1],
            Use::Update(_) | Use::FusedUpdate => {
                let slices = layer.slices.div_ceil(update_slices(of));
                let total = tiles(layer, COLUMNS) * slices + m * (layer.outputs + layer.units + 1).div_ceil(VALUES);
                [total.min(UPDATE_ROW), total.div_ceil(UPDATE_ROW), 1]
            }
            Use::Tally => [rows.div_ceil(TALLY), m, 1],
            Use::Squares(place) if place < self.layers.len() => [(layer.inputs * layer.units).div_ceil(PART), m, 1],
            Use::Squares(_) => [(layer.units * c).div_ceil(PART), m, 1],
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use wgpu::Limits;

    use super::*;
    use crate::engine::Job;
    use crate::model::ModelSpec;

    #[test]
    fn every_override_of_a_shader_is_given_and_nothing_else() {
        for hidden in ["50", "50,40,30", "none"] {
            let model = ModelSpec::new(3072, hidden.parse().unwrap(), 10).unwrap();
            let job = Job::new(model);
            let plan = Plan::new(&job, &Limits::default(), false, None).unwrap();
            for of in plan.uses() {
                let mut given: BTreeSet<_> = plan.constants(of).into_iter().map(|(name, _)| name).collect();
                if of == Use::Gather {
                    given.extend(["WIDTH", "HEIGHT", "FIRST", "COUNT"]);
                }
                assert_eq!(of.kernel().interface().unwrap().overrides().collect::<BTreeSet<_>>(), given, "{of:?}");
            }
        }
    }
}
