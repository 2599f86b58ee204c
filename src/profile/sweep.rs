//! How the cost of a step grows with H, B, M or the number of hidden layers.

use super::throughput::timed;
use super::workload::Workload;
use crate::device::Device;
use crate::error::{Error, Result};
use crate::model::{Hidden, ModelSpec};
pub use crate::records::profile::{Axis, Point, Sweep};
use crate::util::statistics::Sample;

/// Approximate length of a repetition, in seconds.
const REPETITION: f64 = 0.25;
const REPEATS: usize = 3;
/// Points are left out if their step would take longer, in seconds, judging by its operations.
const STEP: f64 = 0.6;

impl Axis {
    /// The values tried.
    pub fn values(self) -> &'static [usize] {
        match self {
            Self::Hidden | Self::Batch => &[10, 50, 100, 250, 500, 1000],
            Self::Models => &[1, 3, 10, 30, 100],
            Self::Depth => &[1, 2, 3, 4, 6, 8],
        }
    }

    fn apply(self, workload: &Workload, value: usize) -> Result<Workload> {
        let mut workload = workload.clone();
        let ModelSpec { inputs, hidden, classes } = workload.model.clone();
        let mut shape = |hidden| {
            workload.model = ModelSpec::new(inputs, hidden, classes)?;
            Ok::<_, Error>(())
        };
        match self {
            Self::Hidden => shape(Hidden::one(value))?,
            Self::Depth => shape(vec![hidden.first().copied().unwrap_or(classes); value].into())?,
            Self::Batch => workload.batch_size = value.min(workload.split.train.len()),
            Self::Models => workload.models = value,
        }
        Ok(workload)
    }
}

/// Varies `workload` along `axis` on `devices`, where a step of `workload` itself takes `costs` seconds.
pub fn sweep(axis: Axis, workload: &Workload, devices: &[Device], costs: &[f64]) -> Result<Sweep> {
    let points = axis.values().iter().map(|&value| {
        let varied = axis.apply(workload, value)?;
        let growth = varied.step_flops() / workload.step_flops();
        let seconds = devices
            .iter()
            .zip(costs)
            .map(|(device, cost)| if cost * growth > STEP { Ok(None) } else { point(&varied, device) });
        Ok(Point { value, step_flops: varied.step_flops(), seconds: seconds.collect::<Result<_>>()? })
    });
    Ok(Sweep { axis, points: points.collect::<Result<_>>()? })
}

fn point(workload: &Workload, device: &Device) -> Result<Option<f64>> {
    let mut engine = match workload.engine(device) {
        Err(Error::Usage(_) | Error::Gpu(_) | Error::Resources(_)) => return Ok(None),
        engine => engine?,
    };
    let engine = engine.as_mut();
    workload.run(engine, 1)?;
    let step = workload.run(engine, 1)?.seconds();
    let steps = ((REPETITION / step) as u64).clamp(1, workload.steps_per_epoch());
    let reference = workload.run(engine, steps)?;
    let seconds = (0..REPEATS).map(|_| timed(engine, workload, steps, &reference)).collect::<Result<_>>()?;
    Ok(Some(Sample::new(seconds).median() / steps as f64))
}
