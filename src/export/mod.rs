//! Trained networks in other programs' formats, with the standardisation included, for `cyclone export`; classifying
//! pictures, for `cyclone predict`; and scores on labelled images, for `cyclone evaluate`.

use clap::ValueEnum;

use crate::error::Result;
use crate::records::trained::Trained;
use crate::records::weights;

pub mod evaluate;
pub mod npz;
pub mod onnx;
pub mod predict;

/// Formats that other programs read.
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
    /// The usual file name extension.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Safetensors => "safetensors",
            Self::Onnx => "onnx",
            Self::Npz => "npz",
        }
    }

    /// The contents of the file. The same network gives the same bytes.
    pub fn encode(self, trained: &Trained) -> Result<Vec<u8>> {
        match self {
            Self::Safetensors => weights::module(&trained.params, &trained.standardisation),
            Self::Onnx => Ok(onnx::encode(trained)),
            Self::Npz => npz::encode(trained),
        }
    }
}
