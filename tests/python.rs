//! What other programs make of our files: exports in onnxruntime, `NumPy` and PyTorch, event files in TensorBoard.
//!
//! The packages are installed into a virtual environment in Cargo's folder for tests, once. Where that cannot be (no
//! Python, no network), a test says `NOT RUN` on standard error. `CYCLONE_PYTHON` names an interpreter that has them.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Arc, OnceLock};

use cyclone::cpu::CpuEngine;
use cyclone::data::Dataset;
use cyclone::data::spec::Source;
use cyclone::engine::{Engine, Job};
use cyclone::records::trained::{Trained, Weights};
use tempfile::{TempDir, tempdir};

const PACKAGES: [&str; 5] = ["numpy", "onnx", "onnxruntime", "safetensors", "tensorboard"];

/// The largest difference between logits of the same network here and elsewhere. Seen: 3.8e-6, where
/// sums of 3,072 products are made in another order. A network without its standardisation differs by 1 and more.
const TOLERANCE: &str = "5e-5";

/// An interpreter with the packages, or why there is none.
fn python() -> Result<&'static Path, &'static str> {
    static PYTHON: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let found = PYTHON.get_or_init(|| {
        if let Some(given) = std::env::var_os("CYCLONE_PYTHON") {
            return Ok(given.into());
        }
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("python");
        let python = folder.join("bin/python");
        let run = |program: &Path, arguments: &[&str]| match Command::new(program).args(arguments).output() {
            Ok(output) if output.status.success() => Ok(()),
            Ok(output) => Err(text(&output.stderr).lines().last().unwrap_or_default().to_owned()),
            Err(error) => Err(format!("{}: {error}", program.display())),
        };
        if run(&python, &["-c", &format!("import {}", PACKAGES.join(", "))]).is_err() {
            run(Path::new("python3"), &["-m", "venv", &folder.display().to_string()])?;
            run(&python, &[&["-m", "pip", "install", "--quiet"], &PACKAGES[..]].concat())?;
        }
        Ok(python)
    });
    found.as_deref().map_err(String::as_str)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Runs a script of `tests/python`, if that can be done here; says so visibly if not.
fn script(name: &str, arguments: &[&str]) -> Option<Output> {
    match python() {
        Ok(python) => {
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python").join(name);
            let output = Command::new(python).arg(path).args(arguments).output().unwrap();
            // Not through println!, which the test harness keeps to itself: these are the figures.
            let _ = std::io::stderr().write_all(&output.stdout);
            Some(output)
        }
        Err(why) => {
            let _ = writeln!(std::io::stderr(), "NOT RUN: {name}: no Python with {}: {why}", PACKAGES.join(", "));
            None
        }
    }
}

fn cyclone(folder: &Path, arguments: &[&str]) {
    let output = Command::new(env!("CARGO_BIN_EXE_cyclone")).current_dir(folder).args(arguments).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
}

/// The official files if they are where `train` looks for them, else the stand-in.
fn source() -> String {
    let official = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/cifar-10-batches-bin");
    if official.exists() { official.display().to_string() } else { "synthetic".into() }
}

/// A folder with a short run of 13 hidden units in `run`.
fn trained(more: &[&str]) -> TempDir {
    const SHORT: &str = "train --device cpu --train-batches 1 --val-batches 2 --hidden 13 \
                         --half-cycle 200 --cycles 1 --evals-per-cycle 3 --out run --quiet";
    let folder = tempdir().unwrap();
    let short: Vec<_> = SHORT.split_whitespace().collect();
    cyclone(folder.path(), &[&short[..], &["--data", &source()], more].concat());
    folder
}

/// The first 1,000 test images and the engine's logits of them.
fn write_logits(run: &Path) {
    let trained = Trained::open(run, None, Weights::Last).unwrap();
    let dataset = Arc::new(Dataset::open(&source().parse::<Source>().unwrap()).unwrap());
    let _ = writeln!(std::io::stderr(), "1,000 images of {}", dataset.name);
    let rows: Vec<u32> = (dataset.train as u32..).take(1000).collect();
    let mut pixels = vec![0; rows.len() * dataset.inputs];
    dataset.gather(&rows, &mut pixels);
    let job = Job { batch_size: 1, ..Job::new(trained.params.spec.clone()) };
    let mut engine = CpuEngine::<f32>::new(job, dataset, Arc::new(trained.standardisation), 2).unwrap();
    engine.load(&[trained.params]).unwrap();
    let logits: Vec<u8> = engine.logits(&rows).unwrap()[0].iter().flat_map(|logit| logit.to_le_bytes()).collect();
    fs::write(run.join("pixels.u8"), pixels).unwrap();
    fs::write(run.join("logits.f32"), logits).unwrap();
}

#[test]
fn exports_give_the_same_logits_in_other_programs() {
    let folder = trained(&[]);
    let run = folder.path().join("run");
    for format in ["onnx", "npz", "safetensors"] {
        cyclone(folder.path(), &["export", "run", "--format", format]);
    }
    write_logits(&run);
    let check = || script("check_export.py", &[run.to_str().unwrap(), TOLERANCE]);
    let Some(output) = check() else { return };
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));

    // The check can fail: one logit of 10,000, a thousandth off.
    let path = run.join("logits.f32");
    let mut logits = fs::read(&path).unwrap();
    let logit: [u8; 4] = logits[20_000..20_004].try_into().unwrap();
    logits[20_000..20_004].copy_from_slice(&(f32::from_le_bytes(logit) + 1e-3).to_le_bytes());
    fs::write(&path, logits).unwrap();
    assert!(!check().unwrap().status.success());
}

#[test]
fn tensorboard_reads_the_numbers_of_the_metrics() {
    let folder = trained(&["--tensorboard", "--checkpoint-every", "100"]);
    let run = folder.path().join("run");
    let check = || script("check_events.py", &[run.to_str().unwrap()]);
    let Some(output) = check() else { return };
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));

    // A run resumed before its last evaluations has each of them once all the same.
    let checkpoints = run.join("checkpoints");
    let steps = fs::read_dir(&checkpoints).unwrap().filter_map(|entry| {
        let name = entry.unwrap().file_name().into_string().unwrap();
        name.strip_prefix("step-")?.strip_suffix(".safetensors")?.parse::<u64>().ok()
    });
    fs::remove_file(checkpoints.join(format!("step-{}.safetensors", steps.max().unwrap()))).unwrap();
    fs::remove_file(run.join("summary.json")).unwrap();
    let mut resume = Command::new(env!("CARGO_BIN_EXE_cyclone"));
    let resumed =
        resume.current_dir(folder.path()).args(["train", "--resume", "run", "--tensorboard"]).output().unwrap();
    assert!(resumed.status.success(), "{}", text(&resumed.stderr));
    let output = check().unwrap();
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));

    // The check can fail: a line of the metrics lost.
    let path = run.join("metrics.jsonl");
    let metrics = fs::read_to_string(&path).unwrap();
    fs::write(&path, metrics.split_once('\n').unwrap().1).unwrap();
    assert!(!check().unwrap().status.success());
}
