//! Networks of any depth and every optimizer, as a user trains them.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod common;

use std::fs;
use std::path::Path;

use common::{cyclone, exits, finish, workplace};
use serde_json::Value;

/// Two cycles of 40 steps on pictures, evaluated every 10.
const SHORT: &str = "train --device cpu --data pictures --val-images 4 --batch-size 7 --half-cycle 20 --cycles 2 \
                     --evals-per-cycle 4";

/// Networks and what trains them.
const NETWORKS: [&str; 10] = [
    "--hidden none",
    "--hidden none --momentum 0.9 --nesterov --lr-max 0.01",
    "--hidden 9 --momentum 0.9 --lr-max 0.02",
    "--hidden 300,40 --lr-max 0.05",
    "--hidden 30,20,10 --optimizer adamw --lr-min 1e-4 --lr-max 1e-3",
    "--hidden 12,11,10,9 --init he --momentum 0.9 --nesterov --lr-max 0.02 --repeats 3 --schedule cosine --warmup 5",
    "--hidden none --label-smoothing 0.1 --input-dropout 0.1 --lr-max 0.01",
    "--hidden 40 --dropout 0.2 --input-dropout 0.1 --lr-max 0.02",
    "--hidden 20 --mixup 1 --lr-max 0.02",
    "--hidden 40,30 --dropout 0.1 --label-smoothing 0.2 --mixup 0.2 --input-dropout 0.1 --optimizer adamw --lr-min 1e-4 --lr-max 2e-3 \
     --flip random --shift 2 --standardise channel --repeats 2",
];

#[track_caller]
fn train(folder: &Path, more: &str, code: i32) -> String {
    let arguments: Vec<_> = SHORT.split_whitespace().chain(more.split_whitespace()).collect();
    let output = finish(&mut cyclone(folder, &arguments));
    exits(&output, code) + &String::from_utf8(output.stdout).unwrap()
}

#[test]
fn every_network_proves_itself_learns_and_is_exported_and_classifies() {
    for network in NETWORKS {
        let folder = workplace();
        train(folder.path(), &format!("{network} --out run"), 0);
        let summary: Value =
            serde_json::from_slice(&fs::read(folder.path().join("run/summary.json")).unwrap()).unwrap();
        let (times, worst) = (&summary["checks"]["times"], summary["checks"]["worst"].as_f64().unwrap());
        assert!(times.as_u64().unwrap() >= 2 && worst <= 1.0, "{network}: {times} checks, worst {worst}");
        let accuracy = summary["models"][0]["train"]["accuracy"].as_f64().unwrap();
        assert!(accuracy > 0.5, "{network}: {accuracy}");
        for arguments in [&["evaluate", "run", "--part", "val"][..], &["report", "run"]] {
            exits(&finish(&mut cyclone(folder.path(), arguments)), 0);
        }
        if !network.contains("--repeats") {
            exits(&finish(&mut cyclone(folder.path(), &["export", "run", "--format", "onnx", "--out", "net.onnx"])), 0);
        }
    }
}

#[test]
fn rates_are_found_and_settings_searched_with_every_optimizer_and_depth() {
    let folder = workplace();
    for flags in
        ["--hidden 16,8 --optimizer adamw", "--hidden none --momentum 0.9", "--hidden 9 --momentum 0.9 --nesterov"]
    {
        let flags: Vec<_> = flags.split(' ').collect();
        let data = ["--device", "cpu", "--data", "pictures", "--val-images", "4", "--batch-size", "7"];
        let find = [&["lr-find", "--steps", "40"][..], &data, &flags].concat();
        exits(&finish(&mut cyclone(folder.path(), &find)), 0);
        let search =
            [&["search", "--range", "lambda=1e-4:1e-2", "--trials", "3", "--steps", "9"][..], &data, &flags].concat();
        exits(&finish(&mut cyclone(folder.path(), &search)), 0);
    }
}

#[test]
fn a_resumed_run_of_every_network_has_the_bits_of_an_uninterrupted_one() {
    for network in NETWORKS {
        let folder = workplace();
        train(folder.path(), &format!("{network} --out whole"), 0);
        train(folder.path(), &format!("{network} --max-time 1ms --out run"), 124);
        let resume = |more: &[&str], code| {
            let output = finish(&mut cyclone(folder.path(), &[&["train", "--resume", "run"], more].concat()));
            exits(&output, code);
        };
        for time in ["5ms", "9ms", "13ms"] {
            let output = finish(&mut cyclone(folder.path(), &["train", "--resume", "run", "--max-time", time]));
            assert!([0, 124].contains(&output.status.code().unwrap()), "{network}");
        }
        resume(&[], 0);
        let [whole, run] = ["whole", "run"].map(|name| folder.path().join(name));
        let names: Vec<_> = fs::read_dir(&whole).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        let weights = names.iter().filter(|name| name.to_str().unwrap().starts_with("weights"));
        let differing: Vec<_> =
            weights.filter(|name| fs::read(whole.join(name)).unwrap() != fs::read(run.join(name)).unwrap()).collect();
        assert!(differing.is_empty() && names.len() > 4, "{network}: {differing:?}");
    }
}

#[test]
fn settings_that_make_no_sense_are_wrong_usage() {
    for (flags, words) in [
        ("--nesterov", "--nesterov without momentum: add --momentum 0.9"),
        ("--optimizer adamw --momentum 0.5", "--momentum and --nesterov are of --optimizer sgd"),
        ("--weight-decay 0.1", "--weight-decay is of --optimizer adamw: sgd has the penalty --lambda"),
        ("--momentum 1", "--momentum 1: expected 0 or more, below 1"),
        ("--hidden 5,0", "--hidden 5,0: expected layers of 1 to 16,777,216 units"),
        ("--hidden none --dropout 0.5", "--hidden none has none: use --input-dropout"),
        ("--dropout 0.9999999999", "--dropout 0.9999999999: expected 0 to 0.999"),
        ("--label-smoothing -0.1", "--label-smoothing"),
        ("--hidden 5;6", "expected units like 50 or 512,256, or none"),
    ] {
        let folder = workplace();
        let message = train(folder.path(), &format!("{flags} --out run"), 2);
        assert!(message.contains(words), "{flags}: {message}");
        assert!(!folder.path().join("run").exists(), "{flags}");
    }
}
