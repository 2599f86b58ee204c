//! Runs that begin with given weights: `train --from`.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod common;

use std::fs;
use std::path::Path;

use common::{cyclone, done, exits, finish, metrics, same_bits, says, workplace};
use serde_json::Value;
use tempfile::TempDir;

/// Two cycles of 6 steps on pictures.
const SHORT: &str = "train --device cpu --data pictures --val-images 4 --hidden 5 --batch-size 7 --half-cycle 3 --cycles 2 \
                     --evals-per-cycle 3";
/// One step at a rate that is 0 in f32.
const NO_STEP: &str = "--lr-min 1e-60 --lr-max 1e-60 --steps 1";

#[track_caller]
fn train(folder: &Path, more: &str, code: i32) -> [String; 2] {
    let arguments: Vec<_> = SHORT.split_whitespace().chain(more.split_whitespace()).collect();
    let output = finish(&mut cyclone(folder, &arguments));
    let message = exits(&output, code);
    [String::from_utf8(output.stdout).unwrap(), message]
}

/// A folder with a finished run in `first`.
fn trained(more: &str) -> TempDir {
    let folder = workplace();
    train(folder.path(), &format!("{more} --out first"), 0);
    folder
}

fn read(folder: &Path, name: &str) -> Vec<u8> {
    fs::read(folder.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn json(folder: &Path, name: &str) -> Value {
    serde_json::from_slice(&read(folder, name)).unwrap()
}

#[test]
fn a_run_from_another_without_a_step_has_its_weights_to_the_bit_and_says_where_they_came_from() {
    let folder = trained("");
    let [shown, notes] = train(folder.path(), &format!("--from first {NO_STEP} --out second"), 0);
    says(&shown, &["weights     those of first to begin with"]);
    assert!(!notes.contains("means"), "the same images: {notes}");
    for name in ["second/weights.safetensors", "second/initial.safetensors"] {
        assert!(read(folder.path(), name) == read(folder.path(), "first/weights.safetensors"), "{name}");
    }
    let figures = |run: &str, last: bool| {
        let lines = metrics(&folder.path().join(run));
        let line = if last { &lines[lines.len() - 1] } else { &lines[0] };
        ["train/loss", "train/accuracy", "val/loss", "val/accuracy"].map(|key| line[key].as_f64().unwrap())
    };
    assert_eq!(figures("first", true), figures("second", false));
    let from = json(folder.path(), "second/summary.json")["from"].clone();
    assert_eq!((&from["path"], from["sha256"].as_str().unwrap().len()), (&"first".into(), 64));
    assert_eq!(json(folder.path(), "second/starts.json")[0]["from"], from);
    assert!(json(folder.path(), "first/summary.json").get("from").is_none());
    done(folder.path(), "report second");
    says(
        &String::from_utf8(read(folder.path(), "second/report.html")).unwrap(),
        &["began with", "the weights of first"],
    );
}

#[test]
fn exports_checkpoints_and_the_runs_own_copy_are_the_same_start() {
    let folder = trained("");
    done(folder.path(), "export first --format safetensors");
    train(folder.path(), "--seed 3 --from first --out second", 0);
    for (place, file) in
        ["first/model.safetensors", "first/checkpoints/step-12.safetensors", "second/initial.safetensors"]
            .iter()
            .enumerate()
    {
        train(folder.path(), &format!("--seed 3 --from {file} --out from-{place}"), 0);
        same_bits(&folder.path().join(format!("from-{place}")), &folder.path().join("second"));
    }
    train(folder.path(), "--seed 3 --out fresh", 0);
    assert!(read(folder.path(), "fresh/weights.safetensors") != read(folder.path(), "second/weights.safetensors"));
}

#[test]
fn other_means_of_the_inputs_are_told() {
    let folder = trained("");
    let [_, notes] = train(folder.path(), "--from first --val-images 5 --out second", 0);
    says(&notes, &["note: the weights of first were trained on inputs of other means and deviations"]);
}

#[test]
fn a_resume_needs_the_given_weights_no_more() {
    let folder = trained("");
    train(folder.path(), "--seed 3 --from first --out whole", 0);
    train(folder.path(), "--seed 3 --from first --out run", 0);
    fs::remove_dir_all(folder.path().join("first")).unwrap();
    let lose = |names: &[&str]| {
        fs::remove_dir_all(folder.path().join("run/checkpoints")).unwrap();
        for name in names {
            fs::remove_file(folder.path().join("run").join(name)).unwrap();
        }
    };
    lose(&["summary.json", "weights.safetensors"]);
    done(folder.path(), "train --resume run");
    same_bits(&folder.path().join("run"), &folder.path().join("whole"));
    assert_eq!(json(folder.path(), "run/summary.json")["from"]["path"], "first");

    lose(&["summary.json", "initial.safetensors"]);
    let message = exits(&finish(&mut cyclone(folder.path(), &["train", "--resume", "run"])), 8);
    says(&message, &["run/initial.safetensors: gone; the weights were those of first", "--from"]);
}

#[test]
fn one_network_begins_all_repeats_and_several_begin_as_many() {
    let folder = trained("--repeats 2");
    let weights = |run: &str, model: usize| read(folder.path(), &format!("{run}/weights-{model}.safetensors"));
    train(folder.path(), &format!("--repeats 2 --from first {NO_STEP} --out both"), 0);
    for model in 0..2 {
        assert!(weights("both", model) == weights("first", model), "{model}");
    }
    train(folder.path(), &format!("--repeats 3 --from first/weights-1.safetensors {NO_STEP} --out three"), 0);
    for model in 0..3 {
        assert!(weights("three", model) == weights("first", 1), "{model}");
    }
    let [_, message] = train(folder.path(), "--repeats 3 --from first --out other", 2);
    says(&message, &["--from first: 2 networks: give --repeats 2, or the file of one, as weights-0.safetensors"]);
}

#[test]
fn weights_that_cannot_be_begun_with_are_refused_before_anything_is_written() {
    let folder = trained("");
    let refused = |more: &str, code: i32, parts: &[&str]| {
        let [_, message] = train(folder.path(), &format!("{more} --out second"), code);
        says(&message, parts);
        assert!(!folder.path().join("second").exists());
    };
    refused(
        "--from first --hidden 6",
        2,
        &["--from first: weights of a network 3072-5-3, expected 3072-6-3", "--hidden"],
    );
    refused(
        "--from none",
        2,
        &["--from none: not there; expected the folder of a finished run, or a safetensors file"],
    );
    refused("--from pictures", 8, &["pictures/summary.json", "finished run"]);
    refused(
        "--from first/config.toml",
        8,
        &["first/config.toml: a header of", "expected a finished run's folder, or a safetensors file"],
    );
    refused(
        "--from first/standardisation.safetensors",
        8,
        &["mean [3072], scale [3072]; expected", "the weight [out, in] and the bias [out] of each linear layer"],
    );
    let path = folder.path().join("first/weights.safetensors");
    let mut bytes = fs::read(&path).unwrap();
    let last = bytes.len() - 4;
    bytes[last] ^= 1;
    fs::write(&path, bytes).unwrap();
    for from in ["first", "first/weights.safetensors"] {
        refused(&format!("--from {from}"), 8, &["first/weights.safetensors", "do not have the SHA-256"]);
    }
    refused("--from first --resume first", 2, &["--from", "--resume"]);
}
