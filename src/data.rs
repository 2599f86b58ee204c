//! Images and labels: where they come from, which are trained on, and how they become mini-batches.
//!
//! Pixels stay bytes until they are inside a kernel. An image is one row of `D` = 3,072 bytes, channel-planar (all red,
//! all green, all blue; each plane row by row from the top), as in the official files.

pub mod batches;

use crate::error::Result;

/// A set of labelled images. Rows `0..train` are the training images, `train..len` the test images.
pub struct Dataset {
    /// What it is and where it came from, for people.
    pub name: String,
    /// Class names; their number is `C`.
    pub classes: Vec<String>,
    /// The class of each row.
    pub labels: Vec<u8>,
    /// How many of the rows are training images.
    pub train: usize,
    /// `D`: bytes of an image.
    pub inputs: usize,
    pixels: Vec<u8>,
}

impl Dataset {
    /// Images in memory. `pixels` has `labels.len() · inputs` bytes.
    pub fn in_memory(
        name: impl Into<String>,
        classes: Vec<String>,
        inputs: usize,
        pixels: Vec<u8>,
        labels: Vec<u8>,
        train: usize,
    ) -> Self {
        assert_eq!(pixels.len(), labels.len() * inputs, "every row has its pixels");
        assert!(train <= labels.len(), "the training images are among the rows");
        Self { name: name.into(), classes, labels, train, inputs, pixels }
    }

    /// Copies the pixels of `rows` into `out`, one after another.
    pub fn gather(&self, rows: &[u32], out: &mut [u8]) -> Result<()> {
        for (row, out) in rows.iter().zip(out.chunks_exact_mut(self.inputs)) {
            out.copy_from_slice(&self.pixels[*row as usize * self.inputs..][..self.inputs]);
        }
        Ok(())
    }
}

/// What turns a pixel into an input of the network: `(pixel − mean[d]) · scale[d]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Standardisation {
    /// Mean of each of the `D` dimensions over the training split.
    pub mean: Vec<f32>,
    /// 1 / standard deviation of each dimension; 0 for one that is constant.
    pub scale: Vec<f32>,
}

impl Standardisation {
    /// `[2, D rounded up to a multiple of 4]`: means, then scales, as the kernels read them. What is added is 0, so that
    /// whatever pixels stand there count nothing.
    pub fn padded(&self) -> Vec<f32> {
        let padding = self.mean.len().next_multiple_of(4) - self.mean.len();
        let pad = || std::iter::repeat_n(0.0, padding);
        self.mean.iter().copied().chain(pad()).chain(self.scale.iter().copied()).chain(pad()).collect()
    }
}
