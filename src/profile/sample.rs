//! Repeated timings, their median and spread.

use std::time::{Duration, Instant};

use crate::error::Result;
use crate::gpu::Gpu;
use crate::util::statistics::Sample;

/// Dispatches are added to a submission until it takes this long, so that its fixed cost, which is subtracted, is small.
const SUBMISSION: Duration = Duration::from_millis(20);
/// Most dispatches in a submission.
const DISPATCHES: u32 = 4096;
/// Timings of a sample.
const SAMPLES: usize = 5;

/// A dispatch that is timed by the host's clock: a submission of many, minus an empty one, divided.
pub struct Dispatch<'a> {
    gpu: &'a Gpu,
    encode: Box<dyn Fn(&mut wgpu::ComputePass<'_>) + 'a>,
    /// Dispatches of a submission.
    count: u32,
    /// Seconds of an empty submission.
    fixed: f64,
}

impl<'a> Dispatch<'a> {
    /// The dispatch that `encode` encodes, warmed up.
    pub fn new(gpu: &'a Gpu, encode: impl Fn(&mut wgpu::ComputePass<'_>) + 'a) -> Result<Self> {
        let mut dispatch = Self { gpu, encode: Box::new(encode), count: 1, fixed: 0.0 };
        // The first use of a pipeline is slower than the others.
        dispatch.submission(1)?;
        while dispatch.count < DISPATCHES && dispatch.least(dispatch.count)? < SUBMISSION.as_secs_f64() {
            dispatch.count *= 2;
        }
        dispatch.fixed = dispatch.least(0)?;
        Ok(dispatch)
    }

    /// Seconds of one, from one submission.
    pub fn seconds(&self) -> Result<f64> {
        Ok((self.submission(self.count)? - self.fixed).max(0.0) / f64::from(self.count))
    }

    /// The same of several submissions.
    pub fn sample(&self) -> Result<Sample> {
        Ok(Sample::new((0..SAMPLES).map(|_| self.seconds()).collect::<Result<_>>()?))
    }

    /// Stalls only add time, so the shortest timing decides how many dispatches are enough, and the shortest empty
    /// submission is the fixed cost.
    fn least(&self, count: u32) -> Result<f64> {
        let seconds = (0..SAMPLES).map(|_| self.submission(count)).collect::<Result<Vec<_>>>()?;
        Ok(seconds.into_iter().fold(f64::INFINITY, f64::min))
    }

    fn submission(&self, count: u32) -> Result<f64> {
        let mut encoder = self.gpu.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        {
            let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
            (0..count).for_each(|_| (self.encode)(&mut pass));
        }
        let commands = encoder.finish();
        let start = Instant::now();
        self.gpu.finish([commands])?;
        Ok(start.elapsed().as_secs_f64())
    }
}

/// Seconds of `work` on the host, the shortest of several timings: the first finds nothing in the caches, and stalls only add
/// time.
pub fn host(mut work: impl FnMut()) -> f64 {
    let seconds = (0..SAMPLES).map(|_| {
        let start = Instant::now();
        work();
        start.elapsed().as_secs_f64()
    });
    seconds.fold(f64::INFINITY, f64::min)
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
