use std::path::PathBuf;

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::data::spec::Source;
use crate::util::random::{Purpose, stream};

/// Images a file in these tests.
pub(in crate::data) const RECORDS: usize = 3;

pub(in crate::data) fn records(place: usize) -> Vec<u8> {
    let mut bytes = vec![0; RECORDS * RECORD];
    stream(0, Purpose::Check, place as u64).fill_bytes(&mut bytes);
    for (record, bytes) in bytes.chunks_exact_mut(RECORD).enumerate() {
        bytes[0] = ((place * RECORDS + record) % CLASSES.len()) as u8;
    }
    bytes
}

/// A folder with the six files.
fn folder() -> TempDir {
    let folder = TempDir::new().unwrap();
    for (place, name) in FILES.into_iter().enumerate() {
        fs::write(folder.path().join(name), records(place)).unwrap();
    }
    folder
}

pub(in crate::data) fn dataset() -> Dataset {
    open_with(folder().path(), RECORDS).unwrap()
}

/// The error message for the folder after `spoil` has changed its third file.
fn refusal(spoil: impl FnOnce(PathBuf)) -> String {
    let folder = folder();
    spoil(folder.path().join("data_batch_3.bin"));
    let error = open_with(folder.path(), RECORDS).unwrap_err();
    assert_eq!(error.exit_code(), 3, "{error}");
    error.to_string()
}

/// The error message for a third file with these bytes.
fn refusal_of(bytes: &[u8]) -> String {
    let message = refusal(|path| fs::write(path, bytes).unwrap());
    assert!(message.contains("data_batch_3.bin: "), "{message}");
    message
}

/// Demands that the rows be the records of the six files in order.
#[track_caller]
pub(in crate::data) fn check_rows(dataset: &Dataset) {
    for place in 0..FILES.len() {
        for (record, bytes) in records(place).chunks_exact(RECORD).enumerate() {
            let row = place * RECORDS + record;
            assert_eq!((dataset.labels[row], dataset.image(row as u32)), (bytes[0], &bytes[1..]));
        }
    }
    assert_eq!((dataset.train, dataset.inputs, dataset.classes.len()), (15, 3072, 10));
    assert_eq!(dataset.batches, [0..3, 3..6, 6..9, 9..12, 12..15]);
}

#[test]
fn rows_are_the_files_in_order() {
    check_rows(&dataset());
}

#[test]
fn a_file_of_another_length_is_refused() {
    let whole = records(2);
    for length in [0, 3072, whole.len() - RECORD, whole.len() - 1] {
        let message = refusal_of(&whole[..length]);
        let found = grouped(length);
        assert!(message.contains(&format!("{found} bytes, expected 9,219 (3 records of 3,073)")), "{message}");
    }
    for more in [1, RECORD] {
        let message = refusal_of(&[whole.clone(), vec![0; more]].concat());
        assert!(message.contains("expected 9,219 (3 records of 3,073)"), "{message}");
    }
}

#[test]
fn other_versions_are_recognised_by_their_bytes() {
    assert!(refusal_of(&vec![0; RECORDS * (RECORD + 1)]).contains("looks like CIFAR-100"));
    assert!(refusal_of(&[0x80, 2, 0x7d]).contains("looks like the Python version"));
    assert!(refusal_of(&[0x80, 4, 0x95]).contains("looks like the Python version"));
}

#[test]
fn other_versions_are_recognised_by_their_names() {
    for (names, expected) in [
        (&["data_batch_1"][..], "the Python version"),
        (&["data_batch_1.mat"], "the Matlab version"),
        (&["train.bin", "test.bin"], "CIFAR-100"),
    ] {
        let folder = TempDir::new().unwrap();
        for name in names {
            fs::write(folder.path().join(name), [0]).unwrap();
        }
        let error = Dataset::open(&Source::Path(folder.path().into())).unwrap_err();
        assert_eq!(error.exit_code(), 3);
        assert!(error.to_string().contains(&format!("this looks like {expected}")), "{error}");
    }
}

#[test]
fn a_folder_in_place_of_a_file_is_refused() {
    let message = refusal(|path| {
        fs::remove_file(&path).unwrap();
        fs::create_dir(path).unwrap();
    });
    assert!(message.contains("data_batch_3.bin: expected a regular file of 9,219"), "{message}");
}

#[cfg(unix)]
#[test]
fn a_device_or_a_pipe_is_refused_without_being_read() {
    let device = |path: &Path| std::os::unix::fs::symlink("/dev/zero", path).unwrap();
    let pipe = |path: &Path| assert!(std::process::Command::new("mkfifo").arg(path).status().unwrap().success());
    for make in [&device as &dyn Fn(&Path), &pipe] {
        let message = refusal(|path| fs::remove_file(&path).map(|()| make(&path)).unwrap());
        assert!(message.contains("expected a regular file"), "{message}");
    }
}

proptest! {
    #[test]
    fn a_file_with_bytes_exchanged_opens_with_labels_below_ten_or_is_refused(
        changes in proptest::collection::vec((0..RECORDS * RECORD, any::<u8>()), 1..5), label in 0..RECORDS, value: u8,
    ) {
        let folder = folder();
        let mut bytes = records(2);
        for (at, byte) in changes {
            bytes[at] = byte;
        }
        bytes[label * RECORD] = value;
        fs::write(folder.path().join("data_batch_3.bin"), &bytes).unwrap();
        match open_with(folder.path(), RECORDS) {
            Ok(dataset) => {
                prop_assert!(bytes.chunks_exact(RECORD).all(|record| record[0] < 10));
                prop_assert_eq!(dataset.image(7), &bytes[RECORD + 1..2 * RECORD]);
            }
            Err(error) => {
                prop_assert_eq!(error.exit_code(), 3);
                prop_assert!(bytes.chunks_exact(RECORD).any(|record| record[0] > 9), "{}", error);
            }
        }
    }
}
