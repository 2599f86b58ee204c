//! The weights of all models as they lie on the GPU: of each layer but the output layer, the units of all models side by side,
//! each model's padded to a multiple of four (`W [D, M·HP]`), and the small tensors model after model: of the last one the output
//! layer's and its own bias (of one hidden layer `[M][H·C + C + H]`: W2, b2, b1), of those before their bias (`[M][H]`).
//! Behind them all, in the same order, lie the optimizer's moments.

use super::context::Gpu;
use super::plan::{LayerSizes, Plan, Wide, small_name};
use super::wait::Copy;
use crate::error::Result;
use crate::model::params::{Params, bias, weight};

/// Their buffers, layer by layer.
#[derive(Debug)]
pub(super) struct Weights {
    pub(super) layers: Vec<Layer>,
}

/// A layer's.
#[derive(Debug)]
pub(super) struct Layer {
    pub(super) w: wgpu::Buffer,
    pub(super) small: wgpu::Buffer,
}

/// A copy of them on its way to the host, layer by layer the weights and the small tensors.
pub(super) struct Copied(Vec<[Copy; 2]>);

/// The tensors of a wide layer that lie in its `small`, in their order, by their places in the table.
fn small_tensors(plan: &Plan, layer: usize) -> Vec<usize> {
    let outputs = if plan.layers[layer].outputs > 0 { vec![weight(layer + 1), bias(layer + 1)] } else { vec![] };
    [outputs, vec![bias(layer)]].concat()
}

impl Weights {
    /// All 0.
    pub(super) fn new(gpu: &Gpu, plan: &Plan) -> Result<Self> {
        let layers = plan.sizes.layers.iter().zip(1..).map(|(&LayerSizes { w, small, .. }, number)| {
            let name = small_name(number, plan.layers.len());
            Ok(Layer { w: gpu.buffer(&format!("W{number}"), w)?, small: gpu.buffer(&name, small)? })
        });
        Ok(Self { layers: layers.collect::<Result<_>>()? })
    }

    /// Replaces them. Moments that are not given are 0.
    pub(super) fn write(&self, gpu: &Gpu, plan: &Plan, params: &[Params]) {
        let with_moments = |params: &Params| params.clone().with_moments_of(plan.job.optimizer);
        let params: Vec<_> = params.iter().map(with_moments).collect();
        for (layer, (buffers, wide)) in self.layers.iter().zip(&plan.layers).enumerate() {
            let (h, padded, n) = sizes(wide);
            let len = wide.inputs as usize * n;
            let mut w = vec![0f32; len * kinds(plan)];
            let mut small = Vec::new();
            for kind in 0..kinds(plan) {
                let w = &mut w[kind * len..][..len];
                for (m, params) in params.iter().enumerate() {
                    let Some(values) = params.kinds().nth(kind) else { continue };
                    for (row, values) in w.chunks_exact_mut(n).zip(values[weight(layer)].chunks_exact(h)) {
                        row[m * padded..][..h].copy_from_slice(values);
                    }
                    for place in small_tensors(plan, layer) {
                        small.extend_from_slice(&values[place]);
                    }
                }
            }
            gpu.queue.write_buffer(&buffers.w, 0, bytemuck::cast_slice(&w));
            gpu.queue.write_buffer(&buffers.small, 0, bytemuck::cast_slice(&small));
        }
    }

    /// Queues a copy.
    pub(super) fn copy(&self, gpu: &Gpu, plan: &Plan) -> Result<Copied> {
        let layers = self.layers.iter().zip(&plan.sizes.layers);
        let copies =
            layers.map(|(layer, sizes)| Ok([gpu.copy(&layer.w, 0, sizes.w)?, gpu.copy(&layer.small, 0, sizes.small)?]));
        Ok(Copied(copies.collect::<Result<_>>()?))
    }
}

impl Copied {
    /// Waits for the weights of `models`, which are those after `steps` steps.
    pub(super) fn take(
        self,
        gpu: &Gpu,
        plan: &Plan,
        models: impl Iterator<Item = usize>,
        steps: u64,
    ) -> Result<Vec<Params>> {
        let layers = self.0.into_iter().map(|[w, small]| Ok([w.take::<f32>(gpu)?, small.take(gpu)?]));
        let layers = layers.collect::<Result<Vec<_>>>()?;
        let spec = &plan.job.model;
        let lengths: Vec<usize> = spec.layers().flat_map(|[from, to]| [from * to, to]).collect();
        let params = models.map(|m| {
            let mut values = vec![vec![]; lengths.len() * kinds(plan)];
            for (kind, values) in values.chunks_exact_mut(lengths.len()).enumerate() {
                for (layer, ([w, small], wide)) in layers.iter().zip(&plan.layers).enumerate() {
                    let (h, padded, n) = sizes(wide);
                    let rows = w.chunks_exact(n).skip(kind * wide.inputs as usize).take(wide.inputs as usize);
                    values[weight(layer)] = rows.flat_map(|row| &row[m * padded..][..h]).copied().collect();
                    let of_a_model = (wide.outputs + wide.units) as usize;
                    let mut small = &small[(kind * plan.job.models() + m) * of_a_model..][..of_a_model];
                    for place in small_tensors(plan, layer) {
                        let (tensor, rest) = small.split_at(lengths[place]);
                        values[place] = tensor.to_vec();
                        small = rest;
                    }
                }
            }
            Params { spec: spec.clone(), steps, values }
        });
        Ok(params.collect())
    }
}

/// Weights and each kind of moments: how often a tensor lies in its buffer.
fn kinds(plan: &Plan) -> usize {
    1 + plan.job.optimizer.moments().len()
}

/// `H`, `HP` and `N`.
fn sizes(layer: &Wide) -> (usize, usize, usize) {
    (layer.units as usize, layer.padded as usize, layer.columns as usize)
}
