//! What runs a training: `--device` and the engine it stands for.
//!
//! Beside the referee, this is the one place that names both engines.

use std::fmt;
use std::hint::black_box;
use std::str::FromStr;
use std::sync::Arc;
use std::thread;

use serde::{Deserialize, Serialize};

use crate::config::spec::Feed;
use crate::cpu::{self, CpuEngine};
use crate::data::split::Split;
use crate::data::{Dataset, Standardisation};
use crate::engine::{Engine, Job};
use crate::error::{Error, Result};
use crate::gpu::tune::tuning;
use crate::gpu::waves::{self, Waves};
use crate::gpu::{self, Gpu, GpuEngine, Options};
use crate::ranks::Place;
use crate::util::memory;
use crate::util::text::grouped;

/// What `--device` asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Choice {
    /// `auto`: a real GPU, else the CPU engine.
    #[default]
    Auto,
    /// `cpu`: the CPU engine.
    Cpu,
    /// `gpu`, `gpu:N` or a part of an adapter's name: the GPU engine, on a software adapter if need be.
    Gpu(gpu::Choice),
}

impl FromStr for Choice {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let usage =
            || Error::Usage(format!("\"{text}\": expected auto, cpu, gpu, gpu:N or a part of an adapter's name"));
        match text {
            "" => Err(usage()),
            "auto" => Ok(Self::Auto),
            "cpu" => Ok(Self::Cpu),
            "gpu" => Ok(Self::Gpu(gpu::Choice::Any)),
            _ => Ok(Self::Gpu(match text.strip_prefix("gpu:") {
                Some(index) => gpu::Choice::Index(index.parse().map_err(|_| usage())?),
                None => gpu::Choice::Name(text.into()),
            })),
        }
    }
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Cpu => f.write_str("cpu"),
            Self::Gpu(gpu::Choice::Any | gpu::Choice::Next(_)) => f.write_str("gpu"),
            Self::Gpu(gpu::Choice::Index(index)) => write!(f, "gpu:{index}"),
            Self::Gpu(gpu::Choice::Name(name)) => f.write_str(name),
        }
    }
}

impl TryFrom<String> for Choice {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<Choice> for String {
    fn from(choice: Choice) -> Self {
        choice.to_string()
    }
}

/// A device that was found and opened.
pub struct Device {
    kind: Kind,
    /// What a user should know about the choice, in one line.
    pub notice: Option<String>,
    /// How images reach a GPU.
    pub feed: Feed,
}

enum Kind {
    Cpu { threads: usize },
    Gpu(Arc<Gpu>),
}

/// A device in a run's records.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Record {
    /// The CPU engine.
    Cpu {
        /// Threads it uses.
        threads: usize,
    },
    /// The GPU engine.
    Gpu {
        /// The adapter's name.
        adapter: String,
        /// Discrete, integrated, software …
        adapter_type: String,
        /// Vulkan, Metal or DX12.
        backend: String,
        /// The driver and its version.
        driver: String,
    },
}

impl Device {
    /// Finds and opens what `choice` asks for.
    pub fn open(choice: &Choice) -> Result<Self> {
        Self::open_at(choice, Place::ALONE)
    }

    /// Finds and opens what `choice` asks for, as one of several processes on this machine: where any GPU is right each
    /// takes the next one, and the processor's cores are divided.
    pub fn open_at(choice: &Choice, place: Place) -> Result<Self> {
        match choice {
            Choice::Cpu => Ok(Self::cpu(place, None)),
            Choice::Auto => Ok(match Gpu::open_real(place.index)? {
                Some(gpu) => Self::of_gpu(gpu),
                None => Self::cpu(place, Some("no GPU found: training on the CPU engine".into())),
            }),
            Choice::Gpu(gpu::Choice::Any) => Ok(Self::of_gpu(Gpu::open(&gpu::Choice::Next(place.index))?)),
            Choice::Gpu(choice) => Ok(Self::of_gpu(Gpu::open(choice)?)),
        }
    }

    fn cpu(place: Place, notice: Option<String>) -> Self {
        let threads = (thread::available_parallelism().map_or(1, usize::from) / place.count).max(1);
        Self { kind: Kind::Cpu { threads }, notice, feed: Feed::Auto }
    }

    fn of_gpu(gpu: Arc<Gpu>) -> Self {
        let notice = gpu.is_software().then(|| {
            format!("{} is a software adapter: good for checks, too slow for training; see --device cpu", gpu.info.name)
        });
        Self { kind: Kind::Gpu(gpu), notice, feed: Feed::Auto }
    }

    /// An engine for a training, on a machine that has the memory for all of it. Of a GPU the engine itself plans the
    /// memory.
    pub fn trainer(
        &self,
        job: Job,
        split: &Split,
        dataset: Arc<Dataset>,
        standardisation: Arc<Standardisation>,
    ) -> Result<Box<dyn Engine>> {
        if let Kind::Cpu { threads } = self.kind {
            let networks = match job.models() {
                1 => "a network".to_owned(),
                models => format!("{} networks", grouped(models as u64)),
            };
            let (hidden, batch) = (grouped(job.model.hidden as u64), grouped(job.batch_size as u64));
            let of = format!("{networks} of {hidden} hidden units (--hidden), in batches of {batch} (--batch-size)");
            let pool = cpu::threads(threads)?;
            // First: at a thread's first allocation glibc reserves 64 MiB of addresses for it, which a limit counts.
            pool.broadcast(|_| drop(black_box(Box::new(0))));
            memory::expect(cpu::memory(&job, split, threads), &of)?;
            return Ok(Box::new(CpuEngine::<f32>::on(pool, job, dataset, standardisation)?));
        }
        self.engine(job, dataset, standardisation)
    }

    /// An engine on it; on a GPU whose limits are too small for so many models, one that trains them in waves.
    ///
    /// # Errors
    ///
    /// [`Error::Usage`] or [`Error::Gpu`] for a shape that the device cannot hold.
    pub fn engine(
        &self,
        job: Job,
        dataset: Arc<Dataset>,
        standardisation: Arc<Standardisation>,
    ) -> Result<Box<dyn Engine>> {
        Ok(match &self.kind {
            Kind::Cpu { threads } => Box::new(CpuEngine::<f32>::new(job, dataset, standardisation, *threads)?),
            Kind::Gpu(gpu) => {
                let engine = |job: &Job| {
                    let options = Options { feed: self.feed, tuning: tuning(gpu, job)?, ..Options::default() };
                    GpuEngine::new(gpu.clone(), job, dataset.clone(), &standardisation, &options)
                };
                let jobs = waves::fitting(&job, &gpu.limits, gpu.is_software())?;
                let mut engines = jobs.iter().map(engine).collect::<Result<Vec<_>>>()?;
                gpu.remember();
                if engines.len() > 1 { Box::new(Waves::new(job, engines)) } else { Box::new(engines.remove(0)) }
            }
        })
    }

    /// How many models of a search should train at once.
    ///
    /// On the CPU engine five, which divides the report's 10, 25 and 30: 0.98 ms a model-step, against 1.49 alone, 0.93
    /// for four, 1.45 for ten and 1.60 for 25 (medians of five epochs, B = 100, H = 50; 2-core AMD EPYC shared with three
    /// builds, 2026-11-23). A GPU takes thirty in the time of seven or eight (165 against 22 µs a
    /// step on an H100).
    pub fn wave(&self) -> usize {
        match self.kind {
            Kind::Cpu { .. } => 5,
            Kind::Gpu(_) => 32,
        }
    }

    /// The GPU, if it is one.
    pub fn gpu(&self) -> Option<&Arc<Gpu>> {
        match &self.kind {
            Kind::Cpu { .. } => None,
            Kind::Gpu(gpu) => Some(gpu),
        }
    }

    /// What it is, for records.
    pub fn record(&self) -> Record {
        match &self.kind {
            Kind::Cpu { threads } => Record::Cpu { threads: *threads },
            Kind::Gpu(gpu) => Record::gpu(&gpu.info),
        }
    }
}

impl Record {
    /// A GPU.
    pub fn gpu(info: &gpu::AdapterInfo) -> Self {
        Self::Gpu {
            adapter: info.name.clone(),
            adapter_type: info.kind.into(),
            backend: info.backend.clone(),
            driver: info.driver.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_choice_is_written_as_it_is_typed() {
        for text in ["auto", "cpu", "gpu", "gpu:3", "llvmpipe", "NVIDIA H100"] {
            assert_eq!(text.parse::<Choice>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn a_number_is_expected_after_the_colon() {
        for text in ["", "gpu:", "gpu:x", "gpu:-1"] {
            let error = text.parse::<Choice>().unwrap_err();
            assert!(error.to_string().contains("gpu:N"), "{error}");
        }
    }
}
