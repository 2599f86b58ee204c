//! The first layer's products as matrix products: large and square, where a vendor's library can be compared, and the
//! skinny ones of this work. Each is checked against f64 before it is timed.

use serde::Serialize;

use super::ceilings::Ceilings;
use super::sample::{self, Sample};
use crate::engine::Job;
use crate::error::{Error, Result};
use crate::gpu::kernel::Pipeline;
use crate::gpu::plan::Plan;
use crate::gpu::{Gpu, buffer};
use crate::kernels::{Kernel, Shaders};
use crate::spec::ModelSpec;
use crate::verify::kernels::{Case, Kind, Shape};
use crate::verify::launch::Launch;

/// The sides `n` of the products that libraries publish figures of.
const SIDES: [usize; 3] = [1024, 2048, 4096];
/// The same for a software adapter, some thousand times slower.
const SIDES_SOFTWARE: [usize; 2] = [128, 256];
/// `M` of this work's products, 100 × 3,072 × 50·M.
const MODELS: [usize; 3] = [1, 10, 30];

/// A product that was right, and its time.
#[derive(Clone, Debug, Serialize)]
pub struct Product {
    /// The GPU.
    pub device: String,
    /// The kernel: `X·W1` or `Xᵀ·dhidden`, with all that it does beside.
    pub kernel: &'static str,
    /// `B`.
    pub batch_size: usize,
    /// `D`.
    pub inputs: usize,
    /// `M·H`.
    pub columns: usize,
    /// The worst error as a share of the tolerance.
    pub error: f64,
    /// Seconds of a dispatch.
    pub seconds: Sample,
    /// Operations a second.
    pub flops_per_second: f64,
    /// The same as a share of the device's most.
    pub of_flops: f64,
}

/// Checks and times the products on `gpu`.
pub fn products(gpu: &Gpu, note: &mut dyn FnMut(&str)) -> Result<Vec<Product>> {
    let square = |n| Shape { d: n, h: n, c: 10, m: 1, b: n, own: false };
    let skinny = |m| Shape { d: 3072, h: 50, c: 10, m, b: 100, own: false };
    let (sides, models) = if gpu.is_software() {
        note(&format!("{} is a software adapter: products of n = 128 and 256, and of one model", gpu.info.name));
        (&SIDES_SOFTWARE[..], &MODELS[..1])
    } else {
        (&SIDES[..], &MODELS[..])
    };
    let ceilings = Ceilings::of_gpu(gpu)?;
    let mut products = Vec::new();
    for shape in sides.iter().map(|&n| square(n)).chain(models.iter().map(|&m| skinny(m))) {
        for kernel in [Kernel::Forward, Kernel::UpdateHidden] {
            match product(gpu, kernel, shape, &ceilings) {
                // A shape that does not fit is no reason to leave out the others.
                Err(Error::Usage(why)) => note(&format!("{} left out: {why}", kernel.name())),
                product => products.push(product?),
            }
        }
    }
    Ok(products)
}

fn product(gpu: &Gpu, kernel: Kernel, shape: Shape, ceilings: &Ceilings) -> Result<Product> {
    let case = Case { kernel, shape, kind: Kind::Random, train: true };
    let launch = case.launch(&gpu.limits)?;
    let launched = launch.run(gpu, &Shaders::default())?;
    if let Some((what, outcome)) = launched.outcomes.iter().find(|(_, outcome)| !outcome.passed()) {
        return Err(Error::CheckFailed(format!("{case}: {what}: {}", outcome.describe())));
    }
    let error = launched.outcomes.iter().map(|(_, outcome)| outcome.share()).fold(0.0, f64::max);
    let seconds = time(gpu, &launch)?;
    let Shape { d, h, c, m, b, .. } = shape;
    let job = Job { model: ModelSpec::new(d, h, c)?, decay: vec![0.0; m], batch_size: b, shuffles: 1 };
    let work = Plan::new(&job, &gpu.limits, gpu.is_software())?.work(kernel, b as u64, true);
    let flops_per_second = work.flops as f64 / seconds.median();
    Ok(Product {
        device: gpu.info.name.clone(),
        kernel: kernel.name(),
        batch_size: b,
        inputs: d,
        columns: m * h,
        error,
        flops_per_second,
        of_flops: flops_per_second / ceilings.flops_per_second,
        seconds,
    })
}

fn time(gpu: &Gpu, launch: &Launch) -> Result<Sample> {
    let pipeline = Pipeline::new(gpu, &Shaders::default(), launch.kernel, &launch.constants)?;
    let mut buffers = Vec::new();
    for tensor in &launch.tensors {
        let made = buffer(gpu, tensor.name, tensor.words.len() as u64 * 4)?;
        gpu.queue.write_buffer(&made, 0, bytemuck::cast_slice(&tensor.words));
        buffers.push(made);
    }
    let bindings = pipeline.bind(gpu, &buffers.iter().collect::<Vec<_>>())?;
    sample::dispatch(gpu, |pass| pipeline.dispatch(pass, &bindings, &launch.step, launch.grid))
}
