//! Opening a data set, whatever form it comes in.

use std::fs;
use std::path::Path;

use super::dataset::Dataset;
use super::spec::Source;
use super::{archive, binary, cifar, folder, stand_in};
use crate::error::{Error, Result, shown};

impl Dataset {
    /// Opens the data set that `source` names.
    ///
    /// [`Source::Auto`] is `data/cifar-10-batches-bin` if that exists, else the built-in stand-in images;
    /// [`Dataset::notice`] says which. A path is one of:
    ///
    /// - a folder with the six official files, or with a `cifar-10-batches-bin` that has them;
    /// - the official archive (`.tar.gz` or `.tgz`);
    /// - an image folder, `train/CLASS/*` and `test/CLASS/*`, whose PNG and JPEG images become RGB of 32 × 32 pixels;
    /// - a folder that [`binary::import`] made.
    pub fn open(source: &Source) -> Result<Self> {
        match source {
            Source::Auto => Self::auto(&Path::new("data").join(cifar::FOLDER)),
            Source::Synthetic => stand_in::dataset(),
            Source::Path(path) => Self::open_path(path),
        }
    }

    /// The official files in `folder`, or the stand-in images if there is no such path. A path that exists but cannot be
    /// used is an error, never a reason to train on something else.
    fn auto(folder: &Path) -> Result<Self> {
        if fs::symlink_metadata(folder).is_ok() {
            let notice = format!("Data: CIFAR-10, found in {}.", shown(folder));
            return Ok(cifar::open(folder)?.with_notice(notice));
        }
        let notice = format!(
            "Data: no {}: using the built-in stand-in images (drawn shapes, not CIFAR-10; see data/README.md).",
            shown(folder)
        );
        Ok(stand_in::dataset()?.with_notice(notice))
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

    /// The official files or archive with `records` images a file instead of 10,000, for fuzzing.
    #[doc(hidden)]
    pub fn open_small(path: &Path, records: usize) -> Result<Self> {
        if path.is_dir() { cifar::open_with(path, records) } else { archive::open_with(path, records) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn auto_uses_the_stand_in_images_only_if_the_path_does_not_exist_and_says_so() {
        let folder = tempfile::TempDir::new().unwrap();
        let missing = folder.path().join("missing");
        let dataset = Dataset::auto(&missing).unwrap();
        assert_eq!(dataset.name, stand_in::NAME);
        let notice = dataset.notice.unwrap();
        assert!(notice.contains("missing: using the built-in stand-in images"), "{notice}");

        let error = Dataset::auto(folder.path()).unwrap_err();
        assert_eq!(error.exit_code(), 3, "a folder that is there and empty: {error}");
        fs::write(&missing, b"a file").unwrap();
        assert_eq!(Dataset::auto(&missing).unwrap_err().exit_code(), 3, "a file in place of the folder");
    }
}
