//! Adapters: which there are, and which one a choice means.

use wgpu::{Backends, DeviceType, Features};

use crate::config::device::Adapter;
use crate::error::{Error, Result};
use crate::util::text::bytes;

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
                ("largest binding", bytes(limits.max_storage_buffer_binding_size)),
                ("largest buffer", bytes(limits.max_buffer_size)),
                ("workgroup memory", bytes(limits.max_compute_workgroup_storage_size)),
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
    adapters().0
}

/// What is printed about each adapter, and the adapters.
pub(super) fn adapters() -> (Vec<AdapterInfo>, Vec<wgpu::Adapter>) {
    let instance = wgpu::Instance::new(wgpu::InstanceDescriptor {
        backends: Backends::VULKAN | Backends::METAL | Backends::DX12,
        ..wgpu::InstanceDescriptor::new_without_display_handle()
    });
    let adapters = pollster::block_on(instance.enumerate_adapters(Backends::all())).into_iter();
    let usable = adapters.filter(|adapter| adapter.features().contains(Features::IMMEDIATES)).enumerate();
    usable.map(|(index, adapter)| (AdapterInfo::new(index, &adapter), adapter)).unzip()
}

/// The place of the adapter that `choice` means.
pub(super) fn choose(choice: &Adapter, adapters: &[AdapterInfo]) -> Result<usize> {
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
