//! Adapters: which there are, and which one a choice means.

use wgpu::{Backends, DeviceType, Dx12Compiler, Features};

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
    /// `Vulkan`, `Metal`, or `DX12` with its shader compiler: `DX12 with DXC`, `DX12 with FXC`.
    pub backend: String,
    /// The driver and its version.
    pub driver: String,
    /// The limits that decide which shapes fit, for people.
    pub limits: Vec<(&'static str, String)>,
}

impl AdapterInfo {
    fn new(index: usize, adapter: &wgpu::Adapter, backend: String) -> Self {
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
            backend,
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
    let mut found: Vec<_> = ask(Backends::VULKAN | Backends::METAL, Dx12Compiler::Auto)
        .map(|adapter| (format!("{:?}", adapter.get_info().backend), adapter))
        .collect();
    if cfg!(windows) {
        // One after the other, so that it is known which is used: left to itself, wgpu takes either and doesn't tell. With DXC
        // it leaves out cards older than shader model 6, which FXC still serves.
        let compilers = [("DXC", Dx12Compiler::default_dynamic_dxc()), ("FXC", Dx12Compiler::Fxc)];
        let known = compilers.into_iter().find_map(|(name, compiler)| {
            let adapters = ask(Backends::DX12, compiler).map(|adapter| (format!("DX12 with {name}"), adapter));
            Some(adapters.collect::<Vec<_>>()).filter(|adapters| !adapters.is_empty())
        });
        found.extend(known.unwrap_or_default());
    }
    let described = found.into_iter().enumerate();
    described.map(|(index, (backend, adapter))| (AdapterInfo::new(index, &adapter, backend), adapter)).unzip()
}

/// The usable adapters of these backends.
fn ask(backends: Backends, shader_compiler: Dx12Compiler) -> impl Iterator<Item = wgpu::Adapter> {
    let mut descriptor =
        wgpu::InstanceDescriptor { backends, ..wgpu::InstanceDescriptor::new_without_display_handle() };
    descriptor.backend_options.dx12.shader_compiler = shader_compiler;
    let adapters = pollster::block_on(wgpu::Instance::new(descriptor).enumerate_adapters(backends));
    adapters.into_iter().filter(|adapter| adapter.features().contains(Features::IMMEDIATES))
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
    // Of a card that Vulkan and DX12 both offer, Vulkan's: its compiler is the vendor's alone.
    let rank = |adapter: &AdapterInfo| {
        let kind = match adapter.kind {
            "discrete" => 0,
            "integrated" => 1,
            "software" => 3,
            _ => 2,
        };
        (kind, adapter.backend.starts_with("DX12"))
    };
    match choice {
        Adapter::Any => choose(&Adapter::Next(0), adapters),
        Adapter::Next(process) => {
            let best = adapters.iter().map(rank).min();
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
    fn a_card_is_taken_by_vulkan_before_dx12_and_no_two_processes_share_it() {
        let mut adapters: Vec<_> = (0..4).map(|index| adapter(index, "GPU", "discrete")).collect();
        adapters[0].backend = "DX12 with DXC".into();
        adapters[1].backend = "DX12 with DXC".into();
        let chosen: Vec<_> = (0..3).map(|process| choose(&Adapter::Next(process), &adapters).unwrap()).collect();
        assert_eq!(chosen, [2, 3, 2]);
        assert_eq!(choose(&Adapter::Next(1), &adapters[..2]).unwrap(), 1);
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
