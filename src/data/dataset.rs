//! Labelled images in memory.
//!
//! Pixels stay bytes until they are inside a kernel. An image is one row of `D` = 3,072 bytes, channel-planar (all red,
//! all green, all blue; each plane row by row from the top), as in the official files.
//!
//! CIFAR-10 takes 184 MB. Reading images from the files on demand is slower: see `docs/rejected.md`.

use std::fmt;
use std::ops::Range;

use sha2::{Digest, Sha256};

use super::moves::{Images, Mix, Move, Planes};
use crate::error::{Error, Result};
use crate::model::regularise::Target;
use crate::util::digest::hex;
use crate::util::memory;

/// A set of labelled images. Rows `0..train` are the training images, `train..len` the test images.
pub struct Dataset {
    /// What it is and where it came from, for messages.
    pub name: String,
    /// Names of the `C` classes.
    pub classes: Vec<String>,
    /// The class of each row.
    pub labels: Vec<u8>,
    /// How many of the rows are training images.
    pub train: usize,
    /// `D`: bytes of an image.
    pub inputs: usize,
    /// How they are arranged; none for images that are no pictures.
    pub planes: Option<Planes>,
    /// Rows of each training batch; empty for a set that does not come in batches.
    pub batches: Vec<Range<u32>>,
    /// A notice for the user, one line: why this set was chosen, or what was done to its images.
    pub notice: Option<String>,
    pixels: Vec<u8>,
}

impl Dataset {
    /// A data set of `pixels [rows, inputs]`; of as many inputs as CIFAR-10 has, they are taken for pictures like its own.
    ///
    /// # Panics
    ///
    /// If the lengths disagree or a label is not a class: the caller's mistake.
    pub fn in_memory(
        name: impl Into<String>,
        classes: Vec<String>,
        inputs: usize,
        pixels: Vec<u8>,
        labels: Vec<u8>,
        train: usize,
    ) -> Self {
        assert_eq!(pixels.len(), labels.len() * inputs, "one image a label");
        assert!(train <= labels.len(), "no more training images than rows");
        assert!(labels.iter().all(|&label| usize::from(label) < classes.len()), "labels are classes");
        let planes = (inputs == Planes::CIFAR.inputs()).then_some(Planes::CIFAR);
        Self { name: name.into(), classes, labels, train, inputs, planes, batches: Vec::new(), notice: None, pixels }
    }

    /// Divides the training images into batches of `records`, in the order of their rows.
    pub(super) fn in_batches_of(mut self, records: usize) -> Self {
        let starts = (0..self.train as u32).step_by(records);
        self.batches = starts.map(|start| start..start + records as u32).collect();
        self
    }

    pub(super) fn with_notice(self, notice: String) -> Self {
        Self { notice: Some(notice), ..self }
    }

    /// The pixels of one row.
    pub fn image(&self, row: u32) -> &[u8] {
        &self.pixels[row as usize * self.inputs..][..self.inputs]
    }

    /// The arrangement of its images for what `flag` asks for; [`Error::Usage`] if they are no pictures.
    pub fn planes_for(&self, flag: &str) -> Result<Planes> {
        let name = &self.name;
        self.planes.ok_or_else(|| {
            Error::Usage(format!(
                "{flag}: the images of {name} are not pictures of known width, height and colours: omit the flag"
            ))
        })
    }

    /// Copies the pixels of `images`, moved and mixed as these are, into `out`, one after another.
    ///
    /// # Panics
    ///
    /// If one is moved and they are no pictures: [`crate::data::spec::Augment::check`] sees to that.
    pub fn gather<'a>(&self, images: impl Into<Images<'a>>, out: &mut [u8]) {
        let mut other = Vec::new();
        for ((row, by, mix), out) in images.into().iter().zip(out.chunks_exact_mut(self.inputs)) {
            self.copy(row, by, out);
            if mix.share > 0 {
                other.resize(self.inputs, 0);
                self.copy(mix.row, mix.by, &mut other);
                mix.mix(out, &other);
            }
        }
    }

    fn copy(&self, row: u32, by: Move, out: &mut [u8]) {
        match self.planes {
            _ if by == Move::default() => out.copy_from_slice(self.image(row)),
            Some(planes) => planes.copy(by, self.image(row), out),
            None => panic!("{}: images that are no pictures are moved", self.name),
        }
    }

    /// What a step teaches of `images`.
    pub fn targets<'a>(&'a self, images: Images<'a>) -> impl Iterator<Item = Target> + 'a {
        let label = |row: u32| self.labels[row as usize];
        let target = move |(row, _, Mix { row: other, share, .. })| Target {
            label: label(row),
            other: if share > 0 { label(other) } else { 0 },
            share,
        };
        images.iter().map(target)
    }

    /// SHA-256, in hexadecimal, of the shape (`rows`, `train`, `D`, `C`, each as 8 bytes, little-endian), the labels and
    /// the pixels in row order. Data sets with the same digest give the same weights. Computed at each call: 0.1 s for
    /// CIFAR-10 on a processor with SHA instructions.
    pub fn digest(&self) -> String {
        let mut hash = Sha256::new();
        for size in [self.labels.len(), self.train, self.inputs, self.classes.len()] {
            hash.update((size as u64).to_le_bytes());
        }
        hash.update(&self.labels);
        hash.update(&self.pixels);
        hex(&hash.finalize())
    }
}

impl fmt::Debug for Dataset {
    /// The shape, without the 184 MB of pixels.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shape = [self.labels.len(), self.train, self.inputs, self.classes.len()];
        f.debug_struct("Dataset").field("name", &self.name).field("shape", &shape).finish_non_exhaustive()
    }
}

/// `len` zeros for the pixels of a data set.
pub(super) fn blank_pixels(len: usize) -> Result<Vec<u8>> {
    memory::zeros(len, "the images")
}
