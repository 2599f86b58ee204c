//! The first layer's matrix products: large square ones, to compare with a vendor's library, and the skinny ones of this
//! network. Each is checked against f64, then timed.

use serde::Serialize;

use super::ceilings::impossible;
use super::sample::Dispatch;
use crate::error::{Error, Result};
use crate::gpu::Gpu;
use crate::gpu::kernels::{Shaders, Use};
use crate::gpu::plan::Tuning;
use crate::records::profile::Ceilings;
use crate::util::statistics::Sample;
use crate::verify::kernels::{Case, Kind, Shape};
use crate::verify::launch::Prepared;

/// Sides `n` of the square products, sizes that libraries publish figures for.
const SIDES: [usize; 3] = [1024, 2048, 4096];
/// The same on a software adapter.
const SIDES_SOFTWARE: [usize; 2] = [128, 256];
/// `M` of the skinny products, 100 × 3,072 × 50·M.
const MODELS: [usize; 3] = [1, 10, 30];

/// A correct product, and its time.
#[derive(Clone, Debug, Serialize)]
pub struct Product {
    /// The GPU.
    pub device: String,
    /// The kernel, which does more than its product `X·W1` or `Xᵀ·dhidden`.
    pub kernel: &'static str,
    /// How its work is divided.
    pub tuning: String,
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
    /// Operations per second.
    pub flops_per_second: f64,
    /// Share of the device's peak.
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
    let mut ceilings = Ceilings::of_gpu(gpu)?;
    let (mut products, mut rounds) = (Vec::new(), vec![ceilings()?]);
    for shape in sides.iter().map(|&n| square(n)).chain(models.iter().map(|&m| skinny(m))) {
        // `forward` in each of its tunings; `update` alone, and with the next step's product where that is of use.
        let split = Tuning::ALL.into_iter().filter(|tuning| !tuning.fused);
        let forward = split.map(|tuning| (Use::Forward(0), tuning));
        let update = [(Use::FusedUpdate, Tuning::ALL[0]), (Use::Update(0), Tuning::ALL[1])];
        for (of, tuning) in forward.chain(update) {
            match product(gpu, of, tuning, shape) {
                // A shape that does not fit does not stop the others.
                Err(Error::Usage(why)) => note(&format!("{} {tuning} left out: {why}", of.kernel().name())),
                product => products.push(product?),
            }
        }
        rounds.push(ceilings()?);
    }
    let most = Ceilings::best(&rounds).flops_per_second;
    for product in &mut products {
        product.of_flops = product.flops_per_second / most;
    }
    if let Some(why) = impossible(products.iter().map(|product| (product.kernel, product.of_flops))) {
        note(&why);
    }
    Ok(products)
}

/// A product without its share of the peak, which is known in the end.
fn product(gpu: &Gpu, of: Use, tuning: Tuning, shape: Shape) -> Result<Product> {
    let case = Case::new(of, shape, Kind::Random, tuning);
    let launch = case.launch(&gpu.limits)?;
    let launched = launch.run(gpu, &Shaders::default())?;
    if let Some((what, outcome)) = launched.outcomes.iter().find(|(_, outcome)| !outcome.passed()) {
        return Err(Error::CheckFailed(format!("{case}: {what}: {}", outcome.describe())));
    }
    let error = launched.outcomes.iter().map(|(_, outcome)| outcome.share()).fold(0.0, f64::max);
    let Prepared { pipeline, bindings, .. } = launch.prepare(gpu, &Shaders::default())?;
    let dispatch = Dispatch::new(gpu, |pass| pipeline.dispatch(pass, &bindings, &launch.step, launch.grid))?;
    let seconds = dispatch.sample()?;
    let Shape { d, h, m, b, .. } = shape;
    Ok(Product {
        device: gpu.info.name.clone(),
        kernel: of.kernel().name(),
        tuning: tuning.to_string(),
        batch_size: b,
        inputs: d,
        columns: m * h,
        error,
        flops_per_second: launch.work.flops as f64 / seconds.median(),
        of_flops: 0.0,
        seconds,
    })
}
