//! The named tensors of a network, and their values on the host.

use rand::distr::Distribution;
use rand_distr::StandardNormal;
use serde::{Deserialize, Serialize};

use crate::model::ModelSpec;
use crate::model::optimizer::Optimizer;
use crate::util::random::{Purpose, stream};

/// A named tensor, stored as `[rows, columns]`, row-major.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tensor {
    /// Its name in PyTorch, which stores a weight as `[out, in]`, the transpose of the layout here.
    pub name: String,
    /// Fan-in of a weight; 1 for a bias.
    pub rows: usize,
    /// Units of the layer.
    pub columns: usize,
    /// Whether it is a weight, which is penalised and starts from random values, or a bias, which starts from 0.
    pub is_weight: bool,
}

impl Tensor {
    /// Number of values.
    pub fn len(&self) -> usize {
        self.rows * self.columns
    }

    /// Whether it has no values, which a checked shape rules out.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// The spread of the weights before the first step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Init {
    /// 1/√fan-in, the report's.
    #[default]
    Report,
    /// √(2/fan-in): He et al., *Delving Deep into Rectifiers*, 2015; PyTorch's `kaiming_normal_`.
    He,
}

impl Init {
    /// The standard deviation of a weight that is one of `fan_in`.
    fn deviation(self, fan_in: usize) -> f64 {
        match self {
            Self::Report => 1.0 / (fan_in as f64).sqrt(),
            Self::He => (2.0 / fan_in as f64).sqrt(),
        }
    }
}

/// Place in the table of the weight of layer `layer`, the first being 0.
pub const fn weight(layer: usize) -> usize {
    2 * layer
}

/// Place in the table of the bias of layer `layer`.
pub const fn bias(layer: usize) -> usize {
    2 * layer + 1
}

/// The symbol in the crate's page of the tensor at `place` of the table: `W1`, `b1`, `W2`, …
pub fn symbol(place: usize) -> String {
    format!("{}{}", if place.is_multiple_of(2) { 'W' } else { 'b' }, place / 2 + 1)
}

/// The table of tensors, for everything that allocates, checks or saves them: layer after layer, its weight and its bias.
pub fn tensors(spec: &ModelSpec) -> Vec<Tensor> {
    let layers = spec.layers().enumerate().flat_map(|(layer, [from, to])| {
        let name = |of: &str| format!("fc{}.{of}", layer + 1);
        [
            Tensor { name: name("weight"), rows: from, columns: to, is_weight: true },
            Tensor { name: name("bias"), rows: 1, columns: to, is_weight: false },
        ]
    });
    layers.collect()
}

/// The parameters of a network on the host, in the order and layout of [`tensors`].
#[derive(Clone, Debug, PartialEq)]
pub struct Params {
    /// The shape.
    pub spec: ModelSpec,
    /// Steps that an optimizer with moments has taken; 0 of one without.
    pub steps: u64,
    /// Of one hidden layer, `W1 [D, H]`, `b1 [H]`, `W2 [H, C]`, `b2 [C]`; then the optimizer's moments, as many of each kind.
    pub values: Vec<Vec<f32>>,
}

impl Params {
    /// Initial values from `seed`, with the same bits for both engines: weights are normal with mean 0 and the standard
    /// deviation of `init`, biases 0.
    pub fn init(spec: &ModelSpec, seed: u64, init: Init) -> Self {
        let values = tensors(spec).into_iter().zip(0..).map(|(tensor, index)| {
            let mut generator = stream(seed, Purpose::Weights, index);
            if !tensor.is_weight {
                return vec![0.0; tensor.len()];
            }
            let deviation = init.deviation(tensor.rows);
            let mut draw = || -> f64 { StandardNormal.sample(&mut generator) };
            (0..tensor.len()).map(|_| (draw() * deviation) as f32).collect()
        });
        Self { spec: spec.clone(), steps: 0, values: values.collect() }
    }

    /// The same with the moments that `optimizer` begins with, all 0.
    #[must_use]
    pub fn with_moments(mut self, optimizer: Optimizer) -> Self {
        let table = tensors(&self.spec);
        self.values.truncate(table.len());
        self.steps = 0;
        let zeros = optimizer.moments().iter().flat_map(|_| &table).map(|tensor| vec![0.0; tensor.len()]);
        self.values.extend(zeros.collect::<Vec<_>>());
        self
    }

    /// The same with the moments of `optimizer`: those that are there, or else 0.
    #[must_use]
    pub fn with_moments_of(self, optimizer: Optimizer) -> Self {
        if self.moments().len() == optimizer.moments().len() { self } else { self.with_moments(optimizer) }
    }

    /// The weights and biases, then each kind of the optimizer's moments.
    pub fn kinds(&self) -> impl ExactSizeIterator<Item = &[Vec<f32>]> {
        self.values.chunks_exact(tensors(&self.spec).len())
    }

    /// Each kind of the optimizer's moments, as [`Self::values`] has the weights and biases.
    pub fn moments(&self) -> impl ExactSizeIterator<Item = &[Vec<f32>]> {
        self.kinds().skip(1)
    }

    /// Whether every value is a finite number.
    pub fn is_finite(&self) -> bool {
        self.values.iter().flatten().all(|value| value.is_finite())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Hidden;

    #[test]
    fn the_same_seed_gives_the_same_bits_and_another_seed_gives_other_bits() {
        let spec = ModelSpec { inputs: 7, hidden: Hidden::new(&[5]), classes: 3 };
        assert_eq!(Params::init(&spec, 1, Init::Report), Params::init(&spec, 1, Init::Report));
        assert_ne!(Params::init(&spec, 1, Init::Report), Params::init(&spec, 2, Init::Report));
    }

    #[test]
    fn weights_have_the_stated_spread_and_biases_are_zero() {
        let spec = ModelSpec { inputs: 3072, hidden: Hidden::new(&[50]), classes: 10 };
        for (init, expected) in [(Init::Report, 1.0), (Init::He, 2.0)] {
            let params = Params::init(&spec, 0, init);
            let n = params.values[weight(0)].len() as f64;
            let mean = params.values[weight(0)].iter().map(|&w| f64::from(w)).sum::<f64>() / n;
            let variance =
                params.values[weight(0)].iter().map(|&w| f64::from(w).powi(2)).sum::<f64>() / n - mean * mean;
            // 153,600 draws: the standard error of the mean is 4.6e-5 or 6.5e-5, the relative one of the variance 3.6e-3;
            // five are allowed.
            approx::assert_abs_diff_eq!(mean, 0.0, epsilon = 2.3e-4 * expected);
            approx::assert_relative_eq!(variance * 3072.0, expected, max_relative = 1.8e-2);
            assert!(params.values[bias(0)].iter().chain(&params.values[bias(1)]).all(|&b| b == 0.0));
        }
    }
}
