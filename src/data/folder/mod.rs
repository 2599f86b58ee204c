//! An image folder: `train/CLASS/*` and `test/CLASS/*`, PNG or JPEG.
//!
//! Names that start with a dot are skipped; anything else that is not a class folder or an image is an error. [`picture`]
//! says how an image is converted.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use rand::seq::SliceRandom;
use rayon::prelude::*;

use super::cifar::{INPUTS, SIDE};
use super::dataset::{Dataset, blank_pixels};
use super::{info, picture};
use crate::error::{Error, Result, escaped};
use crate::util::random::{Purpose, stream};
use crate::util::text::grouped;

/// Reads `folder/train` and `folder/test`. Exit code 3, with the file or folder, for anything unexpected.
///
/// The training images are shuffled, always in the same way, so that the last ones are a fair sample of all classes.
pub fn open(folder: &Path) -> Result<Dataset> {
    let (train, test) = (folder.join("train"), folder.join("test"));
    let classes = class_names(&train)?;
    let tested = class_names(&test)?;
    if let Some(odd) = classes.symmetric_difference(&tested).next() {
        let (with, without) = if tested.contains(odd) { ("test", "train") } else { ("train", "test") };
        let what =
            format!("class {} is in {with} but not in {without}; both need the same classes", escaped(odd.display()));
        return Err(Error::data(folder, what));
    }
    if !(2..=256).contains(&classes.len()) {
        return Err(Error::data(&train, format!("{} classes, expected 2 to 256", classes.len())));
    }
    let mut files = labelled_files(&train, &classes)?;
    files.shuffle(&mut stream(0, Purpose::Folder, 0));
    let train_images = files.len();
    files.extend(labelled_files(&test, &classes)?);

    let mut pixels = blank_pixels(files.len() * INPUTS)?;
    let decoded: Vec<Result<bool>> = pixels
        .par_chunks_exact_mut(INPUTS)
        .zip(&files)
        .map(|(pixels, (path, _))| picture::read(path, pixels))
        .collect();
    let mut resized = 0u64;
    for was_resized in decoded {
        resized += u64::from(was_resized?);
    }
    let labels = files.iter().map(|(_, label)| *label).collect();
    let names = classes.iter().map(|class| class.to_string_lossy().into_owned()).collect();
    let mut dataset = Dataset::in_memory(folder.display().to_string(), names, INPUTS, pixels, labels, train_images);
    let mut notices = Vec::new();
    if resized > 0 {
        let of = grouped(files.len());
        notices.push(format!("Data: {} of {of} images were resized to {SIDE} x {SIDE} pixels.", grouped(resized)));
    }
    let both = info::in_both(&dataset);
    if both > 0 {
        let of = grouped(files.len() - train_images);
        notices.push(format!(
            "Data: {} of {of} test images are also training images: the test accuracy means less.",
            grouped(both)
        ));
    }
    dataset.notice = (!notices.is_empty()).then(|| notices.join(" "));
    Ok(dataset)
}

/// The image files of a folder, sorted by name, without those that start with a dot.
pub fn picture_files(folder: &Path) -> Result<Vec<PathBuf>> {
    let files = entries(folder)?.into_iter().map(|name| folder.join(name));
    Ok(files.filter(|path| !path.is_dir()).collect())
}

/// The entries of a folder, sorted by name, without those that start with a dot.
fn entries(folder: &Path) -> Result<BTreeSet<OsString>> {
    let unreadable = Error::unreadable(folder);
    let mut names = BTreeSet::new();
    for entry in fs::read_dir(folder).map_err(&unreadable)? {
        let name = entry.map_err(&unreadable)?.file_name();
        if !name.as_encoded_bytes().starts_with(b".") {
            names.insert(name);
        }
    }
    Ok(names)
}

/// The names of the folders in `folder`, which must have nothing else. Links are refused: they may lead back here.
fn class_names(folder: &Path) -> Result<BTreeSet<OsString>> {
    let names = entries(folder)?;
    for name in &names {
        let path = folder.join(name);
        let metadata = fs::symlink_metadata(&path).map_err(Error::unreadable(&path))?;
        if !metadata.is_dir() {
            let found = if metadata.is_symlink() { "a link" } else { "a file" };
            return Err(Error::data(&path, format!("{found}, expected a folder with the images of one class")));
        }
    }
    Ok(names)
}

/// All image files with their labels, sorted by class and name.
fn labelled_files(folder: &Path, classes: &BTreeSet<OsString>) -> Result<Vec<(PathBuf, u8)>> {
    let mut files = Vec::new();
    for (label, class) in (0..=u8::MAX).zip(classes) {
        let folder = folder.join(class);
        let names = entries(&folder)?;
        if names.is_empty() {
            return Err(Error::data(&folder, "no images, expected at least one"));
        }
        for name in names {
            let path = folder.join(name);
            // Reading a pipe may never end, so it is not opened.
            let metadata = fs::metadata(&path).map_err(Error::unreadable(&path))?;
            if !metadata.is_file() {
                return Err(Error::data(&path, "expected a PNG or JPEG file; folders in a class are not searched"));
            }
            files.push((path, label));
        }
    }
    Ok(files)
}

#[cfg(test)]
mod tests;
