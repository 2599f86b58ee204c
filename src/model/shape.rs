//! The shape of a network, checked before anything is built from it.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::util::text::{bytes, grouped};

/// The shape of a network `D → H → C`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelSpec {
    /// `D`: inputs of an image, 3 × 32 × 32 = 3,072.
    pub inputs: usize,
    /// `H`: hidden units.
    pub hidden: usize,
    /// `C`: classes.
    pub classes: usize,
}

impl ModelSpec {
    /// Largest `H`: the weights of 2²⁴ units take 192 GiB, more than the memory of any device. The limits of the device
    /// itself are checked in [`crate::gpu`].
    pub const MAX_HIDDEN: usize = 1 << 24;

    /// Operations of a training step for one image: each layer's product forward and its weights' gradient, and the hidden
    /// units' gradient.
    pub fn step_flops(&self) -> usize {
        2 * self.hidden * (2 * self.inputs + 3 * self.classes)
    }

    /// A checked shape: every size at least 1, `H` at most [`Self::MAX_HIDDEN`].
    pub fn new(inputs: usize, hidden: usize, classes: usize) -> Result<Self> {
        let most = grouped(Self::MAX_HIDDEN);
        if hidden == 0 {
            return Err(Error::Usage(format!("--hidden 0: expected 1 to {most} hidden units")));
        }
        if hidden > Self::MAX_HIDDEN {
            return Err(Error::Usage(format!(
                "--hidden {hidden}: expected 1 to {most} hidden units; the weights would take {}",
                bytes((inputs as u128 + 1 + classes as u128) * hidden as u128 * 4),
            )));
        }
        if inputs == 0 || classes < 2 {
            return Err(Error::Usage(format!(
                "{inputs} inputs and {classes} classes: expected at least 1 input and 2 classes"
            )));
        }
        Ok(Self { inputs, hidden, classes })
    }

    /// Number of weights and biases.
    pub fn parameters(&self) -> usize {
        (self.inputs + 1) * self.hidden + (self.hidden + 1) * self.classes
    }
}
