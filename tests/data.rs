//! Opening data sets: paths, full sizes, exit codes.

#![expect(clippy::unwrap_used, reason = "a test stops where it fails, in its helpers too")]

use std::fs::{self, File};
use std::io::{Seek, SeekFrom, Write};
use std::path::Path;

use cyclone::config::Settings;
use cyclone::data::spec::{DataSpec, Pick, Source, Standardise};
use cyclone::data::{Dataset, FILES, Standardisation, split::Split};
use cyclone::error::Error;
use tempfile::TempDir;

/// Sets a pixel of each file's last image, so that no two files are equal.
fn tell_apart(folder: &Path) {
    for (name, pixel) in FILES.into_iter().zip(1..) {
        let mut file = File::options().write(true).open(folder.join(name)).unwrap();
        file.seek(SeekFrom::Start(30_729_999)).unwrap();
        file.write_all(&[pixel]).unwrap();
    }
}

/// The six files in full size, all zeros but for a pixel: black airplanes, in sparse files.
fn black_airplanes(folder: &Path) {
    fs::create_dir_all(folder).unwrap();
    for name in FILES {
        File::create(folder.join(name)).unwrap().set_len(30_730_000).unwrap();
    }
    tell_apart(folder);
}

fn open(path: &Path) -> Result<Dataset, Error> {
    Dataset::open(&Source::Path(path.to_owned()))
}

/// The error message for `path`.
fn refusal(path: &Path, exit_code: u8) -> String {
    let error = open(path).unwrap_err();
    assert_eq!(error.exit_code(), exit_code, "{error}");
    error.to_string()
}

#[test]
fn the_official_folder_or_its_parent_opens_and_constant_pixels_are_counted() {
    let outer = TempDir::new().unwrap();
    let folder = outer.path().join("cifar-10-batches-bin");
    black_airplanes(&folder);
    let dataset = open(&folder).unwrap();
    assert_eq!((dataset.train, dataset.labels.len(), dataset.inputs), (50_000, 60_000, 3072));
    assert_eq!(dataset.digest(), open(outer.path()).unwrap().digest());

    let standardisation = Standardisation::of(&dataset, &[0, 1, 2], Standardise::default()).unwrap();
    assert_eq!(standardisation.constant(), 3072);
    assert!(standardisation.mean.iter().chain(&standardisation.scale).all(|&value| value == 0.0));
}

#[test]
fn faults_in_the_official_files_are_reported_with_their_place() {
    let folder = TempDir::new().unwrap();
    let at = |name: &str| folder.path().join(name);
    black_airplanes(folder.path());

    File::options().write(true).open(at("data_batch_3.bin")).unwrap().set_len(30_729_999).unwrap();
    let message = refusal(folder.path(), 3);
    let expected = "data_batch_3.bin: 30,729,999 bytes, expected 30,730,000 (10,000 records of 3,073)";
    assert!(message.contains(expected), "{message}");

    black_airplanes(folder.path());
    let mut file = File::options().append(true).open(at("test_batch.bin")).unwrap();
    file.write_all(&[0; 10_000]).unwrap();
    let message = refusal(folder.path(), 3);
    assert!(message.contains("test_batch.bin: 30,740,000 bytes") && message.contains("CIFAR-100"), "{message}");

    black_airplanes(folder.path());
    let mut file = File::options().write(true).open(at("data_batch_5.bin")).unwrap();
    file.seek(SeekFrom::Start(9_999 * 3_073)).unwrap();
    file.write_all(&[10]).unwrap();
    let message = refusal(folder.path(), 3);
    assert!(
        message.contains("data_batch_5.bin: record 9999 (offset 30,726,927): label 10, expected 0 to 9"),
        "{message}"
    );

    fs::remove_file(at("data_batch_2.bin")).unwrap();
    fs::remove_file(at("data_batch_4.bin")).unwrap();
    let message = refusal(folder.path(), 3);
    assert!(message.contains("data_batch_2.bin, data_batch_4.bin are missing"), "{message}");
}

#[test]
fn a_copied_file_is_refused() {
    let folder = TempDir::new().unwrap();
    black_airplanes(folder.path());
    for (from, to) in [("data_batch_2.bin", "data_batch_4.bin"), ("data_batch_5.bin", "test_batch.bin")] {
        let before = fs::read(folder.path().join(to)).unwrap();
        fs::copy(folder.path().join(from), folder.path().join(to)).unwrap();
        let message = refusal(folder.path(), 3);
        assert!(message.contains(&format!("{from} and {to} have the same images")), "{message}");
        fs::write(folder.path().join(to), before).unwrap();
    }
    open(folder.path()).unwrap();
}

#[test]
fn a_path_that_is_not_a_data_set_is_refused_with_what_is_expected() {
    let folder = TempDir::new().unwrap();
    let stray = folder.path().join("images.zip");
    fs::write(&stray, b"PK").unwrap();
    for path in [folder.path(), &stray] {
        let message = refusal(path, 3);
        assert!(message.contains("not a data set; expected a folder with data_batch_1.bin"), "{message}");
    }
    let message = refusal(&folder.path().join("nowhere"), 3);
    assert!(message.contains("nowhere: ") && message.contains("; expected a folder with"), "{message}");
}

#[test]
fn a_damaged_archive_has_its_own_exit_code() {
    let folder = TempDir::new().unwrap();
    for name in ["cifar-10-binary.tar.gz", "CIFAR.TGZ"] {
        let path = folder.path().join(name);
        fs::write(&path, b"<html>").unwrap();
        let message = refusal(&path, 7);
        assert!(message.contains(&format!("{name}: damaged archive")), "{message}");
    }
}

#[test]
fn the_stand_in_has_the_layout_of_the_official_set() {
    let dataset = Dataset::open(&Source::Synthetic).unwrap();
    assert_eq!((dataset.train, dataset.labels.len(), dataset.inputs), (50_000, 60_000, 3072));
    assert_eq!(dataset.classes.len(), 10);
    let split = Split::new(&dataset, &DataSpec::default()).unwrap();
    assert_eq!([split.train.len(), split.validation.len(), split.test.len()], [49_000, 1_000, 10_000]);
    for per in [Standardise::Dimension, Standardise::Channel] {
        assert_eq!(Standardisation::of(&dataset, &split.train, per).unwrap().constant(), 0);
    }
}

#[test]
fn the_digest_depends_on_pixels_labels_and_the_split() {
    let digest = |pixels: [u8; 6], labels: [u8; 3], train: usize| {
        let classes = vec!["a".into(), "b".into()];
        Dataset::in_memory("tiny", classes, 2, pixels.to_vec(), labels.to_vec(), train).digest()
    };
    let reference = digest([1, 2, 3, 4, 5, 6], [0, 1, 1], 2);
    assert_eq!(reference.len(), 64);
    assert_eq!(reference, digest([1, 2, 3, 4, 5, 6], [0, 1, 1], 2));
    assert_ne!(reference, digest([1, 2, 3, 4, 5, 7], [0, 1, 1], 2));
    assert_ne!(reference, digest([1, 2, 3, 4, 5, 6], [1, 0, 1], 2));
    assert_ne!(reference, digest([1, 2, 3, 4, 5, 6], [0, 1, 1], 1));
}

#[test]
fn rows_are_gathered_in_the_requested_order() {
    let dataset = Dataset::in_memory("tiny", vec!["a".into(), "b".into()], 3, (0..15).collect(), vec![0; 5], 4);
    let mut out = [0; 9];
    dataset.gather(&[4, 0, 2], &mut out);
    assert_eq!(out, [12, 13, 14, 0, 1, 2, 6, 7, 8]);
}

#[test]
fn settings_of_the_data_read_back_from_their_record() {
    for (source, val_pick) in [("auto", Some(Pick::Random)), ("synthetic", Some(Pick::Last)), ("some/where", None)] {
        let data = Some(source.parse().unwrap());
        let settings = Settings { data, train_batches: Some(vec![1]), val_pick, ..Settings::default() };
        let record = toml::to_string(&settings).unwrap();
        assert!(record.contains(&format!("data = \"{source}\"")), "{record}");
        assert_eq!(toml::from_str::<Settings>(&record).unwrap(), settings);
    }
    let error = toml::from_str::<Settings>("data = \"auto\"\ntrain-batch = [1]").unwrap_err();
    assert!(error.to_string().contains("train-batch"), "{error}");
    assert_eq!("".parse::<Source>().unwrap_err().exit_code(), 2);
}
