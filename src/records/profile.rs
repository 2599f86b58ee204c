//! What `profile --json` prints.

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use crate::device::Record;
use crate::model::ModelSpec;
use crate::util::statistics::Sample;

/// The figures of a profile.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Report {
    /// Version of this program.
    pub version: String,
    /// Name of the data set.
    pub data: String,
    /// Training images.
    pub images: usize,
    /// `D → H → C`.
    pub model: ModelSpec,
    /// `B`.
    pub batch_size: usize,
    /// `M`.
    pub models: usize,
    /// How they are trained. Reports from before there was a choice have nothing here: plain SGD.
    #[serde(default)]
    pub technique: String,
    /// One for each device, in the order of the flags.
    pub devices: Vec<Profile>,
    /// How the cost grows with a size.
    pub sweeps: Vec<Sweep>,
    /// Peak memory of the process in bytes, if the system says.
    pub peak_memory: Option<u64>,
    /// Why the figures may be unreliable, and what to do about it.
    pub warnings: Vec<String>,
}

/// The figures of a device.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Profile {
    /// Adapter and driver, or threads and precision.
    pub name: String,
    /// The same, for programs.
    pub device: Record,
    /// Training speed, with nothing else being measured.
    pub throughput: Throughput,
    /// Evaluation speed.
    pub evaluation: Evaluated,
    /// Peak rates of the device: the best of all rounds.
    pub ceilings: Ceilings,
    /// Those measured before the first repetition of the training and after each; none in profiles of versions that measured
    /// once.
    #[serde(default)]
    pub ceiling_rounds: Vec<Ceilings>,
    /// Kernels of a step, if the device is a GPU with timestamps.
    pub step: Option<GpuTime>,
    /// Kernels of an evaluation, likewise.
    pub evaluated: Option<GpuTime>,
    /// The host's phases while a GPU trains.
    pub host: Vec<HostPhase>,
    /// Name, number and bytes of each buffer on a GPU.
    pub buffers: Vec<(String, usize, u64)>,
    /// From the start of the process to the first step's loss.
    pub start_up: StartUp,
}

/// The speed of a training.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Throughput {
    /// Steps of a repetition.
    pub steps: u64,
    /// Images of a repetition.
    pub images: u64,
    /// Seconds of the repetitions.
    pub seconds: Sample,
    /// Largest minus smallest, as a share of the median.
    pub spread: f64,
    /// From the median, as is all that follows.
    pub seconds_a_step: f64,
    /// An image counts once for all models.
    pub images_per_second: f64,
    /// Operations per second of all models together.
    pub flops_per_second: f64,
}

/// The speed of an evaluation.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub struct Evaluated {
    /// Images evaluated.
    pub images: usize,
    /// Seconds it took.
    pub seconds: f64,
}

/// Peak rates of a device.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, Serialize)]
pub struct Ceilings {
    /// Bytes per second of a copy between two large buffers, counting both reads and writes.
    pub bytes_per_second: f64,
    /// Operations per second of multiply-adds in registers; on the CPU, of matrix products in cache.
    pub flops_per_second: f64,
    /// Seconds of an empty dispatch that waits for the one before it; `None` on the CPU.
    pub dispatch_seconds: Option<f64>,
}

/// One of the peak rates, to be shown.
#[derive(Clone, Debug, PartialEq)]
pub struct Peak {
    /// What was measured.
    pub what: &'static str,
    /// The best, in units.
    pub value: f64,
    /// GFLOP/s, GB/s or µs.
    pub unit: &'static str,
    /// Largest minus smallest of the rounds, as a share of the largest; `None` if the rounds are not known.
    pub spread: Option<f64>,
}

impl Ceilings {
    /// The best of `rounds`, each figure by itself: other programs on the machine only make them worse.
    pub fn best(rounds: &[Self]) -> Self {
        let none = Self { bytes_per_second: 0.0, flops_per_second: 0.0, dispatch_seconds: None };
        rounds.iter().fold(none, |best, round| Self {
            bytes_per_second: best.bytes_per_second.max(round.bytes_per_second),
            flops_per_second: best.flops_per_second.max(round.flops_per_second),
            dispatch_seconds: [best.dispatch_seconds, round.dispatch_seconds].into_iter().flatten().reduce(f64::min),
        })
    }
}

impl Profile {
    /// The peak rates, each with its spread.
    pub fn peaks(&self) -> Vec<Peak> {
        type Figure = fn(&Ceilings) -> Option<f64>;
        let gpu = self.ceilings.dispatch_seconds.is_some();
        let figures: [(_, _, Figure); 3] = [
            (if gpu { "multiply-add" } else { "matrix product in cache" }, "GFLOP/s", |of| {
                Some(of.flops_per_second / 1e9)
            }),
            ("copy", "GB/s", |of| Some(of.bytes_per_second / 1e9)),
            ("empty dispatch", "µs", |of| Some(of.dispatch_seconds? * 1e6)),
        ];
        let peak = |(what, unit, figure): (_, _, Figure)| {
            let rounds = || self.ceiling_rounds.iter().filter_map(figure);
            let spread =
                rounds().reduce(f64::max).zip(rounds().reduce(f64::min)).map(|(most, least)| (most - least) / most);
            Some(Peak { what, value: figure(&self.ceilings)?, unit, spread })
        };
        figures.into_iter().filter_map(peak).collect()
    }
}

/// A run on the GPU's clock.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub struct GpuTime {
    /// Steps, or images of an evaluation.
    pub steps: u64,
    /// By kernel, in the order of a step.
    pub kernels: Vec<KernelTime>,
    /// Seconds of all dispatches.
    pub busy_seconds: f64,
    /// Seconds from the start of the first to the end of the last.
    pub span_seconds: f64,
    /// The longest gap between two submissions, in seconds, when the GPU was idle.
    pub longest_gap_seconds: f64,
}

/// All dispatches of one kernel.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub struct KernelTime {
    /// Its name.
    pub kernel: String,
    /// Number of dispatches.
    pub dispatches: usize,
    /// The median dispatch, in seconds.
    pub median_seconds: f64,
    /// All dispatches together, in seconds.
    pub seconds: f64,
    /// Share of the time of all kernels, 0 to 1.
    pub share: f64,
    /// Operations per second.
    pub flops_per_second: f64,
    /// Bytes per second, counting each tensor once a dispatch.
    pub bytes_per_second: f64,
    /// Share of the device's peak operations per second.
    pub of_flops: f64,
    /// Share of the device's peak bytes per second; above 1 if tensors stay in the GPU's caches.
    pub of_bytes: f64,
}

/// A part of the host's time.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct HostPhase {
    /// Its name; `other` is the rest: shuffling, book-keeping, reading losses.
    pub phase: String,
    /// Seconds.
    pub seconds: f64,
    /// Share of the run or the start-up, 0 to 1.
    pub share: f64,
}

/// The time from the start of the process to the first step's loss.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct StartUp {
    /// Seconds.
    pub seconds: f64,
    /// Its parts in the order in which they start. The device is opened at the same time as the images.
    pub parts: Vec<HostPhase>,
}

/// The cost along one axis.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Sweep {
    /// The size that is varied.
    pub axis: Axis,
    /// In ascending order of value.
    pub points: Vec<Point>,
}

/// The cost at one value.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Point {
    /// H, B, M or L.
    pub value: usize,
    /// Operations of a step.
    pub step_flops: f64,
    /// Seconds of a step on each device, the median of three repetitions; `None` if the shape does not fit the device or
    /// takes too long.
    pub seconds: Vec<Option<f64>>,
}

/// The size that is varied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Axis {
    /// H, the hidden units
    Hidden,
    /// B, the images of a mini-batch
    Batch,
    /// M, the models trained at once
    Models,
    /// L, the hidden layers, each as wide as the first
    Depth,
}

impl Axis {
    /// Its name in records.
    pub fn name(self) -> &'static str {
        match self {
            Self::Hidden => "hidden",
            Self::Batch => "batch",
            Self::Models => "models",
            Self::Depth => "depth",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round(bytes_per_second: f64, flops_per_second: f64, dispatch_seconds: Option<f64>) -> Ceilings {
        Ceilings { bytes_per_second, flops_per_second, dispatch_seconds }
    }

    #[test]
    fn each_ceiling_is_the_best_of_all_rounds() {
        // No round is the best in all.
        let rounds = [round(30e9, 120e9, Some(2e-6)), round(40e9, 86e9, Some(5e-6)), round(20e9, 209e9, Some(4e-6))];
        assert_eq!(Ceilings::best(&rounds), round(40e9, 209e9, Some(2e-6)));
        assert_eq!(Ceilings::best(&[round(1.0, 2.0, None)]), round(1.0, 2.0, None));
    }
}
