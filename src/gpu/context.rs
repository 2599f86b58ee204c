//! An open device: its buffers, and its faults as errors.

use std::sync::{Arc, Mutex, PoisonError};

use wgpu::{BufferUsages, Features, Limits};

use super::adapter::{AdapterInfo, adapters, choose};
use super::recorder::Recorder;
use crate::config::device::Adapter;
use crate::error::{Error, Result};

/// What a profile likes to have and nothing else needs.
const TIMESTAMPS: Features = Features::TIMESTAMP_QUERY.union(Features::TIMESTAMP_QUERY_INSIDE_PASSES);

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
    fault: Arc<Mutex<Option<Fault>>>,
}

impl Gpu {
    /// Opens the chosen adapter. Errors say which adapters there are.
    pub fn open(choice: &Adapter) -> Result<Arc<Self>> {
        let (infos, adapters) = adapters();
        let index = choose(choice, &infos)?;
        Self::on(&adapters[index], infos[index].clone())
    }

    /// Opens the best adapter that is no software, for one of a machine's processes the next as good as the best; `None`
    /// if there is none. Asks the drivers once: the first question loads them all, which takes llvmpipe 37 ms, and 325 the
    /// first time on a machine.
    pub fn open_real(process: usize) -> Result<Option<Arc<Self>>> {
        let (infos, adapters) = adapters();
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
            required_features: Features::IMMEDIATES | adapter.features() & TIMESTAMPS,
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
        Ok(Arc::new(Self { info, limits, device, queue, recorder: Recorder::default(), fault }))
    }

    /// Whether a CPU plays the GPU.
    pub fn is_software(&self) -> bool {
        self.info.is_software()
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

    pub(super) fn failed(&self, what: &str) -> Error {
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

    /// A storage buffer that can be written from the host and read back.
    pub(crate) fn buffer(&self, label: &str, size: u64) -> Result<wgpu::Buffer> {
        self.recorder.made(label, size);
        self.create(label, size, BufferUsages::STORAGE | BufferUsages::COPY_DST | BufferUsages::COPY_SRC)
    }

    pub(super) fn create(&self, label: &str, size: u64, usage: BufferUsages) -> Result<wgpu::Buffer> {
        let descriptor = wgpu::BufferDescriptor { label: Some(label), size, usage, mapped_at_creation: false };
        self.scoped(label, || self.device.create_buffer(&descriptor))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_that_is_refused_is_a_mistake_of_this_program_and_named() {
        let gpu = Gpu::open(&Adapter::Any).expect("a Vulkan driver: ./test installs a software one");
        gpu.check().unwrap();
        let (size, usage) = (gpu.limits.max_buffer_size + 4, BufferUsages::COPY_DST);
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
}
