use std::fs;
use std::io::Write;
use std::path::PathBuf;

use flate2::Compression;
use flate2::write::GzEncoder;
use proptest::prelude::*;
use tar::{EntryType, Header};
use tempfile::TempDir;

use super::super::cifar::tests::{RECORDS, check_rows, records};
use super::*;

/// A tar stream written by hand, with members that the `tar` crate refuses to write.
#[derive(Default)]
struct Tar(Vec<u8>);

impl Tar {
    /// A member whose header may lie about its size.
    fn member(mut self, name: &str, kind: EntryType, size: u64, bytes: &[u8]) -> Self {
        let mut header = Header::new_ustar();
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_entry_type(kind);
        header.set_size(size);
        header.set_mode(0o644);
        header.set_cksum();
        self.0.extend_from_slice(header.as_bytes());
        self.0.extend_from_slice(bytes);
        self.0.resize(self.0.len().next_multiple_of(512), 0);
        self
    }

    fn file(self, name: &str, bytes: &[u8]) -> Self {
        self.member(name, EntryType::Regular, bytes.len() as u64, bytes)
    }

    /// The members of the official archive without those in `skip`.
    fn official(skip: &[&str]) -> Self {
        let folder = format!("{FOLDER}/");
        let mut tar = Self::default().member(&folder, EntryType::Directory, 0, &[]);
        tar = tar.file(&format!("{folder}batches.meta.txt"), b"airplane\n");
        // Not in the order of the data set, as in the official archive.
        for place in [5, 0, 3, 1, 4, 2] {
            if !skip.contains(&FILES[place]) {
                tar = tar.file(&format!("{folder}{}", FILES[place]), &records(place));
            }
        }
        tar
    }

    fn gzip(mut self) -> Vec<u8> {
        self.0.extend_from_slice(&[0; 1024]);
        gzip(&self.0)
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn on_disk(bytes: &[u8]) -> (TempDir, PathBuf) {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("cifar-10-binary.tar.gz");
    fs::write(&path, bytes).unwrap();
    (folder, path)
}

fn refusal(bytes: &[u8]) -> String {
    let (_folder, path) = on_disk(bytes);
    let error = open_with(&path, RECORDS).unwrap_err();
    assert_eq!(error.exit_code(), 7, "{error}");
    let message = error.to_string();
    assert!(message.contains("cifar-10-binary.tar.gz: "), "{message}");
    message
}

/// The archive with another member, which replaces the official one of the same name.
#[track_caller]
fn refuses_member(name: &str, kind: EntryType, size: u64, expected: &str) {
    let skip = name.strip_prefix("cifar-10-batches-bin/").unwrap_or_default();
    let message = refusal(&Tar::official(&[skip]).member(name, kind, size, &[]).gzip());
    assert!(message.contains(&format!("member {name:?}: {expected}")), "{message}");
}

#[test]
fn the_archive_gives_the_images_of_its_files() {
    let (_folder, path) = on_disk(&Tar::official(&[]).gzip());
    check_rows(&open_with(&path, RECORDS).unwrap());
}

#[test]
fn an_extension_before_a_member_is_skipped() {
    let tar = Tar::default().member("x", EntryType::XHeader, 11, b"11 mtime=1\n");
    let rest = Tar::official(&[]);
    let (_folder, path) = on_disk(&Tar([tar.0, rest.0].concat()).gzip());
    assert_eq!(open_with(&path, RECORDS).unwrap().labels.len(), 6 * RECORDS);
}

#[test]
fn names_outside_the_folder_are_refused() {
    for name in ["../x", "/etc/passwd", "data_batch_1.bin", "cifar-10-batches-bin/../x", "cifar-10-batches-bin//x"] {
        refuses_member(name, EntryType::Regular, 0, "not in the official archive");
    }
}

#[test]
fn links_devices_and_pipes_are_refused() {
    let kinds = [EntryType::Symlink, EntryType::Link, EntryType::Char, EntryType::Fifo, EntryType::GNULongName];
    for kind in kinds {
        refuses_member("cifar-10-batches-bin/test_batch.bin", kind, 0, &format!("{kind:?}, expected a regular file"));
    }
}

#[test]
fn a_size_is_refused_before_a_byte_is_read() {
    let name = "cifar-10-batches-bin/data_batch_2.bin";
    refuses_member(name, EntryType::Regular, 9_218, "9,218 bytes, expected 9,219 (3 records of 3,073)");
    refuses_member(name, EntryType::Regular, 1 << 40, "1,099,511,627,776 bytes, expected 9,219");
    refuses_member("cifar-10-batches-bin/readme.html", EntryType::Regular, 1 << 21, "2,097,152 bytes, expected");
}

#[test]
fn a_repeated_member_is_refused() {
    let name = "cifar-10-batches-bin/data_batch_3.bin";
    let message = refusal(&Tar::official(&[]).file(name, &records(2)).gzip());
    assert!(message.contains("data_batch_3.bin\": is repeated"), "{message}");
}

#[test]
fn missing_members_and_a_wrong_label_are_named() {
    let mut bytes = records(4);
    bytes[2 * RECORD] = 10;
    let label = Tar::official(&["data_batch_5.bin"]).file("cifar-10-batches-bin/data_batch_5.bin", &bytes);
    for (tar, expected) in [
        (Tar::official(&["data_batch_2.bin", "test_batch.bin"]), "data_batch_2.bin, test_batch.bin are missing"),
        (label, "data_batch_5.bin\": record 2 (offset 6,146): label 10, expected 0 to 9"),
    ] {
        let message = refusal(&tar.gzip());
        assert!(message.contains(expected), "{message}");
    }
}

#[test]
fn a_bomb_stops_at_the_cap() {
    let mut tar = Tar::official(&[]);
    // 64 MiB of zeros after the end marker compress to 64 KiB; the limit here is 1 MiB and six small files.
    tar.0.resize(tar.0.len() + (64 << 20), 0);
    let message = refusal(&tar.gzip());
    assert!(message.contains("unpacks to 1,103,890 bytes or more"), "{message}");
}

#[test]
fn a_truncated_archive_is_refused() {
    let whole = Tar::official(&[]).gzip();
    for length in [0, 1, 9, 10, 30, whole.len() / 2, whole.len() - 9, whole.len() - 8, whole.len() - 1] {
        let message = refusal(&whole[..length]);
        assert!(message.contains("damaged archive"), "cut to {length} of {}: {message}", whole.len());
    }
}

#[test]
fn a_wrong_checksum_is_noticed() {
    let mut bytes = Tar::official(&[]).gzip();
    let checksum = bytes.len() - 8;
    bytes[checksum] ^= 1;
    assert!(refusal(&bytes).contains("checksum"));
}

#[test]
fn bytes_after_the_end_are_refused() {
    let whole = Tar::official(&[]).gzip();
    for tail in [gzip(b"more"), vec![0], b"<html>".to_vec()] {
        let message = refusal(&[whole.clone(), tail].concat());
        assert!(message.contains("more bytes follow the end of the gzip stream"), "{message}");
    }
}

proptest! {
    #[test]
    fn a_tar_stream_with_bytes_exchanged_opens_or_is_refused(
        // Half of the changes are in a header, whose 512 bytes start at a multiple of 512.
        changes in proptest::collection::vec((0_usize..120, 0_usize..512, any::<u8>()), 1..4), header: bool,
    ) {
        let mut tar = Tar::official(&[]);
        let headers: Vec<_> = (0..tar.0.len() / 512).filter(|block| &tar.0[block * 512 + 257..][..5] == b"ustar").collect();
        let blocks = tar.0.len() / 512;
        for (block, at, byte) in changes {
            let block = if header { headers[block % headers.len()] } else { block % blocks };
            tar.0[block * 512 + at] = byte;
        }
        let (_folder, path) = on_disk(&tar.gzip());
        match open_with(&path, RECORDS) {
            Ok(dataset) => prop_assert!(dataset.labels.len() == 6 * RECORDS && dataset.labels.iter().all(|&label| label < 10)),
            Err(error) => prop_assert_eq!(error.exit_code(), 7, "{}", error),
        }
    }
}
