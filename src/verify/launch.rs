//! One dispatch of one kernel on tensors of our choice, with sentinels behind every one.

use std::collections::HashMap;

use crate::error::{Error, Result};
use crate::gpu::Gpu;
use crate::gpu::kernels::{Kernel, Shaders, Step};
use crate::gpu::pipeline::Pipeline;
use crate::gpu::plan::Work;
use crate::proof::compare::{Fault, Outcome, Rule, Worst, compare};

/// A NaN: what stands in every output before the dispatch, so that what is left unwritten cannot pass; and behind every
/// tensor that is only read, so that a value from there cannot pass, not even multiplied by zero.
const NAN: u32 = 0x7fc5_a5a5;
/// 1.0e7: what stands behind every tensor that is written. Not a NaN, which an update in place would leave as it is.
const SENTINEL: u32 = 0x4b1a_5a5b;
/// Words of sentinels behind a tensor: more than a workgroup's 64 columns.
const GUARD: usize = 96;

/// A buffer's contents before the dispatch.
#[derive(Clone, Debug)]
pub struct Tensor {
    /// Its name in the shader.
    pub name: &'static str,
    /// Its 32-bit words.
    pub words: Vec<u32>,
    /// What they stand for.
    pub scalar: Scalar,
}

/// What a buffer holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scalar {
    /// Numbers.
    F32,
    /// Integers.
    U32,
    /// Bytes, four a word.
    U8,
}

impl Tensor {
    /// Numbers.
    pub fn floats(name: &'static str, values: &[f32]) -> Self {
        Self { name, words: values.iter().map(|value| value.to_bits()).collect(), scalar: Scalar::F32 }
    }

    /// Integers.
    pub fn integers(name: &'static str, words: Vec<u32>) -> Self {
        Self { name, words, scalar: Scalar::U32 }
    }

    /// Bytes, four a word.
    pub fn bytes(name: &'static str, bytes: &[u8]) -> Self {
        Self { name, words: bytemuck::pod_collect_to_vec(bytes), scalar: Scalar::U8 }
    }

    /// An output of `len` words that the kernel must write.
    pub fn unwritten(name: &'static str, len: usize) -> Self {
        Self { name, words: vec![NAN; len], scalar: Scalar::F32 }
    }
}

/// What an output must be afterwards.
#[derive(Clone, Debug)]
pub struct Expected {
    /// The tensor's name.
    pub tensor: &'static str,
    /// What it is, for people.
    pub name: &'static str,
    /// Only every `stride`-th value from `offset` on: (0, 1) is all of them.
    pub of: (usize, usize),
    /// The reference.
    pub values: Vec<f64>,
    /// How close.
    pub rule: Rule,
}

impl Expected {
    /// All of a tensor.
    pub fn new(tensor: &'static str, name: &'static str, values: Vec<f64>, rule: Rule) -> Self {
        Self { tensor, name, of: (0, 1), values, rule }
    }
}

/// One dispatch and what it must give.
#[derive(Clone, Debug)]
pub struct Launch {
    /// The kernel.
    pub kernel: Kernel,
    /// Its `override` constants.
    pub constants: Vec<(&'static str, f64)>,
    /// Its immediates.
    pub step: Step,
    /// Workgroups.
    pub grid: [u32; 3],
    /// What it has to do.
    pub work: Work,
    /// What the kernel declares, in any order.
    pub tensors: Vec<Tensor>,
    /// What each output must be.
    pub expected: Vec<Expected>,
}

/// What a dispatch gave.
#[derive(Clone, Debug)]
pub struct Launched {
    /// An outcome for each of [`Launch::expected`], in that order.
    pub outcomes: Vec<(&'static str, Outcome)>,
    /// What was compared, for each of them.
    pub got: Vec<Vec<u32>>,
}

/// A launch on a device.
pub struct Prepared {
    /// The kernel.
    pub pipeline: Pipeline,
    /// Its bindings.
    pub bindings: wgpu::BindGroup,
    /// The buffer of each tensor, and whether the kernel may only read it.
    buffers: Vec<(wgpu::Buffer, bool)>,
}

impl Launch {
    /// Compiles the kernel, and uploads and binds its tensors.
    pub fn prepare(&self, gpu: &Gpu, shaders: &Shaders) -> Result<Prepared> {
        let pipeline = Pipeline::new(gpu, shaders, self.kernel, &self.constants)?;
        let mut buffers = Vec::new();
        for tensor in &self.tensors {
            let mut bindings = pipeline.interface().bindings();
            let Some(binding) = bindings.find(|binding| binding.name == tensor.name) else {
                return Err(Error::Internal(format!("kernel {}: it has no `{}`", pipeline.name(), tensor.name)));
            };
            let guard = if binding.read_only { NAN } else { SENTINEL };
            let words = [tensor.words.as_slice(), &[guard; GUARD]].concat();
            let made = gpu.buffer(tensor.name, words.len() as u64 * 4)?;
            gpu.queue.write_buffer(&made, 0, bytemuck::cast_slice(&words));
            buffers.push((made, binding.read_only));
        }
        let named: Vec<_> =
            self.tensors.iter().zip(&buffers).map(|(tensor, (buffer, _))| (tensor.name, buffer)).collect();
        let bindings = pipeline.bind(gpu, &named)?;
        Ok(Prepared { pipeline, bindings, buffers })
    }

    /// Runs it once on `gpu`. That the results are wrong is no error, but an outcome.
    pub fn run(&self, gpu: &Gpu, shaders: &Shaders) -> Result<Launched> {
        let Prepared { pipeline, bindings, buffers } = self.prepare(gpu, shaders)?;
        let mut encoder = gpu.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        pipeline.dispatch(
            &mut encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default()),
            &bindings,
            &self.step,
            self.grid,
        );
        gpu.finish([encoder.finish()])?;

        let mut after = HashMap::new();
        let mut overrun = None;
        for (tensor, (buffer, _)) in self.tensors.iter().zip(&buffers).filter(|(_, (_, read_only))| !read_only) {
            let mut words: Vec<u32> = gpu.read(buffer, (tensor.words.len() + GUARD) as u64 * 4)?;
            let guard = words.split_off(tensor.words.len());
            if let Some(i) = guard.iter().position(|word| *word != SENTINEL) {
                overrun = Some((tensor.name, words.len() + i, guard[i]));
            }
            after.insert(tensor.name, words);
        }
        let (mut outcomes, mut got) = (Vec::new(), Vec::new());
        for expected in &self.expected {
            let (offset, stride) = expected.of;
            // A tensor that a wrong kernel only reads is not there: nothing was got.
            let words = after.get(expected.tensor).into_iter().flatten();
            let words: Vec<u32> = words.skip(offset).step_by(stride).copied().collect();
            let values: Vec<f64> = words.iter().map(|word| f32::from_bits(*word).into()).collect();
            let mut outcome = compare(&values, &expected.values, &expected.rule);
            if let Some((tensor, index, word)) = overrun
                && tensor == expected.tensor
                && outcome.passed()
            {
                outcome.error = f64::INFINITY;
                outcome.fault = Some(Fault::Overrun);
                outcome.worst = Some(Worst { index, got: f32::from_bits(word).into(), expected: f64::NAN });
            }
            outcomes.push((expected.name, outcome));
            got.push(words);
        }
        Ok(Launched { outcomes, got })
    }
}
