//! The weights of all models as they lie on the GPU: the hidden units side by side, each model's padded to a multiple of
//! four (`W1 [D, M·HP]`), and the small tensors model after model (`[M][H·C + C + H]`: W2, b2, b1).

use super::context::Gpu;
use super::plan::Plan;
use super::wait::Copy;
use crate::error::Result;
use crate::model::params::{B1, B2, Params, W1, W2};

/// Their buffers.
#[derive(Debug)]
pub(super) struct Weights {
    pub(super) w1: wgpu::Buffer,
    pub(super) small: wgpu::Buffer,
}

/// A copy of them on its way to the host.
pub(super) struct Copied {
    w1: Copy,
    small: Copy,
}

impl Weights {
    /// All 0.
    pub(super) fn new(gpu: &Gpu, plan: &Plan) -> Result<Self> {
        Ok(Self { w1: gpu.buffer("W1", plan.sizes.w1)?, small: gpu.buffer("W2, b2, b1", plan.sizes.small)? })
    }

    /// Replaces them.
    pub(super) fn write(&self, gpu: &Gpu, plan: &Plan, params: &[Params]) {
        let (h, padded, n) = (plan.job.model.hidden, plan.padded as usize, plan.columns as usize);
        let mut w1 = vec![0f32; plan.job.model.inputs * n];
        let mut small = Vec::with_capacity(plan.sizes.small as usize / 4);
        for (m, params) in params.iter().enumerate() {
            for (row, values) in w1.chunks_exact_mut(n).zip(params.values[W1].chunks_exact(h)) {
                row[m * padded..][..h].copy_from_slice(values);
            }
            for place in [W2, B2, B1] {
                small.extend_from_slice(&params.values[place]);
            }
        }
        gpu.queue.write_buffer(&self.w1, 0, bytemuck::cast_slice(&w1));
        gpu.queue.write_buffer(&self.small, 0, bytemuck::cast_slice(&small));
    }

    /// Queues a copy.
    pub(super) fn copy(&self, gpu: &Gpu, plan: &Plan) -> Result<Copied> {
        Ok(Copied { w1: gpu.copy(&self.w1, 0, plan.sizes.w1)?, small: gpu.copy(&self.small, 0, plan.sizes.small)? })
    }
}

impl Copied {
    /// Waits for the weights of `models`.
    pub(super) fn take(self, gpu: &Gpu, plan: &Plan, models: impl Iterator<Item = usize>) -> Result<Vec<Params>> {
        let spec = plan.job.model;
        let (h, c, padded, n) = (spec.hidden, spec.classes, plan.padded as usize, plan.columns as usize);
        let [w1, small] = [self.w1.take::<f32>(gpu)?, self.small.take(gpu)?];
        let params = models.map(|m| {
            let small = &small[m * (h * c + c + h)..][..h * c + c + h];
            let mut values: [Vec<f32>; 4] = Default::default();
            values[W1] = w1.chunks_exact(n).flat_map(|row| &row[m * padded..][..h]).copied().collect();
            values[W2] = small[..h * c].to_vec();
            values[B2] = small[h * c..][..c].to_vec();
            values[B1] = small[h * c + c..].to_vec();
            Params { spec, values }
        });
        Ok(params.collect())
    }
}
