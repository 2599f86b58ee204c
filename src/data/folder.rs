//! An image folder: `train/CLASS/*` and `test/CLASS/*`, PNG or JPEG.
//!
//! Images are brought to 8-bit RGB (grey is repeated, transparency dropped, of an animation the first frame is taken)
//! and to 32 × 32 pixels, whatever their proportions. Names that start with a dot are passed over, as is
//! usual; anything else that is not a class's folder or an image is an error.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::BufReader;
use std::path::{Path, PathBuf};

use image::imageops::{self, FilterType};
use image::{ImageFormat, ImageReader, Limits, RgbImage};
use rand::seq::SliceRandom;
use rayon::prelude::*;

use super::Dataset;
use super::cifar::{INPUTS, PLANE, SIDE};
use crate::error::{Error, Result};
use crate::random::{Purpose, stream};
use crate::spec::grouped;

/// Largest width and height of an image, checked before its pixels are decoded.
const MAX_SIDE: u32 = 8192;
/// Most memory that the decoding of an image may take: three bytes a pixel of the largest, and as much again.
const MAX_BYTES: u64 = 6 * (MAX_SIDE as u64).pow(2);

/// Reads `folder/train` and `folder/test`. Exit code 3, naming the file or folder, for anything unexpected.
///
/// The training images are put in a fixed random order, so that the last ones are a fair sample of all classes.
pub fn open(folder: &Path) -> Result<Dataset> {
    let (train, test) = (folder.join("train"), folder.join("test"));
    let classes = class_names(&train)?;
    let tested = class_names(&test)?;
    if let Some(odd) = classes.symmetric_difference(&tested).next() {
        let (with, without) = if tested.contains(odd) { ("test", "train") } else { ("train", "test") };
        let what = format!("class {} is in {with} but not in {without}; both need the same", odd.display());
        return Err(Error::data(folder, what));
    }
    if !(2..=256).contains(&classes.len()) {
        return Err(Error::data(&train, format!("{} classes, expected 2 to 256", classes.len())));
    }
    let mut files = labelled_files(&train, &classes)?;
    files.shuffle(&mut stream(0, Purpose::Folder, 0));
    let train_images = files.len();
    files.extend(labelled_files(&test, &classes)?);

    let mut pixels = vec![0; files.len() * INPUTS];
    let decoded: Vec<Result<bool>> =
        pixels.par_chunks_exact_mut(INPUTS).zip(&files).map(|(pixels, (path, _))| decode(path, pixels)).collect();
    let mut resized = 0u64;
    for was_resized in decoded {
        resized += u64::from(was_resized?);
    }
    let labels = files.iter().map(|(_, label)| *label).collect();
    let names = classes.iter().map(|class| class.to_string_lossy().into_owned()).collect();
    let mut dataset = Dataset::in_memory(folder.display().to_string(), names, INPUTS, pixels, labels, train_images);
    if resized > 0 {
        let of = grouped(files.len() as u64);
        dataset.notice =
            Some(format!("Data: {} of {of} images were resized to {SIDE} x {SIDE} pixels.", grouped(resized)));
    }
    Ok(dataset)
}

/// The entries of a folder but for those that start with a dot, sorted by name.
fn entries(folder: &Path) -> Result<BTreeSet<OsString>> {
    let unreadable = |fault: std::io::Error| Error::data(folder, fault.to_string());
    let mut names = BTreeSet::new();
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        let name = entry.map_err(unreadable)?.file_name();
        if !name.as_encoded_bytes().starts_with(b".") {
            names.insert(name);
        }
    }
    Ok(names)
}

/// The names of the folders in `folder`, which must hold nothing else. A link could lead anywhere, back here too.
fn class_names(folder: &Path) -> Result<BTreeSet<OsString>> {
    let names = entries(folder)?;
    for name in &names {
        let path = folder.join(name);
        let metadata = fs::symlink_metadata(&path).map_err(|fault| Error::data(&path, fault.to_string()))?;
        if !metadata.is_dir() {
            let found = if metadata.is_symlink() { "a link" } else { "a file" };
            return Err(Error::data(&path, format!("{found}, expected a folder with the images of one class")));
        }
    }
    Ok(names)
}

/// Every image of every class, with its label, sorted by class and name.
fn labelled_files(folder: &Path, classes: &BTreeSet<OsString>) -> Result<Vec<(PathBuf, u8)>> {
    let mut files = Vec::new();
    for (label, class) in (0..=u8::MAX).zip(classes) {
        let folder = folder.join(class);
        let names = entries(&folder)?;
        if names.is_empty() {
            return Err(Error::data(&folder, "no images, expected one or more"));
        }
        for name in names {
            let path = folder.join(name);
            // A pipe must not be opened: reading it might never end.
            let metadata = fs::metadata(&path).map_err(|fault| Error::data(&path, fault.to_string()))?;
            if !metadata.is_file() {
                return Err(Error::data(&path, "expected a PNG or JPEG file; folders in a class are not searched"));
            }
            files.push((path, label));
        }
    }
    Ok(files)
}

/// Decodes one image, and says whether it was resized.
fn decode(path: &Path, pixels: &mut [u8]) -> Result<bool> {
    let failed = |fault: String| Error::data(path, format!("{fault}; expected a PNG or JPEG image"));
    let file = File::open(path).map_err(|fault| failed(fault.to_string()))?;
    let mut reader =
        ImageReader::new(BufReader::new(file)).with_guessed_format().map_err(|fault| failed(fault.to_string()))?;
    if !matches!(reader.format(), Some(ImageFormat::Png | ImageFormat::Jpeg)) {
        return Err(failed("neither PNG nor JPEG by its first bytes".into()));
    }
    let mut limits = Limits::default();
    limits.max_image_width = Some(MAX_SIDE);
    limits.max_image_height = Some(MAX_SIDE);
    limits.max_alloc = Some(MAX_BYTES);
    reader.limits(limits);
    let mut image = reader.decode().map_err(|fault| failed(fault.to_string()))?.into_rgb8();
    let side = SIDE as u32;
    let needs_resizing = image.dimensions() != (side, side);
    if needs_resizing {
        // Of the sharp filters the one made of sums and products alone, so that every platform gets the same bytes.
        image = imageops::resize(&image, side, side, FilterType::CatmullRom);
    }
    to_planes(&image, pixels);
    Ok(needs_resizing)
}

/// Red, green and blue of each pixel, to all the red, all the green, all the blue.
fn to_planes(image: &RgbImage, planes: &mut [u8]) {
    for (channel, plane) in planes.chunks_exact_mut(PLANE).enumerate() {
        for (out, pixel) in plane.iter_mut().zip(image.pixels()) {
            *out = pixel.0[channel];
        }
    }
}

#[cfg(test)]
mod tests;
