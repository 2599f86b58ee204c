//! What runs a training: `--device` and the engine it stands for.
//!
//! Beside the referee, this is the one place that names both engines.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::thread;

use serde::{Deserialize, Serialize};

use crate::cpu::CpuEngine;
use crate::data::{Dataset, Standardisation};
use crate::engine::{Engine, Job};
use crate::error::{Error, Result};
use crate::gpu::{self, AdapterInfo, Gpu, GpuEngine};

/// What `--device` asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Choice {
    /// A real GPU, else the CPU engine.
    #[default]
    Auto,
    /// A real GPU, else a software adapter.
    Gpu,
    /// The adapter with this number in `cyclone devices`.
    Index(usize),
    /// The first adapter whose name contains this, in any case.
    Name(String),
    /// The CPU engine.
    Cpu,
}

impl FromStr for Choice {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let usage = || {
            Error::Usage(format!("--device \"{text}\": expected auto, gpu, gpu:N, cpu or a part of an adapter's name"))
        };
        match text {
            "" => Err(usage()),
            "auto" => Ok(Self::Auto),
            "gpu" => Ok(Self::Gpu),
            "cpu" => Ok(Self::Cpu),
            _ => match text.strip_prefix("gpu:") {
                Some(index) => index.parse().map(Self::Index).map_err(|_| usage()),
                None => Ok(Self::Name(text.into())),
            },
        }
    }
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Gpu => f.write_str("gpu"),
            Self::Index(index) => write!(f, "gpu:{index}"),
            Self::Name(name) => f.write_str(name),
            Self::Cpu => f.write_str("cpu"),
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
}

enum Kind {
    Cpu { threads: usize },
    Gpu { gpu: Arc<Gpu>, info: AdapterInfo },
}

/// A device in a run's records.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
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
        r#type: String,
        /// Vulkan, Metal or Direct3D 12.
        backend: String,
        /// The driver and its version.
        driver: String,
    },
}

impl Device {
    /// Finds and opens what `choice` asks for.
    pub fn open(choice: &Choice) -> Result<Self> {
        let Some(info) = select(choice, gpu_list(choice))? else {
            let notice = (*choice == Choice::Auto).then(|| "no GPU found: training on the CPU engine".to_owned());
            let threads = thread::available_parallelism().map_or(1, usize::from);
            return Ok(Self { kind: Kind::Cpu { threads }, notice });
        };
        let notice = info.is_software().then(|| {
            format!("{} is a software adapter: right, but slow; --device cpu is much faster", info.name)
        });
        let gpu = Gpu::open(&gpu::Choice::Index(info.index))?;
        Ok(Self { kind: Kind::Gpu { gpu, info }, notice })
    }

    /// An engine on it.
    pub fn engine(
        &self,
        job: Job,
        dataset: Arc<Dataset>,
        standardisation: Arc<Standardisation>,
    ) -> Result<Box<dyn Engine>> {
        Ok(match &self.kind {
            Kind::Cpu { threads } => Box::new(CpuEngine::<f32>::new(job, dataset, standardisation, *threads)?),
            Kind::Gpu { gpu, .. } => Box::new(GpuEngine::new(gpu.clone(), job, dataset, standardisation)?),
        })
    }

    /// What it is, for records.
    pub fn record(&self) -> Record {
        match &self.kind {
            Kind::Cpu { threads } => Record::Cpu { threads: *threads },
            Kind::Gpu { info, .. } => Record::Gpu {
                adapter: info.name.clone(),
                r#type: info.kind.to_string(),
                backend: info.backend.to_string(),
                driver: info.driver.clone(),
            },
        }
    }
}

/// Looks for adapters unless none is wanted: loading drivers takes a while.
fn gpu_list(choice: &Choice) -> Vec<AdapterInfo> {
    if *choice == Choice::Cpu { Vec::new() } else { gpu::list() }
}

/// The adapter among `adapters` that `choice` means; none for the CPU engine.
fn select(choice: &Choice, adapters: Vec<AdapterInfo>) -> Result<Option<AdapterInfo>> {
    let missing = |adapters: &[AdapterInfo]| {
        let names: Vec<_> = adapters.iter().map(|info| format!("\n  gpu:{}  {}", info.index, info.name)).collect();
        let found = if names.is_empty() { " none; is a driver installed?".into() } else { names.concat() };
        Error::Gpu(format!("--device {choice}: no such adapter. Found:{found}\nThe CPU engine needs none: --device cpu"))
    };
    let wanted = |info: &AdapterInfo| match choice {
        Choice::Cpu => false,
        Choice::Auto => !info.is_software(),
        Choice::Gpu => true,
        Choice::Index(index) => info.index == *index,
        Choice::Name(name) => info.name.to_lowercase().contains(&name.to_lowercase()),
    };
    // A discrete GPU before an integrated one, a software adapter last; the first of equals.
    let rank = |info: &&AdapterInfo| match (info.is_software(), &*info.kind) {
        (false, "discrete") => 0,
        (false, _) => 1,
        (true, _) => 2,
    };
    match adapters.iter().filter(|info| wanted(info)).min_by_key(rank) {
        Some(info) => Ok(Some(info.clone())),
        None if matches!(choice, Choice::Auto | Choice::Cpu) => Ok(None),
        None => Err(missing(&adapters)),
    }
}
