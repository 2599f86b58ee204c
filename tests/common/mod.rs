//! Helpers for tests of whole runs.

#![allow(dead_code, reason = "each test program uses some of it")]
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::{TempDir, tempdir};

/// A child that runs longer than this hangs.
pub const HANGS: Duration = Duration::from_secs(120);

/// The program, run in a folder.
pub fn cyclone(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cyclone"));
    command.current_dir(folder).args(arguments).env("RUST_BACKTRACE", "0");
    command
}

/// Runs a command to its end. One that hangs is killed, and the test fails.
#[track_caller]
pub fn finish(command: &mut Command) -> Output {
    wait(spawn(command))
}

/// Starts a command with empty input, capturing its output.
pub fn spawn(command: &mut Command) -> Child {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Sends a signal by its name.
#[track_caller]
pub fn signal(child: &Child, name: &str) {
    let sent = Command::new("kill").args(["-s", name, &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
}

/// Waits until `done`.
#[track_caller]
pub fn until(mut done: impl FnMut() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < HANGS, "never came about");
        sleep(Duration::from_millis(1));
    }
}

/// Waits for a child. One that hangs is killed, and the test fails.
#[track_caller]
pub fn wait(mut child: Child) -> Output {
    let start = Instant::now();
    // What these children print fits in a pipe.
    while child.try_wait().unwrap().is_none() {
        if start.elapsed() > HANGS {
            child.kill().unwrap();
            panic!("hangs: {:?}", child.wait_with_output());
        }
        sleep(Duration::from_millis(5));
    }
    child.wait_with_output().unwrap()
}

/// Checks the exit code, and returns standard error.
#[track_caller]
pub fn exits(output: &Output, code: i32) -> String {
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(code), "{:?}: {message}", output.status);
    assert!(!message.contains("panicked"), "{message}");
    message
}

/// What the program prints that ends well with these arguments, which have no spaces in them.
#[track_caller]
pub fn done(folder: &Path, arguments: &str) -> String {
    let output = finish(&mut cyclone(folder, &arguments.split_whitespace().collect::<Vec<_>>()));
    exits(&output, 0);
    String::from_utf8(output.stdout).unwrap()
}

/// Checks that a text has all parts.
#[track_caller]
pub fn says(message: &str, parts: &[&str]) {
    for part in parts {
        assert!(message.contains(part), "{part:?} in: {message}");
    }
}

/// A folder with an image folder in it.
pub fn workplace() -> TempDir {
    let folder = tempdir().unwrap();
    pictures(&folder.path().join("pictures"));
    folder
}

/// Writes an image folder of 3 classes with 7 training and 2 test images each, for fast runs.
pub fn pictures(folder: &Path) {
    for (part, count) in [("train", 7_u32), ("test", 2)] {
        for class in 0..3 {
            let folder = folder.join(part).join(format!("class-{class}"));
            fs::create_dir_all(&folder).unwrap();
            for image in 0..count {
                let seed = class * 89 + image * 57 + count;
                let pixel = |x: u32, y: u32| {
                    image::Rgb([0, 1, 2].map(|c| (seed * (x + 1) * (c + 2) + y * y * (class + 1) + (x * y) % 7) as u8))
                };
                image::RgbImage::from_fn(32, 32, pixel).save(folder.join(format!("{image}.png"))).unwrap();
            }
        }
    }
}

/// The records of a run without times and checks, of which there are as many as there is time for.
pub fn metrics(run: &Path) -> Vec<Value> {
    let text = fs::read_to_string(run.join("metrics.jsonl")).unwrap();
    let records = text.lines().map(|line| {
        let mut record: Value = serde_json::from_str(line).unwrap();
        record.as_object_mut().unwrap().retain(|key, _| !key.starts_with("seconds/") && !key.starts_with("check/"));
        record
    });
    records.collect()
}

/// Checks that two runs are complete and have the same weights, records and final figures, bit for bit.
#[track_caller]
pub fn same_bits(one: &Path, other: &Path) {
    let read = |run: &Path, name: &str| {
        fs::read(run.join(name)).unwrap_or_else(|error| panic!("{} {name}: {error}", run.display()))
    };
    for name in ["weights.safetensors", "standardisation.safetensors"] {
        assert!(read(one, name) == read(other, name), "{name} differs");
    }
    assert_eq!(metrics(one), metrics(other));
    let figures = |run: &Path| {
        let summary: Value = serde_json::from_slice(&read(run, "summary.json")).unwrap();
        [summary["steps"].clone(), summary["models"].clone()]
    };
    assert_eq!(figures(one), figures(other));
}
