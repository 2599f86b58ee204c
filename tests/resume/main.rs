//! Runs that end early and are resumed: signals, SIGKILL, checkpoints and records in any state.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]
#![cfg(unix)]

#[path = "../common/mod.rs"]
mod common;
mod records;

use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use common::{cyclone, exits, finish, metrics, same_bits, says, signal, spawn, until, wait, workplace};
use cyclone::util::random::{Purpose, stream};
use rand::RngExt;
use serde_json::Value;
use tempfile::TempDir;

/// Two cycles of 300 steps, evaluated three times each, on pictures; about half a second.
const RUN: &str = "train --device cpu --data pictures --val-images 4 --hidden 41 --batch-size 5 --half-cycle 300 --cycles 2 \
                   --evals-per-cycle 3 --flip alternate --shift 2 --checkpoint-every 37 --out run";

fn run(folder: &Path, more: &[&str]) -> Command {
    cyclone(folder, &RUN.split_whitespace().chain(more.iter().copied()).collect::<Vec<_>>())
}

fn resume(folder: &Path) -> Command {
    cyclone(folder, &["train", "--resume", "run"])
}

/// An uninterrupted run.
fn whole() -> TempDir {
    let folder = workplace();
    exits(&finish(&mut run(folder.path(), &[])), 0);
    folder
}

/// A run that a signal stopped after its first checkpoint.
fn stopped(name: &str, code: i32) -> (TempDir, String) {
    stopped_with(&[], name, code)
}

fn stopped_with(more: &[&str], name: &str, code: i32) -> (TempDir, String) {
    let folder = workplace();
    let child = spawn(&mut run(folder.path(), more));
    until(|| folder.path().join("run/checkpoints/step-37.safetensors").exists());
    signal(&child, name);
    let message = exits(&wait(child), code);
    (folder, message)
}

/// The run's checkpoints of single steps, the last first.
fn steps(folder: &Path) -> Vec<u64> {
    let names = fs::read_dir(folder.join("run/checkpoints")).unwrap();
    let mut steps: Vec<u64> = names
        .filter_map(|entry| {
            entry.unwrap().file_name().to_str()?.strip_prefix("step-")?.strip_suffix(".safetensors")?.parse().ok()
        })
        .collect();
    steps.sort_unstable_by(|one, other| other.cmp(one));
    steps
}

#[test]
fn a_signal_saves_the_state_and_the_resumed_run_has_the_same_bits() {
    let whole = whole();
    for (name, code) in [("INT", 130), ("TERM", 143)] {
        let (folder, message) = stopped(name, code);
        let step = steps(folder.path())[0];
        assert!(step < 1200, "it was too late");
        says(
            &message,
            &[
                &format!("note: the checkpoint of step {step} is kept; resume with: cyclone train --resume run"),
                &format!("error: stopped by SIG{name} after step {step}"),
            ],
        );
        let message = exits(&finish(&mut resume(folder.path())), 0);
        says(&message, &[&format!("resuming after step {step} of 1200")]);
        same_bits(&folder.path().join("run"), &whole.path().join("run"));
        let summary = fs::read(folder.path().join("run/summary.json")).unwrap();
        let summary: Value = serde_json::from_slice(&summary).unwrap();
        let has = |start: &Value, flag: &str| start["command"].as_array().unwrap().contains(&flag.into());
        assert!(has(&summary, "--hidden") && !has(&summary, "--resume"), "how it began: {summary}");
        let [resumed] = &summary["resumed"].as_array().unwrap()[..] else { panic!("once: {summary}") };
        assert!(has(resumed, "--resume"), "{resumed}");
        assert_eq!(resumed["after_step"], step);
        assert!(summary["started"].as_str().unwrap() < resumed["started"].as_str().unwrap(), "{summary}");
    }
}

#[test]
fn a_run_that_has_no_time_left_ends_as_at_a_signal_and_its_rates_continue() {
    // Rates that depend on how long the whole run is.
    const OTHER: [&str; 6] = ["--schedule", "one-cycle", "--warmup", "400", "--init", "he"];
    let whole = workplace();
    exits(&finish(&mut run(whole.path(), &OTHER)), 0);
    let folder = workplace();
    let message = exits(&finish(&mut run(folder.path(), &[&OTHER[..], &["--max-time", "1ms"]].concat())), 124);
    let resume_with = "the checkpoint of step 0 is kept; resume with: cyclone train --resume run";
    says(&message, &[resume_with, "error: stopped by --max-time after step 0"]);
    let mut stops = 0;
    // Longer each time, so that a slow machine comes to the end too.
    for time in (0..).map(|turn| format!("{}ms", 100 << (turn / 2))) {
        let output = finish(resume(folder.path()).args(["--max-time", &time]));
        if output.status.success() {
            break;
        }
        says(&exits(&output, 124), &["error: stopped by --max-time after step"]);
        stops += 1;
    }
    println!("stopped {stops} times on the way");
    same_bits(&folder.path().join("run"), &whole.path().join("run"));
}

#[test]
fn a_terminal_that_closes_beside_another_signal_changes_nothing() {
    let folder = workplace();
    let child = spawn(&mut run(folder.path(), &[]));
    until(|| folder.path().join("run/checkpoints/step-37.safetensors").exists());
    // Both are there when it resumes.
    for name in ["STOP", "HUP", "TERM", "CONT"] {
        signal(&child, name);
    }
    says(&exits(&wait(child), 143), &["error: stopped by SIGTERM after step", "is kept; resume with"]);
}

#[test]
fn a_second_signal_ends_the_process_at_once() {
    let folder = workplace();
    // Evaluations of 10,000 images on a wide network: the first signal has to wait for one.
    let slow = ["--data", "synthetic", "--hidden", "2000", "--batch-size", "9999", "--checkpoint-every", "1"];
    let mut child = spawn(&mut run(folder.path(), &slow));
    until(|| folder.path().join("run/config.toml").exists());
    sleep(Duration::from_millis(200));
    signal(&child, "INT");
    sleep(Duration::from_millis(200));
    assert!(child.try_wait().unwrap().is_none(), "it had nothing to finish");
    let start = Instant::now();
    signal(&child, "INT");
    let status = child.wait().unwrap();
    assert_eq!(status.code(), Some(130));
    assert!(start.elapsed() < Duration::from_millis(500), "took {:?}", start.elapsed());
}

#[test]
fn killed_at_twenty_random_points_and_resumed_each_time_the_bits_are_the_same() {
    let start = Instant::now();
    let whole = whole();
    let length = start.elapsed();
    let folder = workplace();
    let mut points = stream(17, Purpose::Check, 0);
    let mut kills = Vec::new();
    let mut seconds = 0.3;
    while kills.len() < 20 {
        let exists = folder.path().join("run/config.toml").exists();
        let mut child = spawn(&mut if exists { resume(folder.path()) } else { run(folder.path(), &[]) });
        sleep(length.mul_f64(seconds * points.random::<f64>()));
        child.kill().unwrap();
        let output = wait(child);
        if output.status.code() == Some(0) {
            // Killed too late: it was complete. Another run takes the place of this one, whose bits are as they must be.
            same_bits(&folder.path().join("run"), &whole.path().join("run"));
            fs::remove_dir_all(folder.path().join("run")).unwrap();
            seconds *= 0.8;
            continue;
        }
        assert_eq!(output.status.code(), None, "{}", String::from_utf8_lossy(&output.stderr));
        kills.push(if exists { steps(folder.path()).first().copied().unwrap_or(0) } else { 0 });
    }
    // The last one may have been killed before there was anything to resume.
    let exists = folder.path().join("run/config.toml").exists();
    exits(&finish(&mut if exists { resume(folder.path()) } else { run(folder.path(), &[]) }), 0);
    same_bits(&folder.path().join("run"), &whole.path().join("run"));
    assert!(kills.iter().filter(|&&step| step > 0).count() >= 5, "{kills:?}");
    println!(
        "killed 20 times, the last checkpoint then of step {kills:?}; the bits are those of the run without a kill"
    );
}

#[test]
fn a_run_killed_before_it_began_leaves_a_folder_that_can_be_used() {
    let folder = workplace();
    let run_folder = folder.path().join("run");
    fs::create_dir(&run_folder).unwrap();
    for name in [".lock", ".config.toml.part", "metrics.jsonl"] {
        fs::write(run_folder.join(name), "").unwrap();
    }
    let message = exits(&finish(&mut resume(folder.path())), 2);
    says(&message, &["--resume run: there is no config.toml"]);
    exits(&finish(&mut run(folder.path(), &["--steps", "3"])), 0);
}

#[test]
fn a_run_without_any_checkpoint_is_resumed_with_its_own_settings_and_images_alone() {
    let whole = whole();
    let run = whole.path().join("run");
    let weights = fs::read(run.join("weights.safetensors")).unwrap();
    for name in ["summary.json", "weights.safetensors"] {
        fs::remove_file(run.join(name)).unwrap();
    }
    fs::remove_dir_all(run.join("checkpoints")).unwrap();
    let before = fs::read(run.join("metrics.jsonl")).unwrap();
    let message = exits(&finish(resume(whole.path()).args(["--hidden", "9"])), 8);
    says(&message, &["run/config.toml: of another training", "setting", "recorded", "asked for", "hidden"]);

    let picture = whole.path().join("pictures/train/class-1/1.png");
    let own = fs::read(&picture).unwrap();
    fs::copy(picture.with_file_name("0.png"), &picture).unwrap();
    says(&exits(&finish(&mut resume(whole.path())), 8), &["run/starts.json: of another training", "images' SHA-256"]);
    assert_eq!(fs::read(run.join("metrics.jsonl")).unwrap(), before);

    fs::write(&picture, own).unwrap();
    exits(&finish(&mut resume(whole.path())), 0);
    assert_eq!(fs::read(run.join("weights.safetensors")).unwrap(), weights);
}

#[test]
fn a_run_without_its_end_is_finished_from_its_last_checkpoint() {
    let whole = whole();
    let run = whole.path().join("run");
    let metrics_before = metrics(&run);
    let weights = fs::read(run.join("weights.safetensors")).unwrap();
    for name in ["summary.json", "weights.safetensors"] {
        fs::remove_file(run.join(name)).unwrap();
    }
    exits(&finish(&mut resume(whole.path())), 0);
    assert_eq!(fs::read(run.join("weights.safetensors")).unwrap(), weights);
    assert_eq!(metrics(&run), metrics_before);
}

#[test]
fn a_damaged_checkpoint_gives_way_to_the_one_before_with_a_notice() {
    let whole = whole();
    let (folder, _) = stopped("INT", 130);
    let [last, before] = steps(folder.path())[..] else { panic!("two are kept") };
    let path = |step| folder.path().join(format!("run/checkpoints/step-{step}.safetensors"));
    let mut bytes = fs::read(path(last)).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(path(last), bytes).unwrap();
    let message = exits(&finish(&mut resume(folder.path())), 0);
    says(
        &message,
        &[
            &format!("note: run/checkpoints/step-{last}.safetensors: damaged: the weights do not have the SHA-256"),
            &format!("note: continuing from the checkpoint before it, of step {before}"),
        ],
    );
    same_bits(&folder.path().join("run"), &whole.path().join("run"));
}

#[test]
fn without_another_whole_checkpoint_the_best_one_serves_with_a_notice() {
    let whole = whole();
    let folder = workplace();
    let child = spawn(&mut run(folder.path(), &[]));
    // The best one is there from the first checkpoint after the evaluation that is better than none.
    until(|| folder.path().join("run/checkpoints/best.safetensors").exists());
    signal(&child, "INT");
    exits(&wait(child), 130);
    for step in steps(folder.path()) {
        fs::write(folder.path().join(format!("run/checkpoints/step-{step}.safetensors")), "").unwrap();
    }
    let message = exits(&finish(&mut resume(folder.path())), 0);
    says(&message, &["note: continuing from the best checkpoint, of step"]);
    same_bits(&folder.path().join("run"), &whole.path().join("run"));
}

#[test]
fn without_any_whole_checkpoint_a_resume_is_refused_and_changes_nothing() {
    let (folder, _) = stopped("INT", 130);
    for entry in fs::read_dir(folder.path().join("run/checkpoints")).unwrap() {
        fs::write(entry.unwrap().path(), "").unwrap();
    }
    let before = fs::read(folder.path().join("run/metrics.jsonl")).unwrap();
    let message = exits(&finish(&mut resume(folder.path())), 8);
    says(&message, &["damaged: 0 bytes, cut inside the header", "train anew with --out"]);
    assert_eq!(fs::read(folder.path().join("run/metrics.jsonl")).unwrap(), before);
}

#[test]
fn other_settings_or_images_are_a_table_of_differences() {
    let (folder, _) = stopped("INT", 130);
    let message = exits(&finish(resume(folder.path()).args(["--hidden", "9", "--lambda", "0.5", "--seed", "3"])), 8);
    says(&message, &["setting", "recorded", "asked for"]);
    let rows: Vec<_> = message.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    for row in ["hidden 41 9", "lambda 0.00895 0.5", "seed 0 3"] {
        assert!(rows.iter().any(|found| found == row), "{row} in {message}");
    }

    let config = folder.path().join("run/config.toml");
    let text = fs::read_to_string(&config).unwrap();
    fs::write(&config, text.replace("half-cycle = 300", "half-cycle = 301")).unwrap();
    says(&exits(&finish(&mut resume(folder.path())), 8), &["half-cycle"]);
    fs::write(&config, text).unwrap();

    // Other images under the same name.
    let picture = folder.path().join("pictures/train/class-1");
    fs::copy(picture.join("0.png"), picture.join("1.png")).unwrap();
    says(&exits(&finish(&mut resume(folder.path())), 8), &["images' SHA-256"]);
}

#[test]
fn the_images_may_have_moved_and_checkpoints_come_as_often_as_is_asked_now() {
    let whole = whole();
    let (folder, _) = stopped("TERM", 143);
    fs::rename(folder.path().join("pictures"), folder.path().join("moved")).unwrap();
    says(&exits(&finish(&mut resume(folder.path())), 3), &["pictures"]);
    exits(&finish(resume(folder.path()).args(["--data", "moved", "--checkpoint-every", "3", "--feed", "stream"])), 0);
    same_bits(&folder.path().join("run"), &whole.path().join("run"));
}

#[test]
fn a_folder_is_one_process_at_a_time() {
    let folder = workplace();
    let child = spawn(&mut run(folder.path(), &["--cycles", "1000"]));
    until(|| folder.path().join("run/checkpoints/step-37.safetensors").exists());
    let holder = format!("run: process {} is training in this folder", child.id());
    says(&exits(&finish(&mut resume(folder.path())), 9), &[&holder]);
    says(&exits(&finish(&mut run(folder.path(), &[])), 9), &[&holder]);
    signal(&child, "KILL");
    assert_eq!(wait(child).status.code(), None);
    // The lock died with its process.
    says(&exits(&finish(&mut run(folder.path(), &[])), 2), &["--resume run"]);
}

#[test]
fn two_processes_that_begin_in_one_folder_at_the_same_moment_do_not_share_it() {
    let folder = workplace();
    let children: Vec<_> = (0..4).map(|_| spawn(&mut run(folder.path(), &[]))).collect();
    let codes: Vec<_> = children.into_iter().map(|child| wait(child).status.code().unwrap()).collect();
    assert_eq!(codes.iter().filter(|&&code| code == 0).count(), 1, "{codes:?}");
    assert!(codes.iter().all(|code| [0, 2, 9].contains(code)), "{codes:?}");
    assert_eq!(metrics(&folder.path().join("run")).len(), 7);
}

#[test]
fn resume_excludes_the_flags_that_name_another_run() {
    let folder = workplace();
    for flags in [["--out", "other"], ["--preset", "best"], ["--config", "some.toml"]] {
        let message = exits(&finish(resume(folder.path()).args(flags)), 2);
        says(&message, &["--resume", flags[0]]);
    }
    says(&exits(&finish(&mut resume(folder.path())), 2), &["--resume run", "no config.toml"]);
    says(&exits(&finish(&mut run(folder.path(), &["--checkpoint-every", "0"])), 2), &["--checkpoint-every 0"]);
}
