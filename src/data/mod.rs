//! Images and labels: where they come from, which are trained on, and how they become mini-batches.
//!
//! Pixels stay bytes until they are inside a kernel. An image is one row of `D` = 3,072 bytes, channel-planar (all red,
//! all green, all blue; each plane row by row from the top), as in the official files.
//!
//! The images are held in memory, 184 MB for CIFAR-10. Reading them from the official files at need was measured and
//! left out: gathering 100 random rows takes 33 µs from memory and 113 µs by `pread` from the system's page cache
//! (medians of 2,000 batches over the 50,000 training images; 2-core AMD EPYC virtual machine, Linux 6.18, 2026-11-23),
//! which is 80 µs more a step, where a GPU's whole step takes some 20. The memory of everything after this, host and GPU,
//! is bounded by the chunk.

mod archive;
pub mod batches;
pub mod binary;
mod cifar;
pub mod fetch;
mod folder;
pub mod info;
pub mod picture;
pub mod spec;
pub mod split;
pub mod stand_in;
mod standardise;

use std::fmt;
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

pub use cifar::{FILES, INPUTS};
pub use standardise::Standardisation;

use crate::data::spec::Source;
use crate::error::{Error, Result, shown};

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
    /// Rows of each training batch of a set that comes in batches, as CIFAR-10 and the stand-in do; else empty.
    pub batches: Vec<Range<u32>>,
    /// What the user should be told about the choice of this set or the making of its images, in one plain line.
    pub notice: Option<String>,
    pixels: Vec<u8>,
}

impl Dataset {
    /// Images in memory. `pixels` has `labels.len() · inputs` bytes.
    ///
    /// # Panics
    ///
    /// If the lengths disagree or a label names no class: mistakes of the caller.
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
        assert!(labels.iter().all(|&label| usize::from(label) < classes.len()), "every label is a class");
        Self { name: name.into(), classes, labels, train, inputs, batches: Vec::new(), notice: None, pixels }
    }

    /// The set that `source` names.
    ///
    /// [`Source::Auto`] is `data/cifar-10-batches-bin` if there is such a thing, else the stand-in;
    /// [`Dataset::notice`] says which. A path may be a folder with the six official files, or with a
    /// `cifar-10-batches-bin` that has them; the official archive (`.tar.gz` or `.tgz`); an image folder,
    /// `train/CLASS/*` and `test/CLASS/*`, whose PNG and JPEG images are brought to RGB and 32 × 32 pixels; or what
    /// [`binary::import`] made of one.
    ///
    /// # Errors
    ///
    /// [`Error::Data`] for images that cannot be used, [`Error::Archive`] for an archive that is damaged or not the
    /// expected one, [`Error::Resources`] where there is no memory for them.
    pub fn open(source: &Source) -> Result<Self> {
        match source {
            Source::Auto => Self::auto(&Path::new("data").join(cifar::FOLDER)),
            Source::Synthetic => stand_in::dataset(),
            Source::Path(path) => Self::open_path(path),
        }
    }

    /// The official files in `folder`, or the stand-in if nothing of that name exists. A thing that exists and cannot
    /// be used is an error, never a reason to train on something else.
    fn auto(folder: &Path) -> Result<Self> {
        if fs::symlink_metadata(folder).is_ok() {
            let notice = format!("Data: CIFAR-10, found in {}.", shown(folder));
            return Ok(Self { notice: Some(notice), ..cifar::open(folder)? });
        }
        let notice = format!(
            "Data: there is no {}, so the built-in stand-in images are used (drawn shapes, not CIFAR-10; see data/README.md).",
            shown(folder)
        );
        Ok(Self { notice: Some(notice), ..stand_in::dataset()? })
    }

    fn open_path(path: &Path) -> Result<Self> {
        const EXPECTED: &str = "expected a folder with data_batch_1.bin to data_batch_5.bin and test_batch.bin, \
                                cifar-10-binary.tar.gz, or an image folder with train/CLASS/* and test/CLASS/*";
        let metadata = fs::metadata(path).map_err(|fault| Error::data(path, format!("{fault}; {EXPECTED}")))?;
        let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
        let inside = path.join(cifar::FOLDER);
        if metadata.is_dir() && path.join(binary::ABOUT).exists() {
            binary::open(path)
        } else if metadata.is_dir() && cifar::is_official(path) {
            cifar::open(path)
        } else if metadata.is_dir() && inside.is_dir() {
            cifar::open(&inside)
        } else if metadata.is_dir() && path.join("train").is_dir() && path.join("test").is_dir() {
            folder::open(path)
        } else if metadata.is_file() && [".tar.gz", ".tgz"].iter().any(|end| name.ends_with(end)) {
            archive::open(path)
        } else {
            Err(Error::data(path, format!("not a data set; {EXPECTED}")))
        }
    }

    /// The official files in a folder, or the official archive, with `records` images a file in place of 10,000: what
    /// inputs by the million are tried on.
    #[doc(hidden)]
    pub fn open_small(path: &Path, records: usize) -> Result<Self> {
        if path.is_dir() { cifar::open_with(path, records) } else { archive::open_with(path, records) }
    }

    /// Says that the training images come in batches of `records`, one after another.
    fn in_batches_of(mut self, records: usize) -> Self {
        let starts = (0..self.train as u32).step_by(records);
        self.batches = starts.map(|start| start..start + records as u32).collect();
        self
    }

    /// The pixels of one row.
    pub fn image(&self, row: u32) -> &[u8] {
        &self.pixels[row as usize * self.inputs..][..self.inputs]
    }

    /// Copies the pixels of `rows` into `out`, one after another.
    pub fn gather(&self, rows: &[u32], out: &mut [u8]) {
        for (&row, out) in rows.iter().zip(out.chunks_exact_mut(self.inputs)) {
            out.copy_from_slice(self.image(row));
        }
    }

    /// SHA-256, in hexadecimal, over the shape (`rows`, `train`, `D`, `C`, each as 8 bytes, the lowest first), the labels
    /// and the pixels in the order of the rows. Two sets with one digest train to the same weights. Computed anew at
    /// each call: 0.1 s for CIFAR-10 on a processor with instructions for SHA.
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
    /// The shape, not the 184 MB.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, classes, labels, train, inputs, batches, notice, pixels: _ } = self;
        f.debug_struct("Dataset")
            .field("name", name)
            .field("classes", classes)
            .field("rows", &labels.len())
            .field("train", train)
            .field("inputs", inputs)
            .field("batches", batches)
            .field("notice", notice)
            .finish_non_exhaustive()
    }
}

/// The files of a folder but for those that start with a dot, sorted by name; each should be a picture.
pub fn picture_files(folder: &Path) -> Result<Vec<PathBuf>> {
    let files = folder::entries(folder)?.into_iter().map(|name| folder.join(name));
    Ok(files.filter(|path| !path.is_dir()).collect())
}

/// What lacks where the system does not give the memory for the pixels.
const PIXELS: &str = "the images";

/// SHA-256 in hexadecimal.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// Two lower-case digits a byte.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .filter_map(|digit| char::from_digit(digit.into(), 16))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn auto_takes_the_stand_in_only_when_nothing_is_there_and_says_so() {
        let folder = tempfile::TempDir::new().unwrap();
        let missing = folder.path().join("missing");
        let dataset = Dataset::auto(&missing).unwrap();
        assert_eq!(dataset.name, stand_in::NAME);
        let notice = dataset.notice.unwrap();
        assert!(notice.contains("missing, so the built-in stand-in images are used"), "{notice}");

        let error = Dataset::auto(folder.path()).unwrap_err();
        assert_eq!(error.exit_code(), 3, "a folder that is there and empty: {error}");
        fs::write(&missing, b"a file").unwrap();
        assert_eq!(Dataset::auto(&missing).unwrap_err().exit_code(), 3, "a file in place of the folder");
    }
}
