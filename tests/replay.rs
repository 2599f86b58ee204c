//! The fuzz targets over their corpus: inputs that were found to reach something new, or to break something once.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

#[path = "../fuzz/targets.rs"]
mod targets;

/// Megabytes of addresses that a target may have: more than the largest picture takes, and far less than a bomb would.
const MEMORY: u64 = 2048;

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus")
}

fn names(folder: &Path) -> BTreeSet<String> {
    fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn every_target_has_a_corpus_and_a_program() {
    let expected: BTreeSet<_> = targets::TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(names(&corpus()), expected);
    let programs = names(&corpus().join("../fuzz_targets"));
    assert_eq!(programs, expected.iter().map(|name| format!("{name}.rs")).collect());
}

#[test]
fn every_file_of_the_corpus_is_taken_or_refused() {
    for (name, target) in targets::TARGETS {
        let folder = corpus().join(name);
        let files = names(&folder);
        assert!(files.len() >= 4, "{name}: {} files", files.len());
        for file in files {
            let bytes = fs::read(folder.join(&file)).unwrap();
            assert!(bytes.len() <= 32 << 10, "{name}/{file}: {} bytes, and a corpus is small", bytes.len());
            println!("{name}/{file}");
            target(&bytes);
        }
    }
}

/// The test above again, in a process that cannot have more memory than [`MEMORY`].
#[cfg(target_os = "linux")]
#[test]
fn the_corpus_fits_in_bounded_memory() {
    let script =
        format!("ulimit -v {} && exec \"$0\" --exact every_file_of_the_corpus_is_taken_or_refused", MEMORY << 10);
    let output = Command::new("bash").args(["-c", &script]).arg(std::env::current_exe().unwrap()).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 passed"), "{text}{}", String::from_utf8_lossy(&output.stderr));
}
