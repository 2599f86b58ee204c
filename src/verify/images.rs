//! Images and weights for checks: small, learnable, the same everywhere.

use std::sync::Arc;

use rand::Rng;

use crate::data::{Dataset, Standardisation};
use crate::model::ModelSpec;
use crate::model::params::{Init, Params, tensors};
use crate::util::random::{Purpose, stream};

/// `count` images of `inputs` pixels: a random prototype a class under as much noise again, and what standardises them
/// roughly.
pub fn images(inputs: usize, classes: usize, count: usize) -> (Arc<Dataset>, Arc<Standardisation>) {
    let mut draw = stream(0, Purpose::Check, 5);
    let prototypes: Vec<u8> = (0..inputs * classes).map(|_| (draw.next_u32() % 128) as u8).collect();
    let labels: Vec<u8> = (0..count).map(|_| (draw.next_u32() % classes as u32) as u8).collect();
    let pixels = labels
        .iter()
        .flat_map(|&label| &prototypes[usize::from(label) * inputs..][..inputs])
        .map(|pixel| pixel + (draw.next_u32() % 128) as u8)
        .collect();
    let names = (0..classes).map(|class| class.to_string()).collect();
    let dataset = Dataset::in_memory("prototypes and noise", names, inputs, pixels, labels, count);
    // The sum of two uniform numbers below 128: mean 127, deviation 52.
    let standardisation = Standardisation { mean: vec![127.0; inputs], scale: vec![1.0 / 52.0; inputs] };
    (dataset.into(), standardisation.into())
}

/// Another mean and scale for every one of `inputs` pixels, so that one in a wrong place shows.
pub fn uneven(inputs: usize) -> Standardisation {
    Standardisation {
        mean: (0..inputs).map(|i| 110.0 + (i % 31) as f32).collect(),
        scale: (0..inputs).map(|i| 1.0 / (40.0 + (i % 37) as f32)).collect(),
    }
}

/// Fresh weights, and biases of training's size instead of zeros, so that a wrong sign or place shows.
pub fn params(spec: &ModelSpec, seed: u64) -> Params {
    let mut params = Params::init(spec, seed, Init::Report);
    let mut draw = stream(seed, Purpose::Check, 2);
    for (values, tensor) in params.values.iter_mut().zip(tensors(spec)) {
        if !tensor.is_weight {
            values.fill_with(|| (draw.next_u32() >> 8) as f32 / (1 << 24) as f32 * 0.2 - 0.1);
        }
    }
    params
}
