//! One dispatch of one kernel on tensors of our choice, with sentinels behind every one.

use super::compare::{Fault, Outcome, Rule, Worst, compare};
use crate::error::Result;
use crate::gpu::kernel::Pipeline;
use crate::gpu::kernels::{Access, Kernel, Shaders, Step};
use crate::gpu::{Gpu, buffer};

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
    /// The binding.
    pub binding: usize,
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
    /// The words of the binding that are compared.
    pub fn part(&self, words: &[u32]) -> impl Iterator<Item = u32> {
        let (offset, stride) = self.of;
        words.iter().skip(offset).step_by(stride).copied()
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
    /// The buffers, in the order of the kernel's bindings.
    pub tensors: Vec<Tensor>,
    /// What each output must be.
    pub expected: Vec<Expected>,
}

/// What a dispatch gave.
#[derive(Clone, Debug)]
pub struct Launched {
    /// An outcome for each of [`Launch::expected`], in that order.
    pub outcomes: Vec<(&'static str, Outcome)>,
    /// Every buffer's words afterwards, sentinels left out.
    pub after: Vec<Vec<u32>>,
}

impl Launch {
    /// Runs it once on `gpu`.
    ///
    /// # Errors
    ///
    /// [`crate::error::Error::Gpu`] for what the driver refuses or loses, [`crate::error::Error::Internal`] for a shader
    /// that does not fit its bindings. That the results are wrong is no error, but an outcome.
    pub fn run(&self, gpu: &Gpu, shaders: &Shaders) -> Result<Launched> {
        let pipeline = Pipeline::new(gpu, shaders, self.kernel, &self.constants)?;
        let mut buffers = Vec::new();
        for (tensor, access) in self.tensors.iter().zip(self.kernel.bindings()) {
            let guard = if *access == Access::Read { NAN } else { SENTINEL };
            let words = [tensor.words.as_slice(), &[guard; GUARD]].concat();
            let made = buffer(gpu, tensor.name, words.len() as u64 * 4)?;
            gpu.queue.write_buffer(&made, 0, bytemuck::cast_slice(&words));
            buffers.push(made);
        }
        let bindings = pipeline.bind(gpu, &buffers.iter().collect::<Vec<_>>())?;
        let mut encoder = gpu.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        pipeline.dispatch(
            &mut encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default()),
            &bindings,
            &self.step,
            self.grid,
        );
        gpu.wait(Some(&gpu.queue.submit([encoder.finish()])))?;

        let mut after = Vec::new();
        let mut overrun = None;
        for ((binding, access), tensor) in self.kernel.bindings().iter().enumerate().zip(&self.tensors) {
            if *access == Access::Read {
                after.push(tensor.words.clone());
                continue;
            }
            let mut words: Vec<u32> =
                bytemuck::pod_collect_to_vec(&gpu.read(&buffers[binding], (tensor.words.len() + GUARD) as u64 * 4)?);
            let guard = words.split_off(tensor.words.len());
            if let Some(i) = guard.iter().position(|word| *word != SENTINEL) {
                overrun = Some((binding, words.len() + i, guard[i]));
            }
            after.push(words);
        }
        let mut outcomes = Vec::new();
        for expected in &self.expected {
            let got: Vec<f64> =
                expected.part(&after[expected.binding]).map(|word| f32::from_bits(word).into()).collect();
            let mut outcome = compare(&got, &expected.values, &expected.rule);
            if let Some((binding, index, word)) = overrun
                && binding == expected.binding
                && outcome.passed()
            {
                outcome.error = f64::INFINITY;
                outcome.fault = Some(Fault::Overrun);
                outcome.worst = Some(Worst { index, got: f32::from_bits(word).into(), expected: f64::NAN });
            }
            outcomes.push((expected.name, outcome));
        }
        Ok(Launched { outcomes, after })
    }
}
