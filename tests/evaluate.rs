//! Scores of finished runs on any images, alone and as ensembles.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod common;

use std::fs;
use std::path::Path;

use common::{cyclone, done, exits, finish, pictures, says, workplace};
use serde_json::Value;
use tempfile::TempDir;

/// Two cycles of 6 steps on pictures: 21 of 3 classes, 6 to test.
const SHORT: &str = "train --device cpu --data pictures --val-images 4 --hidden 5 --batch-size 7 --half-cycle 3 --cycles 2 \
                     --evals-per-cycle 3 --quiet";

#[track_caller]
fn refused(folder: &Path, arguments: &str, code: i32, parts: &[&str]) {
    let output = finish(&mut cyclone(folder, &arguments.split_whitespace().collect::<Vec<_>>()));
    says(&exits(&output, code), parts);
    assert!(output.stdout.is_empty());
}

/// A folder with pictures and a finished run in `run`.
fn trained(more: &str) -> TempDir {
    let folder = workplace();
    done(folder.path(), &format!("{SHORT} {more} --out run"));
    folder
}

#[track_caller]
fn evaluate(folder: &Path, arguments: &str) -> Value {
    serde_json::from_str(&done(folder, &format!("evaluate {arguments} --json"))).unwrap()
}

fn json(folder: &Path, name: &str) -> Value {
    serde_json::from_slice(&fs::read(folder.join(name)).unwrap()).unwrap()
}

/// What is common to a member and an ensemble.
fn scores(of: &Value) -> [&Value; 6] {
    ["loss", "accuracy", "ece", "recall", "precision", "confusion"].map(|key| of.get(key).unwrap())
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value}"))
}

#[test]
fn scores_are_those_that_the_training_recorded_cpu() {
    scores_are_recorded("cpu");
}

#[test]
fn scores_are_those_that_the_training_recorded_gpu() {
    scores_are_recorded("gpu");
}

/// Sums in f64 here, in f32 in the engines: a rounding of 6e-8 an image.
const TOLERANCE: f64 = 1e-6;

#[track_caller]
fn scores_are_recorded(device: &str) {
    let folder = trained("");
    let (summary, answers) = (json(folder.path(), "run/summary.json"), json(folder.path(), "run/answers.json"));
    for (part, name, images) in [("train", "train", 17), ("val", "validation", 4), ("test", "test", 6)] {
        let found = evaluate(folder.path(), &format!("run --part {part} --device {device}"));
        let [member] = &found["members"].as_array().unwrap()[..] else { panic!("{found}") };
        let recorded = &summary["models"][0][name];
        assert_eq!((&found["images"], &found["part"]), (&images.into(), &part.into()));
        assert_eq!(member["accuracy"], recorded["accuracy"], "{part}");
        approx::assert_abs_diff_eq!(number(&member["loss"]), number(&recorded["loss"]), epsilon = TOLERANCE);
        if part == "test" {
            assert_eq!(member["confusion"], answers["confusion"][0]);
        }
        assert!(found.get("ensemble").is_none() && member.get("model").is_none());
    }
}

#[test]
fn an_ensemble_of_equal_networks_scores_as_each_of_them_and_one_of_several_stands_beside_its_members() {
    let folder = trained("");
    let equal = evaluate(folder.path(), "run run run");
    assert_eq!(equal["members"].as_array().unwrap().len(), 3);
    assert_eq!(scores(&equal["ensemble"]), scores(&equal["members"][1]));

    done(folder.path(), &format!("{SHORT} --repeats 2 --seed 5 --out both"));
    let all = evaluate(folder.path(), "run both --part train");
    let members = all["members"].as_array().unwrap();
    let names: Vec<_> = members.iter().map(|member| (member["run"].as_str().unwrap(), member.get("model"))).collect();
    assert_eq!(names, [("run", None), ("both", Some(&0.into())), ("both", Some(&1.into()))]);
    assert_eq!(scores(&members[0]), scores(&evaluate(folder.path(), "run --part train")["members"][0]));
    assert_ne!(scores(&members[1]), scores(&members[2]));
    // The logarithm is concave: the mean of the probabilities loses no more than the members do in the mean.
    let mean = members.iter().map(|member| number(&member["loss"])).sum::<f64>() / 3.0;
    assert!(number(&all["ensemble"]["loss"]) < mean, "{all}");
    let text = done(folder.path(), "evaluate run both --part train");
    says(&text, &["17 train", "both, model 1", "ensemble of 3", "ECE", "recall", "class-2"]);
}

#[test]
fn snapshots_are_an_ensemble_of_a_runs_cycles() {
    let folder = trained("--snapshots --repeats 2");
    let at = |name: &str| folder.path().join(name);
    for step in [6, 12] {
        assert!(at(&format!("run/checkpoints/snapshot-{step}.safetensors")).is_file(), "{step}");
    }
    let found = evaluate(folder.path(), "run --snapshots");
    let members = found["members"].as_array().unwrap();
    let places: Vec<_> = members.iter().map(|one| (one["step"].as_u64(), one["model"].as_u64())).collect();
    assert_eq!(places, [(Some(6), Some(0)), (Some(6), Some(1)), (Some(12), Some(0)), (Some(12), Some(1))]);
    let last = evaluate(folder.path(), "run");
    for model in 0..2 {
        assert_eq!(scores(&members[2 + model]), scores(&last["members"][model]));
        assert_ne!(scores(&members[model]), scores(&last["members"][model]));
    }
    let config = fs::read_to_string(at("run/config.toml")).unwrap();
    says(&config, &["snapshots = true"]);

    done(folder.path(), &format!("{SHORT} --out without"));
    refused(
        folder.path(),
        "evaluate without --snapshots",
        2,
        &["--snapshots: without: there are no snapshots", "train --snapshots"],
    );
    // Asked for at a resume, which changes no bit: those of the cycles still to come.
    done(folder.path(), &format!("{SHORT} --steps 12 --out cut"));
    for name in ["summary.json", "checkpoints/step-12.safetensors"] {
        fs::remove_file(at("cut").join(name)).unwrap();
    }
    done(folder.path(), "train --resume cut --snapshots --quiet");
    assert_eq!(evaluate(folder.path(), "cut --snapshots")["members"][0]["step"], 12);
    assert!(!at("cut/checkpoints/snapshot-6.safetensors").exists());
}

#[test]
fn a_mirror_changes_nothing_of_symmetric_images_and_something_of_others() {
    let folder = trained("");
    let symmetric = folder.path().join("symmetric");
    pictures(&symmetric);
    for entry in walk(&symmetric) {
        let image = image::open(&entry).unwrap().into_rgb8();
        image::RgbImage::from_fn(32, 32, |x, y| *image.get_pixel(x.min(31 - x), y)).save(&entry).unwrap();
    }
    let both =
        |data: &str| ["", "--mirror"].map(|mirror| evaluate(folder.path(), &format!("run run --data {data} {mirror}")));
    let [plain, mirrored] = both("symmetric");
    assert_eq!((&plain["mirror"], &mirrored["mirror"]), (&false.into(), &true.into()));
    assert_eq!([&plain["members"], &plain["ensemble"]], [&mirrored["members"], &mirrored["ensemble"]]);
    let [plain, mirrored] = both("pictures");
    assert_ne!(plain["members"], mirrored["members"]);

    // The mean of both views, were the images given flipped.
    let flipped = folder.path().join("flipped");
    pictures(&flipped);
    for entry in walk(&flipped) {
        image::imageops::flip_horizontal(&image::open(&entry).unwrap().into_rgb8()).save(&entry).unwrap();
    }
    let [_, other] = both("flipped");
    for key in ["loss", "accuracy", "ece"] {
        approx::assert_abs_diff_eq!(
            number(&other["members"][0][key]),
            number(&mirrored["members"][0][key]),
            epsilon = 1e-12
        );
    }
}

fn walk(folder: &Path) -> Vec<std::path::PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files.extend(walk(&path)) } else { files.push(path) }
    }
    files
}

#[test]
fn what_cannot_be_scored_is_named() {
    let folder = trained("");
    let refused = |arguments: &str, code: i32, parts: &[&str]| refused(folder.path(), arguments, code, parts);
    refused("evaluate", 2, &["RUN"]);
    refused("evaluate none", 8, &["none/summary.json", "finished run"]);
    refused("evaluate pictures", 8, &["pictures/summary.json", "finished run"]);
    refused("evaluate run --part all", 2, &["--part", "train, val, test"]);
    refused("evaluate run --data nothing", 3, &["nothing"]);
    refused("evaluate run --weights best --snapshots", 2, &["--snapshots", "--weights"]);
    // Other classes, of which these images have ten.
    refused("evaluate run --data synthetic", 3, &["the classes are", "those of run are class-0, class-1, class-2"]);
    done(folder.path(), &format!("{SHORT} --val-images 5 --out other"));
    refused("evaluate run other --part val", 2, &["--part val: run and other split their images", "apart"]);
    done(folder.path(), "evaluate run other");
    done(folder.path(), "evaluate run --weights best --part val");

    let few = folder.path().join("few");
    pictures(&few);
    for class in 0..3 {
        (1..7).for_each(|image| fs::remove_file(few.join(format!("train/class-{class}/{image}.png"))).unwrap());
    }
    refused(
        "evaluate run --data few --part val",
        2,
        &["--part val", "cannot be split as the run's images", "--val-images 4"],
    );
    done(folder.path(), "evaluate run --data few");
    // The run's own, but changed since.
    fs::copy(few.join("train/class-0/0.png"), folder.path().join("pictures/train/class-0/1.png")).unwrap();
    let output = finish(&mut cyclone(folder.path(), &["evaluate", "run"]));
    says(&exits(&output, 0), &["note: run was trained on other images than these"]);
}

#[test]
fn a_report_draws_what_an_evaluation_printed() {
    let folder = trained("");
    let printed = done(folder.path(), "evaluate run run --mirror --json");
    let path = folder.path().join("run/evaluate.json");
    fs::write(&path, &printed).unwrap();
    done(folder.path(), "report run");
    let page = fs::read_to_string(folder.path().join("run/report.html")).unwrap();
    says(&page, &["Evaluation: run/evaluate.json", "expected calibration error", "ensemble of 2", "6 test images"]);
    done(folder.path(), "report run/evaluate.json --out alone");
    let mut document: Value = serde_json::from_str(&printed).unwrap();
    document["members"][0]["confusion"][1] = serde_json::json!([1]);
    fs::write(&path, document.to_string()).unwrap();
    refused(folder.path(), "report run", 8, &["run/evaluate.json", "3 by 3"]);
}
