//! What runs a training: `--device` and the engine it stands for.
//!
//! Beside the referee, this is the one place that names both engines.

use std::hint::black_box;
use std::sync::Arc;
use std::thread;

use serde::{Deserialize, Serialize};

use crate::config::device::{Adapter, Choice};
use crate::config::spec::Feed;
use crate::cpu::{self, CpuEngine};
use crate::data::split::Split;
use crate::data::{Dataset, Standardisation};
use crate::engine::{Engine, Job};
use crate::error::Result;
use crate::gpu::tune::tuning;
use crate::gpu::waves::{self, Waves};
use crate::gpu::{self, Gpu, GpuEngine, Options};
use crate::model::params::Params;
use crate::util::memory;
use crate::util::text::grouped;

/// Where a process stands among those of its machine, which share the machine's GPUs and processor cores.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Which one, from 0.
    pub index: usize,
    /// Of how many.
    pub count: usize,
}

impl Place {
    /// The only one.
    pub const ALONE: Self = Self { index: 0, count: 1 };
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
            Choice::Gpu(Adapter::Any) => Ok(Self::of_gpu(Gpu::open(&Adapter::Next(place.index))?)),
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

    /// An engine with the weights of trained networks of one shape, at least one, to score and classify with.
    pub fn trained(
        &self,
        networks: &[Params],
        dataset: Arc<Dataset>,
        standardisation: Arc<Standardisation>,
    ) -> Result<Box<dyn Engine>> {
        let job = Job { model: networks[0].spec, decay: vec![0.0; networks.len()], batch_size: 1, shuffles: 1 };
        let mut engine = self.engine(job, dataset, standardisation)?;
        engine.load(networks)?;
        Ok(engine)
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
