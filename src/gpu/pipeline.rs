//! A compiled kernel, and its bindings.

use std::borrow::Cow;

use wgpu::{BindGroupLayoutEntry, BindingType, BufferBindingType, ShaderStages};

use super::context::Gpu;
use super::interface::{Constants, Interface};
use super::kernels::{Kernel, Shaders, Step};
use crate::error::{Error, Result};

/// wgpu would count every loop's iterations and guard every division, which keeps drivers from unrolling loops (a
/// hundredfold slowdown has been seen). It would also clamp every index of workgroup memory, which NVIDIA's compiler does not
/// prove away (seen in `sm_90` code of a transliteration: 88 instructions instead of 74 in two rounds of `forward`'s inner
/// loop). Buffers stay guarded by the driver's own checks, and a wrong shader, a mutant or one of a user's, by all of them.
pub(crate) const fn checks(built_in: bool) -> wgpu::ShaderRuntimeChecks {
    wgpu::ShaderRuntimeChecks {
        bounds_checks: !built_in,
        force_loop_bounding: false,
        int_div_checks: false,
        ..wgpu::ShaderRuntimeChecks::checked()
    }
}

#[expect(unsafe_code, reason = "wgpu must be told that loops end, divisors are not 0, indices inside: see SAFETY")]
fn module(device: &wgpu::Device, label: Option<&str>, source: &str, built_in: bool) -> wgpu::ShaderModule {
    let source = wgpu::ShaderSource::Wgsl(source.into());
    // SAFETY: every loop of the kernels counts up to a bound that the host checks (`plan::Plan`, at most 65,535 trips), and
    // every divisor is a constant of at least 1. Indices of the built-in shaders depend on the invocation, on constants and
    // on sizes that `plan::Plan` checks, never on data but a label, which is below C wherever images are read; `verify` runs
    // every shape's edges between sentinels, and again with all checks on in each mutant.
    unsafe { device.create_shader_module_trusted(wgpu::ShaderModuleDescriptor { label, source }, checks(built_in)) }
}

/// A compute pipeline with everything constant folded in.
#[derive(Debug)]
pub struct Pipeline {
    kernel: Kernel,
    interface: Cow<'static, Interface>,
    has_immediates: bool,
    compiled: wgpu::ComputePipeline,
    layout: wgpu::BindGroupLayout,
}

impl Pipeline {
    /// Compiles `kernel` with its `override` constants.
    pub fn new(gpu: &Gpu, shaders: &Shaders, kernel: Kernel, constants: &Constants) -> Result<Self> {
        let interface = shaders.interface(kernel)?;
        let entry = |read_only, binding| BindGroupLayoutEntry {
            binding,
            visibility: ShaderStages::COMPUTE,
            ty: BindingType::Buffer {
                ty: BufferBindingType::Storage { read_only },
                has_dynamic_offset: false,
                min_binding_size: None,
            },
            count: None,
        };
        let entries: Vec<_> = interface.bindings().map(|binding| entry(binding.read_only, binding.index)).collect();
        let available = gpu.limits.max_storage_buffers_per_shader_stage as usize;
        if entries.len() > available {
            return Err(Error::Gpu(format!(
                "{}: kernel {} needs {} storage buffers, the adapter allows {available}",
                gpu.info.name,
                kernel.name(),
                entries.len(),
            )));
        }
        let label = Some(kernel.name());
        gpu.scoped(kernel.name(), || {
            let device = &gpu.device;
            let layout = device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor { label, entries: &entries });
            let compiled = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
                label,
                layout: Some(&device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
                    label,
                    bind_group_layouts: &[Some(&layout)],
                    immediate_size: interface.immediates(),
                })),
                module: &module(device, label, &shaders.source(kernel), shaders.are_built_in(kernel)),
                entry_point: Some("main"),
                compilation_options: wgpu::PipelineCompilationOptions {
                    constants,
                    // Every kernel writes its workgroup memory before it reads it.
                    zero_initialize_workgroup_memory: false,
                },
                cache: None,
            });
            Self { kernel, has_immediates: interface.immediates() > 0, interface, compiled, layout }
        })
    }

    /// The kernel's name.
    pub fn name(&self) -> &'static str {
        self.kernel.name()
    }

    /// What the shader declares.
    pub fn interface(&self) -> &Interface {
        &self.interface
    }

    /// Binds what the shader declares, out of `buffers` by their names in it.
    pub fn bind(&self, gpu: &Gpu, buffers: &[(&str, &wgpu::Buffer)]) -> Result<wgpu::BindGroup> {
        let (label, layout) = (Some(self.name()), &self.layout);
        let entries = self.interface.entries(self.name(), buffers)?;
        gpu.scoped(self.name(), || {
            gpu.device.create_bind_group(&wgpu::BindGroupDescriptor { label, layout, entries: &entries })
        })
    }

    /// Encodes one dispatch of `grid` workgroups.
    pub fn dispatch(&self, pass: &mut wgpu::ComputePass<'_>, bindings: &wgpu::BindGroup, step: &Step, grid: [u32; 3]) {
        pass.set_pipeline(&self.compiled);
        pass.set_bind_group(0, bindings, &[]);
        if self.has_immediates {
            pass.set_immediates(0, bytemuck::bytes_of(step));
        }
        pass.dispatch_workgroups(grid[0], grid[1], grid[2]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::device::Adapter;

    #[test]
    fn a_buffer_that_a_shader_declares_and_nobody_gives_is_named() {
        let gpu = Gpu::open(&Adapter::Any).expect("a Vulkan driver: ./test installs a software one");
        let pipeline = Pipeline::new(&gpu, &Shaders::default(), Kernel::Squares, &[]).unwrap();
        let buffer = gpu.buffer("any", 16).unwrap();
        let error = pipeline.bind(&gpu, &[("squares", &buffer), ("rows", &buffer)]).unwrap_err();
        assert_eq!(error.exit_code(), 70);
        assert!(error.to_string().contains("kernel squares: there is no buffer `matrix`"), "{error}");
    }
}
