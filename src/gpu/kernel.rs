//! A compiled kernel, and its bindings.

use wgpu::{BindGroupLayoutEntry, BindingType, BufferBindingType, ShaderStages};

use super::cache::Pipelines;
use super::context::Gpu;
use crate::error::{Error, Result};
use crate::gpu::kernels::{Access, Kernel, Shaders, Step};

/// wgpu would count every loop's iterations and guard every division, which keeps drivers from unrolling loops (a
/// hundredfold slowdown has been seen). It would also clamp every index of workgroup memory, which NVIDIA's compiler does not
/// prove away (seen in `sm_90` code of a transliteration: 88 instructions instead of 74 in two rounds of `forward`'s inner
/// loop). Buffers stay guarded by the driver's own checks, and a wrong shader, a mutant or one of a user's, by all of them.
const fn checks(built_in: bool) -> wgpu::ShaderRuntimeChecks {
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
    compiled: wgpu::ComputePipeline,
    layout: wgpu::BindGroupLayout,
}

impl Pipeline {
    /// Compiles `kernel` with its `override` constants.
    pub fn new(gpu: &Gpu, shaders: &Shaders, kernel: Kernel, constants: &[(&str, f64)]) -> Result<Self> {
        Self::with(gpu, shaders, kernel, constants, gpu.pipelines.as_ref())
    }

    /// The same, with what `pipelines` remembers.
    pub(super) fn with(
        gpu: &Gpu,
        shaders: &Shaders,
        kernel: Kernel,
        constants: &[(&str, f64)],
        pipelines: Option<&Pipelines>,
    ) -> Result<Self> {
        let available = gpu.limits.max_storage_buffers_per_shader_stage as usize;
        if kernel.bindings().len() > available {
            return Err(Error::Gpu(format!(
                "{}: kernel {} needs {} storage buffers, the adapter allows {available}",
                gpu.info.name,
                kernel.name(),
                kernel.bindings().len(),
            )));
        }
        let entries: Vec<_> = kernel
            .bindings()
            .iter()
            .enumerate()
            .map(|(binding, access)| BindGroupLayoutEntry {
                binding: binding as u32,
                visibility: ShaderStages::COMPUTE,
                ty: BindingType::Buffer {
                    ty: BufferBindingType::Storage { read_only: *access == Access::Read },
                    has_dynamic_offset: false,
                    min_binding_size: None,
                },
                count: None,
            })
            .collect();
        let label = Some(kernel.name());
        gpu.scoped(kernel.name(), || {
            let device = &gpu.device;
            let layout = device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor { label, entries: &entries });
            let compiled = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
                label,
                layout: Some(&device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
                    label,
                    bind_group_layouts: &[Some(&layout)],
                    immediate_size: kernel.immediates(),
                })),
                module: &module(device, label, &shaders.source(kernel), shaders.are_built_in(kernel)),
                entry_point: Some("main"),
                compilation_options: wgpu::PipelineCompilationOptions {
                    constants,
                    // Every kernel writes its workgroup memory before it reads it.
                    zero_initialize_workgroup_memory: false,
                },
                cache: pipelines.map(Pipelines::cache),
            });
            Self { kernel, compiled, layout }
        })
    }

    /// The kernel's name.
    pub fn name(&self) -> &'static str {
        self.kernel.name()
    }

    /// Binds `buffers`, in the order of the kernel's bindings.
    pub fn bind(&self, gpu: &Gpu, buffers: &[&wgpu::Buffer]) -> Result<wgpu::BindGroup> {
        let entries: Vec<_> = buffers
            .iter()
            .enumerate()
            .map(|(binding, buffer)| wgpu::BindGroupEntry {
                binding: binding as u32,
                resource: buffer.as_entire_binding(),
            })
            .collect();
        gpu.scoped(self.kernel.name(), || {
            gpu.device.create_bind_group(&wgpu::BindGroupDescriptor {
                label: Some(self.kernel.name()),
                layout: &self.layout,
                entries: &entries,
            })
        })
    }

    /// Encodes one dispatch of `grid` workgroups.
    pub fn dispatch(&self, pass: &mut wgpu::ComputePass<'_>, bindings: &wgpu::BindGroup, step: &Step, grid: [u32; 3]) {
        pass.set_pipeline(&self.compiled);
        pass.set_bind_group(0, bindings, &[]);
        if self.kernel.immediates() > 0 {
            pass.set_immediates(0, bytemuck::bytes_of(step));
        }
        pass.dispatch_workgroups(grid[0], grid[1], grid[2]);
    }
}
