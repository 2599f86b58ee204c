//! `cyclone data fetch` on the command line.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use cyclone::data::fetch::CIFAR_10;
use tempfile::tempdir;

use super::server::{serve, whole};
use super::{body, get};

fn fetch(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_cyclone"))
        .current_dir(folder)
        .args(["data", "fetch"])
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn an_address_with_another_file_is_exit_code_7() {
    let folder = tempdir().unwrap();
    let (url, _requests) = serve(vec![whole(b"<html>")]);
    let output = fetch(folder.path(), &["--mirror", &url]);
    assert_eq!(output.status.code(), Some(7), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("6 bytes, expected 170,052,171"), "{}", text(&output.stderr));
    assert!(!folder.path().join("data/cifar-10-batches-bin").exists());
}

#[test]
fn a_file_that_is_not_the_archive_is_refused_by_its_checksum() {
    let folder = tempdir().unwrap();
    fs::write(folder.path().join("other.tar.gz"), b"other").unwrap();
    let output = fetch(folder.path(), &["--mirror", "other.tar.gz"]);
    assert_eq!(output.status.code(), Some(7), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains(CIFAR_10.md5), "{}", text(&output.stderr));
    assert!(folder.path().join("other.tar.gz").exists(), "the user's file stays");
    // The same for an archive that was put into the folder by hand.
    let kept = folder.path().join("data").join(CIFAR_10.name);
    fs::write(&kept, b"other").unwrap();
    let output = fetch(folder.path(), &[]);
    assert_eq!(output.status.code(), Some(7), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("or it is damaged; remove it"), "{}", text(&output.stderr));
    assert!(kept.exists());
    let output = fetch(folder.path(), &["--mirror", "example.org/archive"]);
    assert!(text(&output.stderr).contains("an address that starts with https://"), "{}", text(&output.stderr));
}

#[test]
fn a_folder_of_that_name_without_cifar_10_is_not_changed() {
    let folder = tempdir().unwrap();
    let there = folder.path().join("data/cifar-10-batches-bin");
    fs::create_dir_all(&there).unwrap();
    fs::write(there.join("mine.txt"), "mine").unwrap();
    let output = fetch(folder.path(), &[]);
    assert_eq!(output.status.code(), Some(3), "{}", text(&output.stderr));
    assert_eq!(fs::read_to_string(there.join("mine.txt")).unwrap(), "mine");
}

/// Writing to `/dev/full` fails as on a full disk.
#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_reported_with_the_space_needed_and_free() {
    let folder = tempdir().unwrap();
    std::os::unix::fs::symlink("/dev/full", folder.path().join("archive.part")).unwrap();
    let (url, _requests) = serve(vec![whole(&body())]);
    let error = get(&url, folder.path()).0.unwrap_err();
    assert_eq!(error.exit_code(), 4, "{error}");
    let message = error.to_string();
    assert!(message.contains("No space left") && message.contains("292.98 KiB needed"), "{message}");
    assert!(message.contains("--dest"), "{message}");
}

/// A file system of 1 MiB, in its own mount namespace so that nothing stays mounted.
#[cfg(target_os = "linux")]
#[test]
fn a_disk_that_is_too_small_is_reported_before_the_download() {
    let folder = tempdir().unwrap();
    let within = |command: &str| {
        let script = format!("mount -t tmpfs -o size=1m tmpfs \"$0\" && {command}");
        let mut unshare = Command::new("unshare");
        unshare.args(["-rm", "sh", "-c", &script]).arg(folder.path()).arg(env!("CARGO_BIN_EXE_cyclone"));
        unshare.output()
    };
    if !within("true").is_ok_and(|output| output.status.success()) {
        // Not with eprintln!, which the test harness captures.
        let _ = writeln!(std::io::stderr(), "NOT RUN: disk too small for a download: no `unshare -rm` with tmpfs here");
        return;
    }
    let (url, requests) = serve(vec![whole(b"never asked for")]);
    let output = within(&format!("\"$1\" data fetch --mirror {url} --dest \"$0/data\"")).unwrap();
    let message = text(&output.stderr);
    assert_eq!(output.status.code(), Some(4), "{message}");
    assert!(
        message.contains("338.01 MiB needed") && message.contains("free here") && message.contains("--dest"),
        "{message}"
    );
    assert!(requests.try_recv().is_err(), "nothing was asked for");
}
