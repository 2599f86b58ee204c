//! A trained network in the formats of other programs, from pixels as bytes to logits: each has the standardisation
//! inside.

use clap::ValueEnum;

use crate::error::Result;
use crate::records::trained::Trained;
use crate::records::weights;

pub mod npz;
pub mod onnx;
pub mod predict;

/// What other programs read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// The tensors by PyTorch's names, with buffers `mean` and `scale`
    Safetensors,
    /// The whole network: `pixels` u8 [N, 3, 32, 32] to `logits` and `probabilities` [N, C]
    Onnx,
    /// The tensors as NumPy arrays, the classes' names with them
    Npz,
}

impl Format {
    /// The usual end of a file's name.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Safetensors => "safetensors",
            Self::Onnx => "onnx",
            Self::Npz => "npz",
        }
    }

    /// The file's bytes; the same network gives the same bytes.
    pub fn encode(self, trained: &Trained) -> Result<Vec<u8>> {
        match self {
            Self::Safetensors => weights::module(&trained.params, &trained.standardisation),
            Self::Onnx => Ok(onnx::encode(trained)),
            Self::Npz => npz::encode(trained),
        }
    }
}
