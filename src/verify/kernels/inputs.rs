//! Random and small-integer inputs, and how a case's tensors lie in the GPU's buffers.

use rand::Rng;
use rand::rngs::ChaCha8Rng;

use crate::model::reference::Matrix;
use crate::model::regularise::Target;
use crate::util::random::{Purpose, stream};

/// What a case feeds to its kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Numbers of the sizes that training meets, both signs.
    Random,
    /// Integers from −3 to 3: every sum is one too and below 2²⁴, so the result must be exact on every adapter.
    Integers,
    /// Random, but logits as far out as ±200, where an unshifted softmax overflows.
    Extreme,
}

/// A stream of inputs; the same for a case on every machine.
pub struct Draw {
    generator: ChaCha8Rng,
    kind: Kind,
}

impl Draw {
    /// The stream of the case `name`.
    pub fn new(name: &str, kind: Kind) -> Self {
        // FNV-1a: any fixed function of the name will do.
        let seed = name
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
        Self { generator: stream(seed, Purpose::Check, 0), kind }
    }

    /// One number of about `size`, or a small integer.
    pub fn number(&mut self, size: f32) -> f32 {
        match self.kind {
            Kind::Integers => (self.generator.next_u32() % 7) as f32 - 3.0,
            Kind::Random | Kind::Extreme => {
                // Uniform over 2²⁴ values: every one is exact in f32.
                let uniform = (self.generator.next_u32() >> 8) as f32 / (1 << 23) as f32 - 1.0;
                uniform * size
            }
        }
    }

    /// `len` numbers of about `size`.
    pub fn numbers(&mut self, len: usize, size: f32) -> Vec<f32> {
        (0..len).map(|_| self.number(size)).collect()
    }

    /// `len` pixels; from 0 to 6 for integers, which a mean of 3 takes to −3 … 3.
    pub fn pixels(&mut self, len: usize) -> Vec<u8> {
        let most = if self.kind == Kind::Integers { 7 } else { 256 };
        (0..len).map(|_| (self.generator.next_u32() % most) as u8).collect()
    }

    /// `len` labels below `classes`.
    pub fn labels(&mut self, len: usize, classes: usize) -> Vec<u32> {
        (0..len).map(|_| self.generator.next_u32() % classes as u32).collect()
    }

    /// `len` targets of one of `classes`, or, if they are `mixed`, of two.
    pub fn targets(&mut self, len: usize, classes: usize, mixed: bool) -> Vec<Target> {
        let [labels, others, shares] = [classes, classes, 129].map(|below| self.labels(len, below));
        let target = |i: usize| {
            let of = |words: &[u32]| if mixed { words[i] as u8 } else { 0 };
            Target { label: labels[i] as u8, other: of(&others), share: of(&shares) }
        };
        (0..len).map(target).collect()
    }

    /// Whether inputs are integers, so that sums must be exact.
    pub fn exact(&self) -> bool {
        self.kind == Kind::Integers
    }
}

/// Numbers in rows of `columns`, widened.
pub fn matrix(values: &[f32], columns: usize) -> Matrix {
    Matrix { values: values.iter().copied().map(f64::from).collect(), columns }
}

/// The absolute value of each number.
pub fn absolute(matrix: &Matrix) -> Matrix {
    Matrix { values: matrix.values.iter().map(|value| value.abs()).collect(), columns: matrix.columns }
}

/// Rows of `H` values of each of `M` models, side by side and each padded to `HP` by zeros: `[rows, M·HP]`.
pub fn side_by_side<T: Copy + Default>(models: &[Vec<T>], h: usize, padded: usize) -> Vec<T> {
    let rows = models[0].len() / h;
    let mut out = vec![T::default(); rows * models.len() * padded];
    for (m, values) in models.iter().enumerate() {
        for (row, values) in values.chunks_exact(h).enumerate() {
            out[(row * models.len() + m) * padded..][..h].copy_from_slice(values);
        }
    }
    out
}
