//! The command line's contract: exit codes, messages, records.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use safetensors::SafeTensors;
use serde_json::Value;
use tempfile::{TempDir, tempdir};

/// A small training on the stand-in: 10,000 images of training and of validation, on the engine that needs no GPU.
const SHORT: &str = "--data synthetic --device cpu --train-batches 1 --val-batches 2 --hidden 7 --half-cycle 20 \
                     --cycles 1 --evals-per-cycle 2";

/// [`SHORT`] and some more flags, of which the last one of a name counts.
fn short<'a>(more: &[&'a str]) -> Vec<&'a str> {
    SHORT.split_whitespace().chain(more.iter().copied()).collect()
}

fn cyclone(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_cyclone")).current_dir(folder).args(arguments).output().unwrap()
}

fn train(folder: &Path, arguments: &[&str]) -> Output {
    cyclone(folder, &[&["train"], arguments].concat())
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// Runs `train` and demands an exit code and parts of the error message, and that nothing was written.
fn refused(arguments: &[&str], code: i32, parts: &[&str]) {
    let folder = tempdir().unwrap();
    let output = train(folder.path(), arguments);
    let message = text(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {message}");
    assert!(message.contains("error: "), "{message}");
    for part in parts {
        assert!(message.contains(part), "{part} in: {message}");
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "{arguments:?} wrote something");
}

#[test]
fn a_flag_out_of_range_is_a_usage_error_that_names_it() {
    refused(&["--lr-min", "1", "--lr-max", "0"], 2, &["--lr-min 1", "--lr-max 0"]);
    refused(&["--lr-min", "2", "--lr-max", "1"], 2, &["--lr-min 2", "--lr-max 1"]);
    refused(&["--lr-max", "NaN"], 2, &["--lr-max NaN"]);
    refused(&["--lambda", "-1"], 2, &["--lambda -1"]);
    refused(&["--lambda", "1e400"], 2, &["--lambda inf"]);
    refused(&["--batch-size", "0"], 2, &["--batch-size 0"]);
    refused(&["--hidden", "0"], 2, &["--hidden 0"]);
    refused(&["--hidden", "2000000000"], 2, &["--hidden 2000000000", "TiB"]);
    refused(&["--half-cycle", "0"], 2, &["--half-cycle 0"]);
    refused(&["--gamma", "0"], 2, &["--gamma 0"]);
    refused(&["--gamma", "1.5"], 2, &["--gamma 1.5"]);
    refused(&["--step-size", "0"], 2, &["--step-size 0"]);
    refused(&["--cycles", "0"], 2, &["--cycles 0"]);
    refused(&["--epochs", "0"], 2, &["--epochs 0"]);
    refused(&["--evals-per-cycle", "0"], 2, &["--evals-per-cycle 0"]);
    refused(&["--steps", "0"], 2, &["--steps 0"]);
    refused(&["--seed", "-1"], 2, &["--seed"]);
    refused(&["--shift", "17"], 2, &["--shift 17: expected 0 to 16"]);
}

#[test]
fn flags_that_make_no_sense_are_wrong_usage() {
    refused(&["--no-such-flag"], 2, &["--no-such-flag"]);
    refused(&["--cycles", "1", "--epochs", "1"], 2, &["--cycles", "--epochs"]);
    refused(&["--val-images", "5", "--val-batches", "2"], 2, &["--val-images", "--val-batches"]);
    refused(&["--preset", "figure-1", "--val-pick", "random"], 2, &["--val-images"]);
    refused(&["--val-pick", "middle"], 2, &["last", "first", "random"]);
    refused(&["--schedule", "linear"], 2, &["triangular2", "exp-range", "one-cycle"]);
    refused(&["--init", "xavier"], 2, &["report", "he"]);
    for time in ["90", "0s", "-5m", "soon", "1d"] {
        refused(&[&*format!("--max-time={time}")], 2, &["--max-time", "expected a time such as 90s, 10m or 1h30m"]);
    }
    refused(&["--flip", "vertical"], 2, &["none", "random", "alternate"]);
    refused(&["--standardise", "image"], 2, &["dimension", "channel"]);
    refused(&["--device", "gpu:x"], 2, &["gpu:N"]);
}

#[test]
fn a_missing_data_folder_is_bad_data_and_is_named() {
    refused(&["--device", "cpu", "--data", "no/such/folder"], 3, &["no/such/folder"]);
}

#[test]
fn a_gpu_that_is_not_there_is_no_gpu() {
    refused(&["--device", "no such adapter"], 5, &["no such adapter"]);
    refused(&["--device", "gpu:999"], 5, &["gpu:999"]);
}

#[test]
fn a_configuration_file_is_checked_as_the_flags_are() {
    let folder = tempdir().unwrap();
    let refused = |content: &str, part: &str| {
        fs::write(folder.path().join("some.toml"), content).unwrap();
        let output = train(folder.path(), &["--config", "some.toml"]);
        let message = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{content}: {message}");
        assert!(message.contains(part), "{part} in: {message}");
    };
    refused("hiden = 3", "hiden");
    refused("hidden = \"many\"", "some.toml");
    refused("cycles = 1\nepochs = 2", "exclude");
    refused("val-batches = [2]\nval-images = 2", "val-images");
    refused("batch-size = 0", "--batch-size 0");
    let output = train(folder.path(), &["--config", "other.toml"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("other.toml"));
}

#[test]
fn a_run_is_never_overwritten() {
    let folder = tempdir().unwrap();
    let kept = folder.path().join("mine/kept.txt");
    fs::create_dir(kept.parent().unwrap()).unwrap();
    fs::write(&kept, "kept").unwrap();
    let output = train(folder.path(), &short(&["--out", "mine"]));
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("--out mine"), "{}", text(&output.stderr));
    assert_eq!(fs::read_dir(folder.path().join("mine")).unwrap().count(), 1);
    assert_eq!(fs::read_to_string(kept).unwrap(), "kept");
}

#[test]
fn a_place_that_cannot_be_written_is_found_before_training() {
    let folder = tempdir().unwrap();
    fs::write(folder.path().join("file"), "").unwrap();
    for out in ["file", "file/run"] {
        let output = train(folder.path(), &short(&["--out", out]));
        assert_eq!(output.status.code(), Some(4), "{}", text(&output.stderr));
        assert!(text(&output.stderr).contains("file"));
        assert!(output.stdout.is_empty(), "training had begun");
    }
}

#[test]
fn help_lists_exit_codes_and_every_command_has_help() {
    let folder = tempdir().unwrap();
    for arguments in [&["--help"][..], &["train", "--help"]] {
        let output = cyclone(folder.path(), arguments);
        assert_eq!(output.status.code(), Some(0));
        assert!(text(&output.stdout).contains("Exit codes:"));
    }
    assert_eq!(cyclone(folder.path(), &[]).status.code(), Some(2));
}

#[test]
fn devices_lists_the_cpu_engine_whatever_else_there_is() {
    let folder = tempdir().unwrap();
    let output = cyclone(folder.path(), &["devices"]);
    assert_eq!(output.status.code(), Some(0));
    assert!(text(&output.stdout).contains("the CPU engine"));
}

#[test]
fn a_reader_that_goes_away_stops_nothing() {
    let folder = tempdir().unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_cyclone"))
        .current_dir(folder.path())
        .arg("train")
        .args(short(&["--out", "run"]))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    drop(child.stderr.take());
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert!(folder.path().join("run/summary.json").is_file());
}

/// A finished short run of `seed` in the folder `run`.
fn finished(seed: &str) -> (TempDir, Output) {
    let folder = tempdir().unwrap();
    let output = train(folder.path(), &short(&["--seed", seed, "--out", "run"]));
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    (folder, output)
}

#[test]
fn records_parse_and_are_complete() {
    let (folder, output) = finished("3");
    let run = folder.path().join("run");
    let mut names: Vec<_> =
        fs::read_dir(&run).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    let expected = [
        ".lock",
        "answers.json",
        "checkpoints",
        "config.toml",
        "metrics.jsonl",
        "standardisation.safetensors",
        "starts.json",
        "summary.json",
        "weights.safetensors",
    ];
    assert_eq!(names, expected);

    let metrics = fs::read_to_string(run.join("metrics.jsonl")).unwrap();
    let lines: Vec<Value> = metrics.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    // Two evaluations a cycle of 40 steps, and one before.
    let steps: Vec<_> = lines.iter().map(|line| line["step"].as_u64().unwrap()).collect();
    assert_eq!(steps, [0, 20, 40]);
    for line in &lines {
        for key in ["epoch", "lr", "train/loss", "train/cost", "train/accuracy", "val/loss", "val/cost", "val/accuracy"]
        {
            assert!(line[key].is_number(), "{key} in {line}");
        }
        assert_eq!(line["batch/loss"].is_number(), line["step"] != 0, "{line}");
    }

    let summary: Value = serde_json::from_slice(&fs::read(run.join("summary.json")).unwrap()).unwrap();
    assert_eq!(summary["steps"], 40);
    assert_eq!(summary["seeds"][0], 3);
    assert_eq!(summary["device"]["kind"], "cpu");
    assert_eq!(summary["data"]["train"], 10_000);
    assert_eq!(summary["data"]["sha256"].as_str().unwrap().len(), 64);
    assert_eq!(summary["models"][0]["train"]["loss"], lines[2]["train/loss"]);
    let accuracy = summary["models"][0]["test"]["accuracy"].as_f64().unwrap();
    assert!(text(&output.stdout).contains(&format!("{:.2}%", accuracy * 100.0)), "{}", text(&output.stdout));

    let weights = fs::read(run.join("weights.safetensors")).unwrap();
    let weights = SafeTensors::deserialize(&weights).unwrap();
    assert_eq!(weights.tensor("fc1.weight").unwrap().shape(), [7, 3072]);
    assert_eq!(weights.tensor("fc2.weight").unwrap().shape(), [10, 7]);
    let standardisation = fs::read(run.join("standardisation.safetensors")).unwrap();
    assert_eq!(SafeTensors::deserialize(&standardisation).unwrap().tensor("scale").unwrap().shape(), [3072]);
}

#[test]
fn the_same_seed_gives_the_same_bits_and_another_seed_gives_other_bits() {
    let weights = |run: &TempDir| fs::read(run.path().join("run/weights.safetensors")).unwrap();
    let (one, same, other) = (finished("1").0, finished("1").0, finished("2").0);
    assert_eq!(weights(&one), weights(&same));
    assert_ne!(weights(&one), weights(&other));
}

#[test]
fn a_runs_own_configuration_repeats_it() {
    let (folder, _) = finished("4");
    let output = train(folder.path(), &["--config", "run/config.toml", "--out", "again", "--quiet"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(output.stdout.is_empty() && output.stderr.is_empty(), "--quiet");
    for name in ["config.toml", "weights.safetensors"] {
        let read = |run| fs::read(folder.path().join(run).join(name)).unwrap();
        assert_eq!(read("run"), read("again"), "{name}");
    }
}

#[test]
fn a_rate_far_too_high_is_a_divergence_and_its_records_stay() {
    let folder = tempdir().unwrap();
    let output = train(folder.path(), &short(&["--lr-max", "1e30", "--out", "run"]));
    assert_eq!(output.status.code(), Some(6), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("--lr-max"));
    assert!(!folder.path().join("run/summary.json").exists());
    assert!(!fs::read_to_string(folder.path().join("run/metrics.jsonl")).unwrap().is_empty());
}

#[test]
fn a_schedule_is_in_the_header_and_in_the_rates() {
    let rates = |schedule: &[&str], header: &[&str]| -> Vec<f64> {
        let folder = tempdir().unwrap();
        let output = train(folder.path(), &short(&[&["--steps", "40", "--out", "run"], schedule].concat()));
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        let shown = text(&output.stdout);
        assert!(header.iter().all(|row| shown.contains(row)), "{shown}");
        let metrics = fs::read_to_string(folder.path().join("run/metrics.jsonl")).unwrap();
        metrics.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["lr"].as_f64().unwrap()).collect()
    };
    let lines = ["rate        0.1 to 0.00001, a cosine over the run\n", "length      0.4 epochs = 40 steps\n"];
    assert_eq!(rates(&["--schedule", "cosine"], &lines)[0], 0.1);
    let lines = ["rate        0.1, times 0.5 every 20 steps; warm-up 4 steps\n", "evaluation  2 every 40 steps\n"];
    let step = ["--schedule", "step", "--gamma", "0.5", "--step-size", "20", "--warmup", "4"];
    assert_eq!(rates(&step, &lines), [0.025, 0.05, 0.025]);
    let lines = ["rate        0.00001 to 0.1, half-cycle 20 steps, amplitude halved every cycle\n", "a cycle\n"];
    assert_eq!(rates(&["--schedule", "triangular2", "--init", "he"], &lines), [0.00001, 0.1, 0.00001]);
}

#[test]
fn unnamed_runs_of_the_same_moment_have_their_own_folders() {
    let folder = tempdir().unwrap();
    let arguments = [&["train"], &*short(&["--steps", "1", "--quiet"])].concat();
    let mut children: Vec<_> = (0..2)
        .map(|_| {
            Command::new(env!("CARGO_BIN_EXE_cyclone")).current_dir(folder.path()).args(&arguments).spawn().unwrap()
        })
        .collect();
    assert!(children.iter_mut().all(|child| child.wait().unwrap().success()));
    assert_eq!(fs::read_dir(folder.path().join("runs")).unwrap().count(), 2);
}

#[test]
fn one_batch_alone_is_learnt_by_heart_and_a_few_steps_do_not_suffice() {
    let folder = tempdir().unwrap();
    let run = |arguments: &[&str]| train(folder.path(), &short(&[&["--overfit-one-batch"], arguments].concat()));
    let output = run(&["--hidden", "50", "--half-cycle", "500"]);
    assert_eq!(output.status.code(), Some(0), "{}{}", text(&output.stdout), text(&output.stderr));
    let output = run(&["--steps", "2"]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("after 2 steps"), "{}", text(&output.stderr));
}
