//! Times of dispatches on the GPU's clock, by kernel.

use crate::gpu::recorder::Dispatch;
use crate::records::profile::{Ceilings, GpuTime, KernelTime};
use crate::util::statistics::Sample;

impl GpuTime {
    /// Sums up submissions; `None` if nothing was timed.
    pub fn of(submissions: &[Vec<Dispatch>], steps: u64, ceilings: &Ceilings) -> Option<Self> {
        let all = || submissions.iter().flatten();
        let (first, last) = (all().next()?, all().last()?);
        let busy_seconds = all().map(seconds).sum::<f64>();
        let mut names: Vec<&'static str> = Vec::new();
        for dispatch in all() {
            if !names.contains(&dispatch.kernel) {
                names.push(dispatch.kernel);
            }
        }
        let kernels = names.into_iter().map(|kernel| {
            let of_kernel = || all().filter(|dispatch| dispatch.kernel == kernel);
            let times: Vec<_> = of_kernel().map(seconds).collect();
            let flops = of_kernel().map(|dispatch| dispatch.work.flops as f64).sum::<f64>();
            let bytes = of_kernel().map(|dispatch| dispatch.work.bytes as f64).sum::<f64>();
            let sum: f64 = times.iter().sum();
            // A coarse clock may give 0 for a short kernel, whose rate is then unknown.
            let rate = |amount: f64| if sum > 0.0 { amount / sum } else { 0.0 };
            KernelTime {
                kernel: kernel.to_owned(),
                dispatches: times.len(),
                median_seconds: Sample::new(times).median(),
                seconds: sum,
                share: if busy_seconds > 0.0 { sum / busy_seconds } else { 0.0 },
                flops_per_second: rate(flops),
                bytes_per_second: rate(bytes),
                of_flops: rate(flops) / ceilings.flops_per_second,
                of_bytes: rate(bytes) / ceilings.bytes_per_second,
            }
        });
        let kernels = kernels.collect();
        let ends =
            submissions.iter().filter_map(|dispatches| Some((dispatches.first()?.start, dispatches.last()?.end)));
        let ends: Vec<_> = ends.collect();
        let gaps = ends.windows(2).map(|pair| (pair[1].0 - pair[0].1) * 1e-9);
        Some(Self {
            steps,
            kernels,
            busy_seconds,
            span_seconds: (last.end - first.start) * 1e-9,
            longest_gap_seconds: gaps.fold(0.0, f64::max),
        })
    }
}

fn seconds(dispatch: &Dispatch) -> f64 {
    (dispatch.end - dispatch.start) * 1e-9
}

#[cfg(test)]
mod tests {
    use approx::assert_relative_eq;

    use super::*;
    use crate::gpu::plan::Work;

    #[test]
    fn times_add_up_and_rates_are_shares_of_the_ceilings() {
        let ceilings = Ceilings { bytes_per_second: 1e9, flops_per_second: 4e9, dispatch_seconds: None };
        let dispatch = |kernel, start, end| Dispatch { kernel, work: Work { flops: 600, bytes: 300 }, start, end };
        let submissions =
            [vec![dispatch("one", 0.0, 100.0), dispatch("two", 100.0, 400.0)], vec![dispatch("one", 700.0, 1000.0)]];
        let time = GpuTime::of(&submissions, 2, &ceilings).unwrap();
        assert_relative_eq!(time.busy_seconds, 700e-9);
        assert_relative_eq!(time.span_seconds, 1000e-9);
        assert_relative_eq!(time.longest_gap_seconds, 300e-9, max_relative = 1e-12);
        assert_eq!(time.kernels.iter().map(|kernel| kernel.kernel.as_str()).collect::<Vec<_>>(), ["one", "two"]);
        let one = &time.kernels[0];
        assert_eq!(one.dispatches, 2);
        assert_relative_eq!(one.share, 4.0 / 7.0);
        assert_relative_eq!(one.flops_per_second, 3e9);
        assert_relative_eq!(one.of_flops, 0.75);
        assert_relative_eq!(one.of_bytes, 1.5);
        assert_eq!(GpuTime::of(&[vec![]], 0, &ceilings), None);
    }
}
