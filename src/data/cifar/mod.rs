//! The official binary files of CIFAR-10 (Krizhevsky, *Learning Multiple Layers of Features from Tiny Images*, 2009;
//! <https://www.cs.toronto.edu/~kriz/cifar.html>).
//!
//! Six files of 10,000 records. A record is a label byte, 0 to 9, and 3,072 pixel bytes: the red plane, the green plane,
//! the blue plane, each 32 rows of 32 from the top.

use std::fs::{self, File};
use std::io::{self, BufReader, Read};
use std::path::Path;

use rayon::prelude::*;

use super::dataset::{Dataset, blank_pixels};
use super::moves::Planes;
use crate::error::{Error, Result};
use crate::util::text::grouped;

/// Width and height of an image, in pixels.
pub const SIDE: usize = Planes::CIFAR.width;
/// Pixels of a colour plane.
pub const PLANE: usize = Planes::CIFAR.plane();
/// `D`: bytes of an image.
pub const INPUTS: usize = Planes::CIFAR.inputs();
/// Bytes of a record: a label and its image.
pub const RECORD: usize = 1 + INPUTS;
/// Records in a file.
pub const BATCH: usize = 10_000;
/// Files with training images.
pub const BATCHES: usize = 5;
/// Training and test images together.
pub const IMAGES: usize = FILES.len() * BATCH;

/// The folder with the files, also inside the official archive.
pub const FOLDER: &str = "cifar-10-batches-bin";
/// The files, in the order of their rows in the data set.
pub const FILES: [&str; 6] = [
    "data_batch_1.bin",
    "data_batch_2.bin",
    "data_batch_3.bin",
    "data_batch_4.bin",
    "data_batch_5.bin",
    "test_batch.bin",
];
pub(super) const CLASSES: [&str; 10] =
    ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"];

/// Whether `folder` has some of the files, or those of another version, for which [`open`] has a hint.
pub fn is_official(folder: &Path) -> bool {
    FILES.iter().any(|name| folder.join(name).exists()) || other_version(folder).is_some()
}

/// Reads the six files in `folder`. Exit code 3 if one is missing, is not a file, or has a wrong length or label.
pub fn open(folder: &Path) -> Result<Dataset> {
    open_with(folder, BATCH)
}

/// [`open`] with `records` images a file.
pub fn open_with(folder: &Path, records: usize) -> Result<Dataset> {
    let missing: Vec<_> = FILES.into_iter().filter(|name| !folder.join(name).exists()).collect();
    if !missing.is_empty() {
        let hint = other_version(folder).unwrap_or("data/README.md says how to get them");
        return Err(Error::data(folder, format!("of the six files of CIFAR-10, {} missing; {hint}", list(&missing))));
    }
    for name in FILES {
        check_file(&folder.join(name), records)?;
    }
    let mut images = Images::new(records)?;
    images.files_mut().into_par_iter().zip(FILES).try_for_each(|(mut target, name)| {
        let path = folder.join(name);
        let file = File::open(&path).map_err(Error::unreadable(&path))?;
        let read = target.read(BufReader::with_capacity(1 << 18, file), CLASSES.len());
        read.map_err(|fault| Error::data(&path, fault.to_string()))
    })?;
    images.into_dataset(folder)
}

/// Fails unless `path` is a regular file of the right length. Checked before opening it: reading a pipe or a device may
/// never end.
fn check_file(path: &Path, records: usize) -> Result<()> {
    let metadata = fs::metadata(path).map_err(Error::unreadable(path))?;
    if !metadata.is_file() {
        return Err(Error::data(path, format!("expected a regular file of {}", length(records))));
    }
    if metadata.len() == (records * RECORD) as u64 {
        return Ok(());
    }
    let hint = if metadata.len() > 0 && metadata.len() % (RECORD as u64 + 1) == 0 {
        "; this looks like CIFAR-100, whose records have two labels: use the files of CIFAR-10"
    } else if is_pickle(path).map_err(Error::unreadable(path))? {
        "; this looks like the Python version: use the binary version"
    } else {
        "; get the file again"
    };
    Err(Error::data(path, format!("{} bytes, expected {}{hint}", grouped(metadata.len()), length(records))))
}

/// Whether the file starts like a Python pickle: the byte 0x80, then the protocol number.
fn is_pickle(path: &Path) -> io::Result<bool> {
    let mut start = Vec::new();
    File::open(path)?.take(2).read_to_end(&mut start)?;
    Ok(matches!(start[..], [0x80, 2..=5]))
}

/// A hint about a folder that has another version of the data.
fn other_version(folder: &Path) -> Option<&'static str> {
    let has = |name: &str| folder.join(name).exists();
    if has("data_batch_1") {
        Some("this looks like the Python version: use the binary version")
    } else if has("data_batch_1.mat") {
        Some("this looks like the Matlab version: use the binary version")
    } else if has("train.bin") && has("test.bin") {
        Some("this looks like CIFAR-100: use the files of CIFAR-10")
    } else {
        None
    }
}

/// `a is` or `a, b are`.
pub(super) fn list(names: &[&str]) -> String {
    format!("{} {}", names.join(", "), if names.len() == 1 { "is" } else { "are" })
}

/// The expected length of a file, in words.
pub(super) fn length(records: usize) -> String {
    let [bytes, records, record] = [records * RECORD, records, RECORD].map(grouped);
    format!("{bytes} ({records} records of {record})")
}

/// Why records cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum Fault {
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("record {record} (offset {}): label {found}, expected 0 to {last}", grouped(*record * RECORD))]
    Label { record: usize, found: u8, last: usize },
}

/// Room for the images of one file.
pub(super) struct FileImages<'a> {
    pub pixels: &'a mut [u8],
    pub labels: &'a mut [u8],
}

impl FileImages<'_> {
    /// Fills the room from the file's records, whose labels are below `classes`.
    pub(super) fn read(&mut self, mut source: impl Read, classes: usize) -> Result<(), Fault> {
        for (record, (pixels, label)) in self.pixels.chunks_exact_mut(INPUTS).zip(self.labels.iter_mut()).enumerate() {
            source.read_exact(std::slice::from_mut(label))?;
            if usize::from(*label) >= classes {
                return Err(Fault::Label { record, found: *label, last: classes - 1 });
            }
            source.read_exact(pixels)?;
        }
        Ok(())
    }
}

/// Room for the images of the six files.
pub(super) struct Images {
    records: usize,
    pixels: Vec<u8>,
    labels: Vec<u8>,
}

impl Images {
    pub(super) fn new(records: usize) -> Result<Self> {
        let images = FILES.len() * records;
        Ok(Self { records, pixels: blank_pixels(images * INPUTS)?, labels: vec![0; images] })
    }

    /// One part for each of [`FILES`].
    pub(super) fn files_mut(&mut self) -> Vec<FileImages<'_>> {
        let pixels = self.pixels.chunks_exact_mut(self.records * INPUTS);
        let labels = self.labels.chunks_exact_mut(self.records);
        pixels.zip(labels).map(|(pixels, labels)| FileImages { pixels, labels }).collect()
    }

    /// The data set. Fails if two files have the same images: one is then a copy, and the test accuracy may be that of
    /// training images.
    pub(super) fn into_dataset(self, path: &Path) -> Result<Dataset> {
        let file = |place: usize| &self.pixels[place * self.records * INPUTS..][..self.records * INPUTS];
        for (place, name) in FILES.into_iter().enumerate() {
            // Different files differ in their first bytes, so this takes no time.
            if let Some(same) = (0..place).find(|&other| file(other) == file(place)) {
                let what = format!("{} and {name} have the same images; get them again", FILES[same]);
                return Err(Error::data(path, what));
            }
        }
        let (name, classes) = (format!("CIFAR-10 from {}", path.display()), CLASSES.map(String::from).to_vec());
        Ok(Dataset::in_memory(name, classes, INPUTS, self.pixels, self.labels, BATCHES * self.records)
            .in_batches_of(self.records))
    }
}

#[cfg(test)]
pub(super) mod tests;
