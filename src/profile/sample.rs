//! Repeated timings, their median and spread.

use std::time::{Duration, Instant};

use crate::error::Result;
use crate::gpu::Gpu;
use crate::util::statistics::Sample;

/// Dispatches are added to a submission until it takes this long, so that its fixed cost, which is subtracted, is small.
const SUBMISSION: Duration = Duration::from_millis(20);
/// Most dispatches in a submission.
const DISPATCHES: u32 = 4096;
const SAMPLES: usize = 5;

/// Seconds of a dispatch, by the host's clock: those of a submission of many, minus those of an empty one, divided.
pub fn dispatch(gpu: &Gpu, dispatch: impl Fn(&mut wgpu::ComputePass<'_>)) -> Result<Sample> {
    let submission = |count: u32| -> Result<f64> {
        let mut encoder = gpu.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        {
            let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
            (0..count).for_each(|_| dispatch(&mut pass));
        }
        let commands = encoder.finish();
        let start = Instant::now();
        gpu.finish([commands])?;
        Ok(start.elapsed().as_secs_f64())
    };
    // Stalls only add time, so the shortest timing decides how many dispatches are enough, and the shortest empty
    // submission is the fixed cost.
    let least = |count: u32| -> Result<f64> {
        let seconds = (0..SAMPLES).map(|_| submission(count)).collect::<Result<Vec<_>>>()?;
        Ok(seconds.into_iter().fold(f64::INFINITY, f64::min))
    };
    // The first use of a pipeline is slower than the others.
    submission(1)?;
    let mut count = 1;
    while count < DISPATCHES && least(count)? < SUBMISSION.as_secs_f64() {
        count *= 2;
    }
    let fixed = least(0)?;
    let seconds = (0..SAMPLES).map(|_| Ok((submission(count)? - fixed).max(0.0) / f64::from(count)));
    Ok(Sample::new(seconds.collect::<Result<_>>()?))
}

/// Seconds of `work` on the host, after a warm-up.
pub fn host(mut work: impl FnMut()) -> Sample {
    work();
    let seconds = (0..SAMPLES).map(|_| {
        let start = Instant::now();
        work();
        start.elapsed().as_secs_f64()
    });
    Sample::new(seconds.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_and_the_spread_do_not_depend_on_the_order() {
        let sample = Sample::new(vec![4.0, 1.0, 5.0, 2.0, 3.0]);
        approx::assert_relative_eq!(sample.median(), 3.0);
        approx::assert_relative_eq!(sample.spread(), 4.0 / 3.0);
        approx::assert_relative_eq!(Sample::new(vec![2.0, 1.0]).median(), 2.0);
    }
}
