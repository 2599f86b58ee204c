//! Repeated timings, and how far apart they are.

use std::time::{Duration, Instant};

use serde::Serialize;

use crate::error::Result;
use crate::gpu::Gpu;

/// Repetitions of a dispatch go on until a submission takes so long: then its fixed cost, which is subtracted, is small.
const SUBMISSION: Duration = Duration::from_millis(20);
/// Most dispatches of one submission.
const DISPATCHES: u32 = 4096;
/// Submissions timed.
const SAMPLES: usize = 5;

/// The same thing timed some times.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Sample {
    /// Seconds of each time, in ascending order; never empty.
    seconds: Vec<f64>,
}

impl Sample {
    /// Of at least one timing; `None` without any.
    pub fn new(mut seconds: Vec<f64>) -> Option<Self> {
        seconds.sort_by(f64::total_cmp);
        (!seconds.is_empty()).then_some(Self { seconds })
    }

    /// The one in the middle; of an even number, the larger of the two.
    pub fn median(&self) -> f64 {
        self.seconds[self.seconds.len() / 2]
    }

    /// The largest less the smallest, as a share of the median.
    pub fn spread(&self) -> f64 {
        (self.seconds[self.seconds.len() - 1] - self.seconds[0]) / self.median()
    }
}

/// Seconds of one dispatch, by the host's clock: of many in one submission, less those of an empty one.
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
    // A stall of the machine's only ever adds time: the least of some timings decides how many dispatches are enough, and
    // the least of some empty submissions is their fixed cost.
    let least = |count: u32| -> Result<f64> {
        let seconds = (0..SAMPLES).map(|_| submission(count)).collect::<Result<Vec<_>>>()?;
        Ok(seconds.into_iter().fold(f64::INFINITY, f64::min))
    };
    // The first use of a pipeline is not like the others.
    submission(1)?;
    let mut count = 1;
    while count < DISPATCHES && least(count)? < SUBMISSION.as_secs_f64() {
        count *= 2;
    }
    let fixed = least(0)?;
    let seconds = (0..SAMPLES).map(|_| Ok((submission(count)? - fixed).max(0.0) / f64::from(count)));
    Ok(Sample { seconds: sorted(seconds.collect::<Result<_>>()?) })
}

/// Seconds of `work` on the host, after one time to warm up.
pub fn host(mut work: impl FnMut()) -> Sample {
    work();
    let seconds = (0..SAMPLES).map(|_| {
        let start = Instant::now();
        work();
        start.elapsed().as_secs_f64()
    });
    Sample { seconds: sorted(seconds.collect()) }
}

/// The one in the middle of some numbers; 0 if there are none.
pub fn median(values: Vec<f64>) -> f64 {
    Sample::new(values).map_or(0.0, |sample| sample.median())
}

fn sorted(mut seconds: Vec<f64>) -> Vec<f64> {
    seconds.sort_by(f64::total_cmp);
    seconds
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_and_the_spread_do_not_depend_on_the_order() {
        let sample = Sample::new(vec![4.0, 1.0, 5.0, 2.0, 3.0]).unwrap();
        approx::assert_relative_eq!(sample.median(), 3.0);
        approx::assert_relative_eq!(sample.spread(), 4.0 / 3.0);
        approx::assert_relative_eq!(Sample::new(vec![2.0, 1.0]).unwrap().median(), 2.0);
        assert_eq!(Sample::new(vec![]), None);
    }
}
