//! Opening the device that `--device` names, and its engine. Only this and the referee know both engines.

use std::hint::black_box;
use std::sync::Arc;
use std::thread;

use serde::{Deserialize, Serialize};

use crate::config::device::{Adapter, Choice};
use crate::config::spec::{Check, Feed};
use crate::cpu::{self, CpuEngine};
use crate::data::split::Split;
use crate::data::{Dataset, Standardisation};
use crate::engine::{Chunk, Engine, Job};
use crate::error::Result;
use crate::gpu::tune::tuning;
use crate::gpu::waves::{self, Waves};
use crate::gpu::{self, Gpu, GpuEngine, Options};
use crate::model::params::Params;
use crate::proof::{self, Checked, Pace};
use crate::util::memory;
use crate::util::text::grouped;

/// The place of a process among those on its machine, which share the GPUs and the CPU cores.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Its index, from 0.
    pub index: usize,
    /// The number of processes.
    pub count: usize,
}

impl Place {
    /// A single process.
    pub const ALONE: Self = Self { index: 0, count: 1 };
}

/// An open device.
pub struct Device {
    kind: Kind,
    /// A notice for the user about the choice, one line.
    pub notice: Option<String>,
    /// How images reach a GPU.
    pub feed: Feed,
    /// How often its engines are checked.
    pub check: Check,
}

enum Kind {
    Cpu { threads: usize },
    Gpu(Arc<Gpu>),
}

/// A device as the records have it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Record {
    /// The CPU engine.
    Cpu {
        /// Its threads.
        threads: usize,
    },
    /// The GPU engine.
    Gpu {
        /// Name of the adapter.
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
    /// Opens the device that `choice` names.
    pub fn open(choice: &Choice) -> Result<Self> {
        Self::open_at(choice, Place::ALONE)
    }

    /// The same for one of several processes on this machine: if any GPU will do, each takes the next one, and the CPU
    /// cores are divided.
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
        Self { kind: Kind::Cpu { threads }, notice, feed: Feed::Auto, check: Check::Always }
    }

    fn of_gpu(gpu: Arc<Gpu>) -> Self {
        let notice = gpu.is_software().then(|| {
            format!("{} is a software adapter: good for checks, too slow for training; see --device cpu", gpu.info.name)
        });
        Self { kind: Kind::Gpu(gpu), notice, feed: Feed::Auto, check: Check::Always }
    }

    /// An engine for a training. On a CPU it fails unless the machine has the memory for the whole training; on a GPU the
    /// engine plans its own memory.
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
                models => format!("{} networks", grouped(models)),
            };
            let hidden = match job.model.hidden[..] {
                [units] => grouped(units),
                _ => job.model.hidden.to_string(),
            };
            let batch = grouped(job.batch_size);
            let of = format!("{networks} of {hidden} hidden units (--hidden), in batches of {batch} (--batch-size)");
            let pool = cpu::threads(threads)?;
            // At a thread's first allocation glibc reserves 64 MiB of address space, which counts against a limit.
            pool.broadcast(|_| drop(black_box(Box::new(0))));
            let proof = if self.check == Check::Off { 0 } else { proof::memory(&job) };
            memory::expect(cpu::memory(&job, split, threads) + proof, &of)?;
            let engine = CpuEngine::<f32>::on(pool, job, dataset.clone(), standardisation.clone())?;
            return Ok(self.checked(Box::new(engine), dataset, standardisation));
        }
        self.engine(job, dataset, standardisation)
    }

    /// An engine on the device. If a GPU's limits are too small for all models, it trains them in waves.
    pub fn engine(
        &self,
        job: Job,
        dataset: Arc<Dataset>,
        standardisation: Arc<Standardisation>,
    ) -> Result<Box<dyn Engine>> {
        let (images, statistics) = (dataset.clone(), standardisation.clone());
        let engine: Box<dyn Engine> = match &self.kind {
            Kind::Cpu { threads } => Box::new(CpuEngine::<f32>::new(job, images, statistics, *threads)?),
            Kind::Gpu(gpu) => {
                let engine = |job: &Job| {
                    let options = Options { feed: self.feed, tuning: tuning(gpu, job)?, ..Options::default() };
                    GpuEngine::new(gpu.clone(), job, images.clone(), &statistics, &options)
                };
                let jobs = waves::fitting(&job, &gpu.limits, gpu.is_software())?;
                let mut engines = jobs.iter().map(engine).collect::<Result<Vec<_>>>()?;
                if engines.len() > 1 { Box::new(Waves::new(job, engines)) } else { Box::new(engines.remove(0)) }
            }
        };
        Ok(self.checked(engine, dataset, standardisation))
    }

    fn checked(
        &self,
        engine: Box<dyn Engine>,
        dataset: Arc<Dataset>,
        standardisation: Arc<Standardisation>,
    ) -> Box<dyn Engine> {
        // A CPU engine needs the processor itself: the checks take a fiftieth of its time at most.
        let pace = Pace { check: self.check, rest: if self.gpu().is_some() { 0 } else { 50 } };
        Box::new(Checked::new(engine, dataset, standardisation, pace))
    }

    /// An engine with the weights of trained networks of one shape, at least one, to score and classify with.
    pub fn trained(
        &self,
        networks: &[Params],
        dataset: Arc<Dataset>,
        standardisation: Arc<Standardisation>,
    ) -> Result<Box<dyn Engine>> {
        let job = Job { decay: vec![0.0; networks.len()], batch_size: 1, ..Job::new(networks[0].spec.clone()) };
        let images: Vec<u32> = (0..dataset.labels.len().min(100) as u32).collect();
        let mut engine = self.engine(job, dataset, standardisation)?;
        engine.load(networks)?;
        engine.prove(&Chunk { images: (&images).into(), lengths: &[], rates: &[], ..Chunk::default() })?;
        Ok(engine)
    }

    /// How many models of a search train at once.
    ///
    /// Five on the CPU engine, which divides the report's 10, 25 and 30: 0.98 ms a model-step, against 1.49 for one, 0.93
    /// for four, 1.45 for ten and 1.60 for 25 (medians of five epochs, B = 100, H = 50; 2-core AMD EPYC shared with three
    /// builds, 2026-11-23). On a GPU 32, which [`waves::fitting`] divides where they do not fit.
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

    /// The device for the records.
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
