//! Adapters, the device, its faults, and waiting for it.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use wgpu::{Backends, DeviceType, Features, Limits, PollError, PollType, SubmissionIndex};

use super::cache::Pipelines;
use super::recorder::{Phase, Recorder};
use crate::config::device::Adapter;
use crate::error::{Error, Result};
use crate::util::text::bytes;

/// Longest wait for one submission. A chunk is planned to take under 0.1 s on a real GPU and some seconds on a software
/// adapter; a minute without an end is a hang.
const HANG: Duration = Duration::from_secs(60);

/// What a profile likes to have and nothing else needs.
const TIMESTAMPS: Features = Features::TIMESTAMP_QUERY.union(Features::TIMESTAMP_QUERY_INSIDE_PASSES);
thread_local! {
    static POLLING: Cell<bool> = const { Cell::new(false) };
}

/// Whether this thread waits for a GPU, when a panic is the library's way to say that the device was lost. It is caught
/// and becomes an error; a program's panic hook should be silent about it.
pub fn is_polling() -> bool {
    POLLING.get()
}

/// What is printed about an adapter.
#[derive(Clone, Debug)]
pub struct AdapterInfo {
    /// Its place in the list: `--device gpu:N`.
    pub index: usize,
    /// The driver's name for it.
    pub name: String,
    /// `discrete`, `integrated`, `virtual`, `software` or `other`.
    pub kind: &'static str,
    /// `Vulkan`, `Metal` or `DX12`.
    pub backend: String,
    /// The driver and its version.
    pub driver: String,
    /// The limits that decide which shapes fit, for people.
    pub limits: Vec<(&'static str, String)>,
}

impl AdapterInfo {
    fn new(index: usize, adapter: &wgpu::Adapter) -> Self {
        let info = adapter.get_info();
        let limits = adapter.limits();
        Self {
            index,
            name: info.name,
            kind: match info.device_type {
                DeviceType::DiscreteGpu => "discrete",
                DeviceType::IntegratedGpu => "integrated",
                DeviceType::VirtualGpu => "virtual",
                DeviceType::Cpu => "software",
                DeviceType::Other => "other",
            },
            backend: match info.backend {
                wgpu::Backend::Dx12 => "DX12".into(),
                backend => format!("{backend:?}"),
            },
            driver: format!("{} {}", info.driver, info.driver_info).trim().to_owned(),
            limits: vec![
                ("largest binding", bytes(limits.max_storage_buffer_binding_size.into())),
                ("largest buffer", bytes(limits.max_buffer_size.into())),
                ("workgroup memory", bytes(limits.max_compute_workgroup_storage_size.into())),
                ("workgroup invocations", limits.max_compute_invocations_per_workgroup.to_string()),
                ("workgroups a dimension", limits.max_compute_workgroups_per_dimension.to_string()),
            ],
        }
    }

    /// Whether a CPU plays the GPU: right for checks, a hundred times too slow for training.
    pub fn is_software(&self) -> bool {
        self.kind == "software"
    }
}

/// The adapters that this program can use, in an order that stays the same.
pub fn list() -> Vec<AdapterInfo> {
    infos(&adapters())
}

fn infos(adapters: &[wgpu::Adapter]) -> Vec<AdapterInfo> {
    adapters.iter().enumerate().map(|(index, adapter)| AdapterInfo::new(index, adapter)).collect()
}

fn adapters() -> Vec<wgpu::Adapter> {
    let instance = wgpu::Instance::new(wgpu::InstanceDescriptor {
        backends: Backends::VULKAN | Backends::METAL | Backends::DX12,
        ..wgpu::InstanceDescriptor::new_without_display_handle()
    });
    pollster::block_on(instance.enumerate_adapters(Backends::all()))
        .into_iter()
        .filter(|adapter| adapter.features().contains(Features::IMMEDIATES))
        .collect()
}

/// What the driver or wgpu reported by itself.
#[derive(Debug)]
enum Fault {
    /// The device was lost, or has no memory.
    Device(String),
    /// A call that wgpu refused: a mistake of this program.
    Call(String),
}

/// An open device. Its errors are collected, never panicked on.
#[derive(Debug)]
pub struct Gpu {
    /// The adapter.
    pub info: AdapterInfo,
    /// What the device allows: all that its adapter can.
    pub limits: Limits,
    pub(crate) device: wgpu::Device,
    pub(crate) queue: wgpu::Queue,
    pub(crate) recorder: Recorder,
    pub(super) pipelines: Option<Pipelines>,
    fault: Arc<Mutex<Option<Fault>>>,
}

impl Gpu {
    /// Opens the chosen adapter. Errors say which adapters there are.
    pub fn open(choice: &Adapter) -> Result<Arc<Self>> {
        let adapters = adapters();
        let infos = infos(&adapters);
        let index = choose(choice, &infos)?;
        Self::on(&adapters[index], infos[index].clone())
    }

    /// Opens the best adapter that is no software, for one of a machine's processes the next as good as the best; `None`
    /// if there is none. Asks the drivers once: the first question loads them all, which takes llvmpipe 37 ms, and 325 the first time on a machine.
    pub fn open_real(process: usize) -> Result<Option<Arc<Self>>> {
        let adapters = adapters();
        let infos = infos(&adapters);
        match choose(&Adapter::Next(process), &infos) {
            Ok(index) if !infos[index].is_software() => Self::on(&adapters[index], infos[index].clone()).map(Some),
            _ => Ok(None),
        }
    }

    fn on(adapter: &wgpu::Adapter, info: AdapterInfo) -> Result<Arc<Self>> {
        let limits = adapter.limits();
        let (device, queue) = pollster::block_on(adapter.request_device(&wgpu::DeviceDescriptor {
            label: Some("cyclone"),
            // Timestamps cost nothing until a profile takes some.
            required_features: Features::IMMEDIATES
                | adapter.features() & TIMESTAMPS
                | adapter.features() & Features::PIPELINE_CACHE,
            required_limits: limits.clone(),
            ..Default::default()
        }))
        .map_err(|error| Error::Gpu(format!("{}: the driver gave no device: {error}", info.name)))?;

        let fault = Arc::new(Mutex::new(None));
        let record = |fault: &Arc<Mutex<Option<Fault>>>| {
            let fault = Arc::clone(fault);
            move |what: Fault| {
                fault.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(what);
            }
        };
        let (uncaptured, lost) = (record(&fault), record(&fault));
        device.on_uncaptured_error(Arc::new(move |error: wgpu::Error| {
            uncaptured(match error {
                wgpu::Error::OutOfMemory { .. } => Fault::Device(error.to_string()),
                _ => Fault::Call(error.to_string()),
            });
        }));
        device.set_device_lost_callback(move |reason, message| {
            lost(Fault::Device(format!("the device was lost ({reason:?}) {message}")));
        });
        let pipelines = Pipelines::load(&device, &adapter.get_info());
        Ok(Arc::new(Self { info, limits, device, queue, recorder: Recorder::default(), pipelines, fault }))
    }

    /// Whether a CPU plays the GPU.
    pub fn is_software(&self) -> bool {
        self.info.is_software()
    }

    /// Remembers the pipelines compiled so far, for the next process.
    pub fn remember(&self) {
        self.pipelines.iter().for_each(Pipelines::save);
    }

    /// `NVIDIA H100 (discrete, Vulkan, NVIDIA 580.1)`.
    pub fn describe(&self) -> String {
        let AdapterInfo { name, kind, backend, driver, .. } = &self.info;
        format!("{name} ({kind}, {backend}, {driver})")
    }

    /// The first fault that the driver reported since the device was opened, as an error.
    pub(crate) fn check(&self) -> Result<()> {
        match &*self.fault.lock().unwrap_or_else(PoisonError::into_inner) {
            None => Ok(()),
            Some(Fault::Device(what)) => Err(self.failed(what)),
            Some(Fault::Call(what)) => Err(Error::Internal(format!("{}: {what}", self.info.name))),
        }
    }

    fn failed(&self, what: &str) -> Error {
        Error::Gpu(format!("{}: {what}", self.info.name))
    }

    /// Runs `create`, and turns what the driver says against it into an error.
    pub(crate) fn scoped<T>(&self, what: &str, create: impl FnOnce() -> T) -> Result<T> {
        let memory = self.device.push_error_scope(wgpu::ErrorFilter::OutOfMemory);
        let validation = self.device.push_error_scope(wgpu::ErrorFilter::Validation);
        let internal = self.device.push_error_scope(wgpu::ErrorFilter::Internal);
        let made = create();
        let errors = [internal.pop(), validation.pop(), memory.pop()].map(pollster::block_on);
        match errors.into_iter().flatten().next() {
            None => self.check().map(|()| made),
            Some(wgpu::Error::OutOfMemory { .. }) => {
                Err(self.failed(&format!("out of memory for {what}: use a smaller --hidden or --batch-size")))
            }
            Some(error) => Err(Error::Internal(format!("{}: {what}: {error}", self.info.name))),
        }
    }

    /// Waits until `submission` is done; without one, until everything is.
    pub(crate) fn wait(&self, submission: Option<&SubmissionIndex>) -> Result<()> {
        self.recorder.phase(Phase::Wait, || self.poll(submission))
    }

    fn poll(&self, submission: Option<&SubmissionIndex>) -> Result<()> {
        let started = Instant::now();
        loop {
            let poll = PollType::Wait { submission_index: submission.cloned(), timeout: Some(Duration::from_secs(1)) };
            // A device lost while waiting makes `poll` panic, whatever handler is set.
            POLLING.set(true);
            let polled = catch_unwind(AssertUnwindSafe(|| self.device.poll(poll)));
            POLLING.set(false);
            match polled {
                Ok(Ok(_)) => return self.check(),
                Ok(Err(PollError::Timeout)) if started.elapsed() < HANG => self.check()?,
                Ok(Err(PollError::Timeout)) => {
                    return Err(self.failed(&format!("no answer for {} s: the GPU hangs", HANG.as_secs())));
                }
                // A submission that the driver refused, which nothing else tells of.
                Ok(Err(PollError::WrongSubmissionIndex(..))) => {
                    return Err(self.failed("the device was lost: the driver refused a submission"));
                }
                Err(_) => return Err(self.failed("the device was lost while waiting for it")),
            }
        }
    }

    /// Copies the first `size` bytes of `buffer` to the host, after everything submitted so far.
    pub(crate) fn read(&self, buffer: &wgpu::Buffer, size: u64) -> Result<Vec<u8>> {
        let staging = self.scoped("reading back", || {
            self.device.create_buffer(&wgpu::BufferDescriptor {
                label: Some("read back"),
                size,
                usage: wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST,
                mapped_at_creation: false,
            })
        })?;
        let mut encoder = self.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        encoder.copy_buffer_to_buffer(buffer, 0, &staging, 0, size);
        let submission = self.recorder.phase(Phase::Submit, || self.queue.submit([encoder.finish()]));
        let (send, receive) = std::sync::mpsc::channel();
        staging.map_async(wgpu::MapMode::Read, .., move |mapped| {
            // Nobody is left to be told if the receiver is gone.
            let _ = send.send(mapped);
        });
        self.wait(Some(&submission))?;
        // Another thread that waits for the same device may be the one that runs the callback.
        let mapped = receive
            .recv_timeout(HANG)
            .map_err(|_| self.failed("the driver did not map a buffer that it had finished"))?;
        mapped.map_err(|error| self.failed(&format!("cannot read results back: {error}")))?;
        let view =
            staging.get_mapped_range(..).map_err(|error| self.failed(&format!("cannot read results back: {error}")))?;
        Ok(view.to_vec())
    }
}

/// The place of the adapter that `choice` means.
fn choose(choice: &Adapter, adapters: &[AdapterInfo]) -> Result<usize> {
    let listing = || {
        if adapters.is_empty() {
            return "no driver offers one. Install a Vulkan driver (`vulkaninfo --summary` shows what there is), or use \
                    --device cpu"
                .to_owned();
        }
        let names: Vec<_> = adapters.iter().map(|a| format!("gpu:{} {}", a.index, a.name)).collect();
        format!("found: {}", names.join(", "))
    };
    let rank = |adapter: &&AdapterInfo| match adapter.kind {
        "discrete" => 0,
        "integrated" => 1,
        "software" => 3,
        _ => 2,
    };
    match choice {
        Adapter::Any => choose(&Adapter::Next(0), adapters),
        Adapter::Next(process) => {
            let best = adapters.iter().map(|adapter| rank(&adapter)).min();
            let best: Vec<_> = adapters.iter().filter(|adapter| Some(rank(adapter)) == best).collect();
            match process.checked_rem(best.len()) {
                Some(place) => Ok(best[place].index),
                None => Err(Error::Gpu(format!("--device gpu: no GPU: {}", listing()))),
            }
        }
        Adapter::Index(index) if *index < adapters.len() => Ok(*index),
        Adapter::Index(index) => Err(Error::Gpu(format!("--device gpu:{index}: no such GPU: {}", listing()))),
        Adapter::Name(name) => adapters
            .iter()
            .find(|adapter| adapter.name.to_lowercase().contains(&name.to_lowercase()))
            .map(|adapter| adapter.index)
            .ok_or_else(|| Error::Gpu(format!("--device {name}: no GPU of that name: {}", listing()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn adapter(index: usize, name: &str, kind: &'static str) -> AdapterInfo {
        AdapterInfo { index, name: name.into(), kind, backend: "Vulkan".into(), driver: String::new(), limits: vec![] }
    }

    #[test]
    fn a_call_that_is_refused_is_a_mistake_of_this_program_and_named() {
        let gpu = Gpu::open(&Adapter::Any).expect("a Vulkan driver: ./test installs a software one");
        gpu.check().unwrap();
        let usage = wgpu::BufferUsages::COPY_DST;
        let size = gpu.limits.max_buffer_size + 4;
        let _ = gpu.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("too long"),
            size,
            usage,
            mapped_at_creation: false,
        });
        let error = gpu.check().unwrap_err();
        assert_eq!(error.exit_code(), 70, "{error}");
        assert!(error.to_string().contains("too long"), "{error}");
    }

    #[test]
    fn a_real_gpu_comes_before_a_software_one() {
        let adapters =
            [adapter(0, "llvmpipe", "software"), adapter(1, "Iris", "integrated"), adapter(2, "H100", "discrete")];
        assert_eq!(choose(&Adapter::Any, &adapters).unwrap(), 2);
        assert_eq!(choose(&Adapter::Any, &adapters[..2]).unwrap(), 1);
        assert_eq!(choose(&Adapter::Any, &adapters[..1]).unwrap(), 0);
        assert_eq!(choose(&Adapter::Name("LLVM".into()), &adapters).unwrap(), 0);
    }

    #[test]
    fn each_process_of_a_machine_takes_the_next_of_the_best() {
        let kinds = ["software", "discrete", "integrated", "discrete", "discrete"];
        let adapters: Vec<_> = (0..5).map(|index| adapter(index, "GPU", kinds[index])).collect();
        let chosen: Vec<_> = (0..5).map(|process| choose(&Adapter::Next(process), &adapters).unwrap()).collect();
        assert_eq!(chosen, [1, 3, 4, 1, 3]);
        assert_eq!(choose(&Adapter::Next(3), &adapters[..1]).unwrap(), 0);
        assert!(choose(&Adapter::Next(0), &[]).is_err());
    }

    #[test]
    fn a_wrong_choice_says_what_there_is() {
        let adapters = [adapter(0, "llvmpipe", "software")];
        for choice in [Adapter::Index(1), Adapter::Name("H100".into())] {
            let error = choose(&choice, &adapters).unwrap_err();
            assert_eq!(error.exit_code(), 5);
            assert!(error.to_string().contains("gpu:0 llvmpipe"), "{error}");
        }
        assert!(choose(&Adapter::Any, &[]).unwrap_err().to_string().contains("--device cpu"));
    }
}
