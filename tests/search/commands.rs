//! Searches as commands: killed, stopped by signals, in shards, refused.

use std::fs;
use std::io::Read;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::tempdir;

use super::lines;

/// A thousand of the built-in images, a small network, 12 trials.
pub const SHORT: &str = "search --data synthetic --device cpu --train-batches 1 --val-images 9000 --hidden 7 --half-cycle 30 \
                     --cycles 1 --trials 12";

pub fn command(folder: &Path, arguments: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cyclone"));
    for name in ["SLURM_ARRAY_TASK_ID", "JOB_COMPLETION_INDEX", "OMPI_COMM_WORLD_RANK"] {
        command.env_remove(name);
    }
    command.current_dir(folder).args(arguments.split_whitespace());
    command
}

pub fn output(mut command: Command) -> Output {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output
}

/// Demands that the short search with `more` is wrong usage, and says so with `part`.
#[track_caller]
pub fn refused(folder: &Path, more: &str, part: &str) {
    let output = command(folder, &format!("{SHORT} {more}")).output().unwrap();
    let message = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{message}");
    assert!(message.contains(part), "{part} in: {message}");
}

/// The ranked table of what a search printed.
pub fn printed(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let start = text.find("rank").unwrap();
    text[start..text.find("Ranked").unwrap()].to_owned()
}

/// Waits for the first finished trial.
pub fn until_written(trials: &Path) {
    let deadline = Instant::now() + Duration::from_secs(120);
    while fs::metadata(trials).map_or(0, |metadata| metadata.len()) == 0 {
        assert!(Instant::now() < deadline, "no trial ended");
        thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn killed_and_resumed_or_in_shards_it_is_the_same_search() {
    let folder = tempdir().unwrap();
    let whole = output(command(folder.path(), &format!("{SHORT} --out whole")));
    let expected = lines(&folder.path().join("whole"));

    let mut child = command(folder.path(), &format!("{SHORT} --out killed"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let trials = folder.path().join("killed/trials.jsonl");
    until_written(&trials);
    child.kill().unwrap();
    child.wait().unwrap();
    let resumed = output(command(folder.path(), "search --resume killed --device cpu"));
    assert_eq!(lines(&folder.path().join("killed")), expected);
    assert_eq!(printed(&resumed), printed(&whole));

    output(command(folder.path(), &format!("{SHORT} --out parts --shard 0/2")));
    let missing = command(folder.path(), "search merge parts").output().unwrap();
    assert_eq!(missing.status.code(), Some(8));
    assert!(String::from_utf8_lossy(&missing.stderr).contains("trials 1, 3, 5, 7, 9, 11"));
    let mut second = command(folder.path(), &format!("{SHORT} --out parts"));
    second.envs([("OMPI_COMM_WORLD_RANK", "1"), ("OMPI_COMM_WORLD_SIZE", "2")]);
    let second = output(second);
    assert!(String::from_utf8_lossy(&second.stderr).contains("shard 1/2, from OMPI_COMM_WORLD_RANK=1"));
    let merged = output(command(folder.path(), "search merge parts"));
    assert_eq!(lines(&folder.path().join("parts")), expected);
    assert_eq!(printed(&merged), printed(&whole));
}

#[cfg(unix)]
#[test]
fn a_signal_stops_a_search_which_says_how_to_resume() {
    let folder = tempdir().unwrap();
    let long = SHORT.replace("--trials 12", "--trials 30");
    output(command(folder.path(), &format!("{long} --out whole")));
    output(command(folder.path(), &format!("{long} --out whole-part --shard 1/2")));
    for (name, code, place, part, whole) in [
        ("INT", 130, "cut", "", "whole"),
        ("TERM", 143, "part/shard-1-of-2", " --shard 1/2", "whole-part/shard-1-of-2"),
    ] {
        let out = place.split('/').next().unwrap();
        let place = folder.path().join(place);
        let mut child = command(folder.path(), &format!("{long} --out {out}{part}"))
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        until_written(&place.join("trials.jsonl"));
        assert!(Command::new("kill").args(["-s", name, &child.id().to_string()]).status().unwrap().success());
        let mut message = String::new();
        child.stderr.take().unwrap().read_to_string(&mut message).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(code), "{message}");
        let kept = lines(&place).lines().count();
        assert!(message.contains(&format!("stopped by SIG{name} after {kept} of ")), "{message}");
        let again = format!("search --resume {out}{part}");
        assert!(message.contains(&format!("resume with: cyclone {again}")), "{message}");
        output(command(folder.path(), &format!("{again} --device cpu")));
        assert_eq!(lines(&place), lines(&folder.path().join(whole)));
    }
}

#[test]
fn a_search_that_cannot_be_divided_is_refused() {
    let folder = tempdir().unwrap();
    for (more, part) in [
        ("--refine 2 --out out", "merge them, then search the ranges around the best"),
        ("--warm-start --out out", "one network goes through all values"),
        ("", "the same --out"),
    ] {
        refused(folder.path(), &format!("--shard 0/2 {more}"), part);
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn repeats_are_the_runs_of_their_seeds() {
    const TRAIN: &str = "train --data synthetic --device cpu --train-batches 1 --val-images 9000 --hidden 7 --half-cycle 20 \
                         --cycles 1 --evals-per-cycle 1";
    let folder = tempdir().unwrap();
    let three = output(command(folder.path(), &format!("{TRAIN} --repeats 3 --seed 5 --out three")));
    output(command(folder.path(), &format!("{TRAIN} --seed 6 --out one")));
    let weights = |path: &str| fs::read(folder.path().join(path)).unwrap();
    assert_eq!(weights("three/weights-1.safetensors"), weights("one/weights.safetensors"));
    let text = String::from_utf8_lossy(&three.stdout).into_owned();
    assert!(text.contains("The accuracy on the test set is 0."), "{text}");
    let summary: serde_json::Value = serde_json::from_slice(&weights("three/summary.json")).unwrap();
    assert_eq!(summary["seeds"], serde_json::json!([5, 6, 7]));
    let share = |model: usize| summary["models"][model]["test"]["accuracy"].as_f64().unwrap();
    let mean = summary["accuracy"]["test"]["mean"].as_f64().unwrap();
    approx::assert_relative_eq!(mean, (share(0) + share(1) + share(2)) / 3.0, max_relative = 1e-12);
    assert!(summary["accuracy"]["test"]["deviation"].as_f64().unwrap() > 0.0);
}
