//! Peak rates of a device, measured between the repetitions of its training: other programs, and a clock that changes, slow
//! both. Each measurement is prepared once and then repeated.

mod cpu;

use super::sample::Dispatch;
use crate::error::{Error, Result};
use crate::gpu::Gpu;
use crate::gpu::interface::{Constants, Interface};
use crate::gpu::kernels::Ceiling;
use crate::records::profile::Ceilings;
use crate::util::text::tenths;

/// Bytes of the copy on a GPU: several times the largest cache (50 MiB on an H100).
const COPY: u64 = 256 << 20;
/// The same on a software adapter, and on the CPU.
const COPY_SOFTWARE: u64 = 32 << 20;
/// Invocations of the arithmetic: more than seven for each of the 132 × 1,024 that an H100 runs at once.
const FMA: u32 = 1 << 20;
/// The same on a software adapter.
const FMA_SOFTWARE: u32 = 1 << 12;
/// Rounds of the arithmetic.
const ROUNDS: u32 = 256;
/// Operations of an invocation in a round: 32 multiplications, 32 additions.
const ROUND_FLOPS: u32 = 64;
/// Invocations of a workgroup of `ceiling_copy` and `ceiling_fma`.
const WORKGROUP: u32 = 256;

impl Ceilings {
    /// Measures those of a GPU each time it is called. The results of the kernels have been checked.
    pub fn of_gpu(gpu: &Gpu) -> Result<impl FnMut() -> Result<Self>> {
        let ((bytes, copy), (flops, arithmetic), empty) = (copy(gpu)?, arithmetic(gpu)?, empty(gpu)?);
        Ok(move || {
            Ok(Self {
                bytes_per_second: bytes / copy.seconds()?,
                flops_per_second: flops / arithmetic.seconds()?,
                dispatch_seconds: Some(empty.seconds()?),
            })
        })
    }
}

/// What was highest of `shares` of the most operations per second, each with its name, if that is more than there can be:
/// says so, why, and what to do.
pub fn impossible<'a>(shares: impl IntoIterator<Item = (&'a str, f64)>) -> Option<String> {
    let (what, share) = shares.into_iter().max_by(|a, b| a.1.total_cmp(&b.1)).filter(|(_, share)| *share > 1.0)?;
    Some(format!(
        "{what} ran at {} of the most GFLOP/s that was measured: whenever that was, other programs were using the machine, or \
         its clock was lower; repeat it on a quiet machine",
        tenths(share)
    ))
}

/// Bytes of a copy, read and written.
fn copy(gpu: &Gpu) -> Result<(f64, Dispatch<'_>)> {
    let most = gpu.limits.max_storage_buffer_binding_size.min(gpu.limits.max_buffer_size);
    let size = if gpu.is_software() { COPY_SOFTWARE } else { COPY }.min(most) / 16 * 16;
    let (from, to) = (gpu.buffer("copy: source", size)?, gpu.buffer("copy: copies", size)?);
    // Numbers of their places, a piece of them at the start and one at the end.
    let piece: Vec<u32> = (0..1 << 16).collect();
    let last = size - size_of_val(piece.as_slice()) as u64;
    for offset in [0, last] {
        gpu.queue.write_buffer(&from, offset, bytemuck::cast_slice(&piece));
    }
    let quads = size / 16;
    // Four vec4s an invocation, within the limit of 65,535 workgroups.
    let groups = (quads / 4).div_ceil(WORKGROUP.into()).min(gpu.limits.max_compute_workgroups_per_dimension.into());
    let stride = groups * u64::from(WORKGROUP);
    let constants = [("QUADS", quads as f64), ("STRIDE", stride as f64)];
    let dispatch = dispatch(gpu, Ceiling::Copy, &constants, &[("source", &from), ("copies", &to)], groups as u32)?;
    let copied: Vec<u8> = gpu.read(&to, size)?;
    let piece: &[u8] = bytemuck::cast_slice(&piece);
    check(Ceiling::Copy, copied.starts_with(piece) && copied.ends_with(piece))?;
    Ok((2.0 * size as f64, dispatch))
}

/// Operations of the arithmetic.
fn arithmetic(gpu: &Gpu) -> Result<(f64, Dispatch<'_>)> {
    let invocations = if gpu.is_software() { FMA_SOFTWARE } else { FMA };
    let factors = gpu.buffer("arithmetic: factors", 32)?;
    let sums = gpu.buffer("arithmetic: sums", u64::from(invocations) * 4)?;
    gpu.queue.write_buffer(&factors, 0, bytemuck::cast_slice(&[[1f32; 4], [-1.0; 4]]));
    let constants = [("ROUNDS", f64::from(ROUNDS))];
    let buffers = [("factors", &factors), ("sums", &sums)];
    let dispatch = dispatch(gpu, Ceiling::Fma, &constants, &buffers, invocations / WORKGROUP)?;
    let sums: Vec<f32> = gpu.read(&sums, u64::from(invocations) * 4)?;
    // Of small integers, so exact. Each component of the eight vec4s starts at the vec4's number, p four before its q.
    let pair = |(p, q): (f32, f32)| (0..ROUNDS).fold((p, q), |(p, q), _| (p + q, q - (p + q)));
    let pairs = [(0.0, 4.0), (1.0, 5.0), (2.0, 6.0), (3.0, 7.0)].map(pair);
    let expected: f32 = pairs.iter().map(|(p, q)| 4.0 * (p + q)).sum();
    check(Ceiling::Fma, sums.iter().all(|&sum| sum == expected))?;
    Ok((f64::from(invocations) * f64::from(ROUNDS) * f64::from(ROUND_FLOPS), dispatch))
}

fn empty(gpu: &Gpu) -> Result<Dispatch<'_>> {
    let count = gpu.buffer("empty: count", 4)?;
    let dispatch = dispatch(gpu, Ceiling::Empty, &[], &[("count", &count)], 1)?;
    let count: Vec<u32> = gpu.read(&count, 4)?;
    check(Ceiling::Empty, count[0] > 1)?;
    Ok(dispatch)
}

fn check(ceiling: Ceiling, right: bool) -> Result<()> {
    if right {
        return Ok(());
    }
    Err(Error::CheckFailed(format!(
        "kernel {} gave a wrong result, so its time means nothing: is the driver sound? See cyclone verify",
        ceiling.file().0
    )))
}

/// A dispatch of `groups` workgroups, which has run.
fn dispatch<'a>(
    gpu: &'a Gpu,
    ceiling: Ceiling,
    constants: &Constants,
    buffers: &[(&str, &wgpu::Buffer)],
    groups: u32,
) -> Result<Dispatch<'a>> {
    let (name, text) = ceiling.file();
    let label = Some(name);
    let device = &gpu.device;
    let interface = Interface::parse(name, text)?;
    let entries = interface.entries(name, buffers)?;
    let (pipeline, bindings) = gpu.scoped(name, || {
        let source = wgpu::ShaderSource::Wgsl(text.into());
        let pipeline = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label,
            layout: None,
            module: &device.create_shader_module(wgpu::ShaderModuleDescriptor { label, source }),
            entry_point: Some("main"),
            compilation_options: wgpu::PipelineCompilationOptions { constants, ..Default::default() },
            cache: None,
        });
        let layout = &pipeline.get_bind_group_layout(0);
        let bindings = device.create_bind_group(&wgpu::BindGroupDescriptor { label, layout, entries: &entries });
        (pipeline, bindings)
    })?;
    Dispatch::new(gpu, move |pass| {
        pass.set_pipeline(&pipeline);
        pass.set_bind_group(0, &bindings, &[]);
        pass.dispatch_workgroups(groups, 1, 1);
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_than_all_of_a_ceiling_is_a_warning_that_names_the_highest_its_reason_and_its_cure() {
        assert_eq!(impossible([("the training", 1.0), ("update", 0.99)]), None);
        assert_eq!(impossible([]), None);
        let text = impossible([("the training", 1.02), ("update", 1.14), ("head", 0.3)]).unwrap();
        for part in ["update", "114.0 %", "other programs", "clock", "quiet machine"] {
            assert!(text.contains(part), "{part} in {text}");
        }
    }
}
