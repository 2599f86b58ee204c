//! Faults of a GPU: a driver that fails on purpose stands before the software driver, and every run ends with an exit
//! code, a message and a whole checkpoint.
//!
//! The driver is a C file, built here. Where there is no C compiler or no software driver these tests cannot run; they
//! then fail and say so, unless `CYCLONE_WITHOUT_DRIVER=1` states that this machine has none.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]
#![cfg(target_os = "linux")]

#[path = "../common/mod.rs"]
mod common;
mod wrong;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use common::{cyclone, exits, finish, says, workplace};
use tempfile::{TempDir, tempdir};

const DEVICE_LOST: i32 = -4;
const OUT_OF_DEVICE_MEMORY: i32 = -2;
/// Of a submission that is then never worked on.
const SUCCESS: i32 = 0;

/// A run of two steps, saved after each. What its proof would add are more uses of the same calls.
const RUN: &str = "--check off --device gpu --data pictures --val-images 4 --hidden 7 --batch-size 5 --half-cycle 1 --cycles 1 \
                   --evals-per-cycle 1 --checkpoint-every 1 --out run";

/// The driver that fails, and the one that it forwards to.
struct Driver {
    folder: TempDir,
    real: PathBuf,
}

/// Builds the driver once; none where the machine is stated to have none.
fn driver() -> Option<&'static Driver> {
    static DRIVER: OnceLock<Option<Driver>> = OnceLock::new();
    let driver = DRIVER.get_or_init(|| {
        let absent = std::env::var_os("CYCLONE_WITHOUT_DRIVER").is_some_and(|value| value == "1");
        (!absent).then(build)
    });
    if driver.is_none() {
        eprintln!("NOT RUN: CYCLONE_WITHOUT_DRIVER=1 says that there is no software driver here");
    }
    driver.as_ref()
}

fn build() -> Driver {
    const ADVICE: &str = "install mesa-vulkan-drivers and a C compiler (./test does), or set CYCLONE_WITHOUT_DRIVER=1";
    let real = software_driver().unwrap_or_else(|| panic!("no software Vulkan driver: {ADVICE}"));
    let folder = tempdir().unwrap();
    let library = folder.path().join("libfaulty.so");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/driver/faulty.c");
    let built = Command::new("cc")
        .args(["-O1", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-o"])
        .args([&library, &source])
        .arg("-ldl")
        .status();
    assert!(built.is_ok_and(|status| status.success()), "cc cannot build tests/driver/faulty.c: {ADVICE}");
    let manifest = serde_json::json!({
        "file_format_version": "1.0.0",
        "ICD": { "library_path": library, "api_version": "1.3.0" },
    });
    fs::write(folder.path().join("faulty.json"), manifest.to_string()).unwrap();
    Driver { folder, real }
}

/// The library of Mesa's software driver, from its manifest.
fn software_driver() -> Option<PathBuf> {
    ["/usr/share/vulkan/icd.d", "/etc/vulkan/icd.d"].iter().find_map(|folder| {
        let mut manifests = fs::read_dir(folder).ok()?.filter_map(Result::ok).map(|entry| entry.path());
        let manifest = manifests.find(|path| path.to_string_lossy().contains("lvp_icd"))?;
        let manifest: serde_json::Value = serde_json::from_slice(&fs::read(manifest).ok()?).ok()?;
        manifest["ICD"]["library_path"].as_str().map(PathBuf::from)
    })
}

/// Which call fails, when, and how.
#[derive(Clone, Copy, Debug)]
struct Fault {
    call: &'static str,
    at: usize,
    result: i32,
    stays: bool,
}

impl Driver {
    /// Runs `train` with `more` flags on the failing driver in a new folder, and says whether the fault came about.
    fn train(&self, fault: Fault, more: &[&str]) -> (TempDir, Output, bool) {
        let folder = workplace();
        let mark = folder.path().join("mark");
        let mut command = self.command(folder.path(), &arguments(more), fault.call);
        command.env("FAULTY_AT", fault.at.to_string()).env("FAULTY_RESULT", fault.result.to_string());
        let output = finish(command.env("FAULTY_STAYS", if fault.stays { "1" } else { "0" }));
        (folder, output, mark.exists())
    }

    /// The program on the failing driver, which makes the file `mark` in `folder` when it fails.
    fn command(&self, folder: &Path, arguments: &[&str], call: &str) -> Command {
        let mut command = cyclone(folder, arguments);
        command
            .env("VK_DRIVER_FILES", self.folder.path().join("faulty.json"))
            .env("FAULTY_DRIVER", &self.real)
            .env("FAULTY_CALL", call)
            .env("FAULTY_MARK", folder.join("mark"));
        command
    }
}

/// `train`, [`RUN`] and some more flags.
fn arguments<'a>(more: &[&'a str]) -> Vec<&'a str> {
    ["train"].into_iter().chain(RUN.split_whitespace()).chain(more.iter().copied()).collect()
}

/// Fails each use of `call` in turn until a run has no such use. Every run before that one ends with exit code 5, says
/// what happened and how to resume; what it saved is whole, as resuming without faults shows for some of them.
fn each_use_ends_with_5(call: &'static str, result: i32, stays: bool) {
    let Some(driver) = driver() else { return };
    let whole = workplace();
    exits(
        &finish(cyclone(whole.path(), &arguments(&[])).env("VK_DRIVER_FILES", real_manifest(driver, whole.path()))),
        0,
    );

    let (mut given, mut saved) = (0, 0);
    for at in 1.. {
        let fault = Fault { call, at, result, stays };
        let (folder, output, is_given) = driver.train(fault, &[]);
        if !is_given {
            exits(&output, 0);
            break;
        }
        let message = exits(&output, 5);
        given += 1;
        says(&message, &["error: llvmpipe", "lost"]);
        if folder.path().join("run").exists() {
            says(&message, &["cyclone train --resume run"]);
            saved += usize::from(message.contains("the checkpoint of step"));
            if at % 5 == 0 {
                let manifest = real_manifest(driver, folder.path());
                let resume =
                    finish(cyclone(folder.path(), &["train", "--resume", "run"]).env("VK_DRIVER_FILES", manifest));
                exits(&resume, 0);
                common::same_bits(&folder.path().join("run"), &whole.path().join("run"));
            }
        }
    }
    assert!(given >= 15 && saved >= 5, "{call} was used {given} times, {saved} of them after a checkpoint");
    println!("{call} failed at each of {given} uses: exit code 5");
}

/// A manifest of the real driver alone, so that no other adapter of the machine is chosen.
fn real_manifest(driver: &Driver, folder: &Path) -> PathBuf {
    let path = folder.join("real.json");
    let manifest = serde_json::json!({
        "file_format_version": "1.0.0",
        "ICD": { "library_path": driver.real, "api_version": "1.3.0" },
    });
    fs::write(&path, manifest.to_string()).unwrap();
    path
}

#[test]
fn a_device_lost_at_any_submission_ends_the_run_with_5() {
    each_use_ends_with_5("vkQueueSubmit", DEVICE_LOST, true);
}

#[test]
fn a_submission_refused_once_ends_the_run_with_5() {
    each_use_ends_with_5("vkQueueSubmit", DEVICE_LOST, false);
}

#[test]
fn a_device_lost_at_any_wait_ends_the_run_with_5() {
    each_use_ends_with_5("vkWaitSemaphores", DEVICE_LOST, true);
}

#[test]
fn memory_that_runs_out_ends_the_run_with_5_and_a_shortage_of_a_moment_may_be_overcome() {
    let Some(driver) = driver() else { return };
    // W1 of 3,000 hidden units is 36.9 MB, so that more than one block of memory is allocated.
    let mut codes = Vec::new();
    for (at, stays) in [(1, true), (1, false), (2, true), (2, false)] {
        let fault = Fault { call: "vkAllocateMemory", at, result: OUT_OF_DEVICE_MEMORY, stays };
        let (_folder, output, given) = driver.train(fault, &["--hidden", "3000", "--steps", "1"]);
        assert!(given, "{fault:?} did not come about");
        let overcome = !stays && output.status.success();
        if !overcome {
            says(&exits(&output, 5).to_lowercase(), &["error: llvmpipe", "memory"]);
        }
        codes.push(output.status.code());
    }
    println!("vkAllocateMemory: exit codes {codes:?}");
}

#[test]
fn a_gpu_that_hangs_ends_the_run_with_5_after_a_minute() {
    let Some(driver) = driver() else { return };
    let fault = Fault { call: "vkQueueSubmit", at: 24, result: SUCCESS, stays: true };
    let (_folder, output, given) = driver.train(fault, &[]);
    assert!(given);
    says(
        &exits(&output, 5),
        &["no answer for 60 s: the GPU hangs", "the checkpoint of step 1 is kept", "--resume run"],
    );
}

#[test]
fn a_software_adapter_is_announced() {
    let Some(driver) = driver() else { return };
    let folder = workplace();
    let manifest = real_manifest(driver, folder.path());
    let output = finish(cyclone(folder.path(), &arguments(&[])).env("VK_DRIVER_FILES", manifest));
    says(&exits(&output, 0), &["note: llvmpipe", "is a software adapter"]);
}

#[test]
fn without_a_driver_there_is_no_gpu_and_that_is_5() {
    let folder = workplace();
    let output = finish(cyclone(folder.path(), &arguments(&[])).env("VK_DRIVER_FILES", "/nonexistent"));
    says(&exits(&output, 5), &["--device gpu: no GPU", "Install a Vulkan driver", "--device cpu"]);
}
