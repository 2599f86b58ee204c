//! Data sets in the binary layout of CIFAR-10: a folder with six files of records, each a label and an image.
//!
//! The official files have neither the number of their records nor the names of the classes. Those of an imported set are
//! in [`ABOUT`], with its digest.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::ops::Range;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::cifar::{FILES, FileImages, INPUTS, RECORD};
use super::dataset::{Dataset, blank_pixels};
use crate::error::{Error, Result, shown};
use crate::util::text::grouped;

/// The file that describes an imported set.
pub const ABOUT: &str = "dataset.toml";
/// Its largest size: more than 256 classes with the longest names that a file system allows.
const MAX_ABOUT: u64 = 1 << 17;

/// The contents of [`ABOUT`].
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct About {
    /// Names of the classes, in the order of their labels.
    classes: Vec<String>,
    /// Records of each of [`FILES`]: five training batches, and the test images.
    records: [usize; FILES.len()],
    /// [`Dataset::digest`].
    sha256: String,
}

/// Writes a data set to the new folder `destination`, in a form that [`open`] reads.
///
/// The training images become five batches of nearly equal size, in the order of their rows.
pub fn import(dataset: &Dataset, destination: &Path) -> Result<()> {
    let (batches, train) = (FILES.len() - 1, dataset.train);
    let mut ranges: Vec<_> = (0..batches).map(|i| train * i / batches..train * (i + 1) / batches).collect();
    ranges.push(train..dataset.labels.len());
    let mut records = [0; FILES.len()];
    for (records, range) in records.iter_mut().zip(&ranges) {
        *records = range.len();
    }
    let about = About { classes: dataset.classes.clone(), records, sha256: dataset.digest() };
    let about = toml::to_string(&about).map_err(|error| Error::Internal(format!("{ABOUT}: {error}")))?;
    publish(destination, |folder| {
        write_files(dataset, &ranges, folder)?;
        write_file(&folder.join(ABOUT), |file| file.write_all(about.as_bytes()))
    })
}

/// Writes CIFAR-10 as its six official files to the new folder `destination`.
pub fn write_official(dataset: &Dataset, destination: &Path) -> Result<()> {
    let batches = dataset.batches.iter().map(|batch| batch.start as usize..batch.end as usize);
    let ranges: Vec<_> = batches.chain(std::iter::once(dataset.train..dataset.labels.len())).collect();
    publish(destination, |folder| write_files(dataset, &ranges, folder))
}

/// Fails unless `destination` does not exist or is an empty folder.
pub fn check_new(destination: &Path) -> Result<()> {
    match fs::read_dir(destination).map(|mut entries| entries.next().is_some()) {
        Ok(true) => {
            let destination = shown(destination);
            Err(Error::Usage(format!("{destination}: the folder exists and is not empty; choose another name")))
        }
        Err(fault) if fault.kind() != io::ErrorKind::NotFound => Err(unwritable(destination, &fault)),
        _ => name(destination).map(drop),
    }
}

fn name(destination: &Path) -> Result<&OsStr> {
    let nameless = || Error::Usage(format!("{}: expected the name of a new folder", shown(destination)));
    destination.file_name().ok_or_else(nameless)
}

fn unwritable(path: &Path, fault: &io::Error) -> Error {
    Error::output(path, format!("cannot be written: {fault}"))
}

/// Fills a temporary folder, and renames it to `destination` when it is complete.
fn publish(destination: &Path, fill: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    let failed = |fault: io::Error| unwritable(destination, &fault);
    check_new(destination)?;
    let parent = destination.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(parent).map_err(failed)?;
    let partial = parent.join(format!(".{}.part-{}", name(destination)?.to_string_lossy(), std::process::id()));
    fs::create_dir(&partial).map_err(failed)?;
    let filled = fill(&partial).and_then(|()| fs::rename(&partial, destination).map_err(failed));
    if filled.is_err() {
        // A failure to clean up is less important than the first error.
        let _ = fs::remove_dir_all(&partial);
    }
    filled
}

/// Writes the rows `ranges[i]` to the file `FILES[i]` of `folder`.
fn write_files(dataset: &Dataset, ranges: &[Range<usize>], folder: &Path) -> Result<()> {
    for (name, range) in FILES.into_iter().zip(ranges) {
        write_file(&folder.join(name), |file| {
            range.clone().try_for_each(|row| {
                file.write_all(&[dataset.labels[row]])?;
                file.write_all(dataset.image(row as u32))
            })
        })?;
    }
    Ok(())
}

/// Writes a new file and flushes it to the disk.
fn write_file(path: &Path, write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>) -> Result<()> {
    let written = File::create_new(path).and_then(|file| {
        let mut file = BufWriter::with_capacity(1 << 18, file);
        write(&mut file)?;
        file.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()
    });
    written.map_err(|fault| unwritable(path, &fault))
}

/// Reads a folder that [`import`] wrote. Exit code 3 if anything has changed since.
pub fn open(folder: &Path) -> Result<Dataset> {
    let path = folder.join(ABOUT);
    let unreadable = |fault: &dyn std::fmt::Display| Error::data(&path, fault.to_string());
    let mut text = String::new();
    regular(&path, 0..=MAX_ABOUT)?.read_to_string(&mut text).map_err(|fault| unreadable(&fault))?;
    let About { classes, records, sha256 } = toml::from_str(&text).map_err(|fault| unreadable(&fault.message()))?;
    if !(2..=256).contains(&classes.len()) {
        return Err(unreadable(&format!("{} classes, expected 2 to 256", classes.len())));
    }

    let mut files = Vec::new();
    for (name, records) in FILES.into_iter().zip(records) {
        let path = folder.join(name);
        let expected = (records as u64).saturating_mul(RECORD as u64);
        files.push((regular(&path, expected..=expected)?, path));
    }
    let images = records.iter().sum::<usize>();
    let (mut labels, mut pixels) = (vec![0; images], blank_pixels(images.saturating_mul(INPUTS))?);
    let mut batches = Vec::new();
    let mut first = 0;
    for ((file, path), records) in files.into_iter().zip(records) {
        let end = first + records;
        let mut target =
            FileImages { pixels: &mut pixels[first * INPUTS..end * INPUTS], labels: &mut labels[first..end] };
        target.read(file, classes.len()).map_err(|fault| Error::data(&path, fault.to_string()))?;
        batches.push(first as u32..end as u32);
        first = end;
    }
    let train = batches.pop().map_or(0, |test| test.start as usize);
    let mut dataset = Dataset::in_memory(folder.display().to_string(), classes, INPUTS, pixels, labels, train);
    dataset.batches = batches;
    let found = dataset.digest();
    if found != sha256 {
        let what = format!("the SHA-256 of the images is {found}, but {ABOUT} says {sha256}; import them again");
        return Err(Error::data(folder, what));
    }
    Ok(dataset)
}

/// Opens a regular file whose size is in `expected`.
fn regular(path: &Path, expected: std::ops::RangeInclusive<u64>) -> Result<BufReader<File>> {
    let metadata = fs::metadata(path).map_err(Error::unreadable(path))?;
    if !metadata.is_file() || !expected.contains(&metadata.len()) {
        let [found, start, end] = [metadata.len(), *expected.start(), *expected.end()].map(grouped);
        let expected = if start == end { end } else { format!("{start} to {end}") };
        return Err(Error::data(
            path,
            format!("{found} bytes, expected a regular file of {expected}; import it again"),
        ));
    }
    File::open(path).map(BufReader::new).map_err(Error::unreadable(path))
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    /// 13 training and 4 test images of 3 classes.
    fn sample() -> Dataset {
        let labels: Vec<u8> = (0..17).map(|row| row % 3).collect();
        let pixels = (0..17 * INPUTS).map(|at| (at * 7 / 5) as u8).collect();
        Dataset::in_memory("sample", ["ant", "bee", "cow"].map(String::from).to_vec(), INPUTS, pixels, labels, 13)
    }

    fn imported() -> (TempDir, std::path::PathBuf) {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("deeper/imported");
        import(&sample(), &path).unwrap();
        (folder, path)
    }

    #[test]
    fn an_imported_data_set_is_read_back_unchanged() {
        let (_folder, path) = imported();
        let read = open(&path).unwrap();
        assert_eq!(read.digest(), sample().digest());
        assert_eq!(read.classes, sample().classes);
        assert_eq!(read.batches, [0..2, 2..5, 5..7, 7..10, 10..13]);
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "nothing else is left");
    }

    #[test]
    fn a_folder_that_is_not_empty_is_not_changed() {
        let (_folder, path) = imported();
        let error = import(&sample(), &path).unwrap_err();
        assert_eq!(error.exit_code(), 2, "{error}");
        open(&path).unwrap();
    }

    #[test]
    fn every_damage_is_named() {
        let refused = |spoil: &dyn Fn(&Path), part: &str| {
            let (_folder, path) = imported();
            spoil(&path);
            let error = open(&path).unwrap_err();
            assert_eq!(error.exit_code(), 3, "{error}");
            assert!(error.to_string().contains(part), "{part} in {error}");
        };
        let change = |name: &'static str, at: usize, value: u8| {
            move |path: &Path| {
                let mut bytes = fs::read(path.join(name)).unwrap();
                bytes[at] = value;
                fs::write(path.join(name), bytes).unwrap();
            }
        };
        refused(&|path| fs::remove_file(path.join("data_batch_2.bin")).unwrap(), "data_batch_2.bin");
        refused(
            &|path| fs::write(path.join("test_batch.bin"), [0; RECORD]).unwrap(),
            "expected a regular file of 12,292",
        );
        refused(&change("data_batch_2.bin", 2 * RECORD, 3), "record 2 (offset 6,146): label 3, expected 0 to 2");
        refused(&change("data_batch_4.bin", 1, 99), "SHA-256");
        refused(&|path| fs::write(path.join(ABOUT), "classes = 3").unwrap(), "dataset.toml");
        refused(&|path| fs::write(path.join(ABOUT), vec![b' '; 1 << 18]).unwrap(), "expected a regular file of 0 to");
    }
}
