//! The report's experiments: their settings, the comparison's verdicts, and a rehearsal that says what it is.

#![allow(clippy::unwrap_used, reason = "clippy.toml allows it in functions marked as tests, not in their helpers")]

use std::fs;
use std::process::Command;

use cyclone::search::experiments::comparison::{Counts, Number, Of, Terms, Verdict, numbers};
use cyclone::search::experiments::experiment::{ALL, Part, parts};
use cyclone::search::experiments::published::{TABLE_1, TABLE_2};
use cyclone::search::trial::{Record, Scored};
use cyclone::terminal::reproduction::table;
use cyclone::train::Score;
use serde_json::Value;
use tempfile::tempdir;

const REPORT: Terms = Terms { scale: 1.0, real: true };

fn part(name: &str) -> Part {
    parts(name, 1.0).unwrap().swap_remove(0)
}

/// Records of `part` with these accuracies on training, validation and test images.
fn records(part: &Part, accuracies: impl Fn(usize) -> Option<[f64; 3]>) -> Vec<Record> {
    let score = |accuracy| Score { loss: 1.0, cost: 1.0, accuracy };
    let trials = part.search.trials().into_iter();
    trials
        .map(|trial| {
            let result = accuracies(trial.trial).map(|[train, validation, test]| Scored {
                train: score(train),
                validation: Some(score(validation)),
                test: Some(score(test)),
            });
            Record { trial, evaluations: vec![], rungs: vec![], result, diverged: None }
        })
        .collect()
}

fn verdicts(numbers: &[Number]) -> Vec<Verdict> {
    numbers.iter().map(|number| number.verdict).collect()
}

#[test]
fn the_experiments_are_those_of_the_report() {
    let parts = parts(ALL, 1.0).unwrap();
    let steps = |part: &Part| {
        let trials = part.search.trials();
        trials.iter().map(|trial| trial.spec.length.steps(&trial.spec.lr, 1)).sum::<u64>()
    };
    let found: Vec<_> =
        parts.iter().map(|part| (part.name, part.search.trials().len(), steps(part), part.faithful)).collect();
    let expected = [
        ("figure-1", 1, 1_000, true),
        ("figure-2", 1, 4_800, true),
        ("table-1-warm", 25, 90_000, true),
        ("table-1-fresh", 25, 90_000, false),
        ("table-2-warm", 30, 216_000, true),
        ("table-2-fresh", 30, 216_000, false),
        ("best", 10, 58_800, true),
        ("figure-3", 1, 5_880, true),
    ];
    assert_eq!(found, expected);
}

/// Of training and validation accuracies of table 1, and of those and the test accuracies of table 2.
const SUMS: [f64; 5] = [16.680_377_777_7, 12.430_8, 20.153_155_555_5, 15.172_8, 14.804];

#[test]
fn the_published_tables_are_sorted_and_whole() {
    let sum = |values: &mut dyn Iterator<Item = f64>| values.sum::<f64>();
    assert!(TABLE_1.is_sorted_by(|a, b| a.lambda < b.lambda) && TABLE_2.is_sorted_by(|a, b| a.lambda < b.lambda));
    // Sums of the report's columns, added up apart from this program.
    approx::assert_relative_eq!(sum(&mut TABLE_1.iter().map(|row| row.train)), SUMS[0], max_relative = 1e-9);
    approx::assert_relative_eq!(sum(&mut TABLE_1.iter().map(|row| row.validation)), SUMS[1], max_relative = 1e-9);
    approx::assert_relative_eq!(sum(&mut TABLE_2.iter().map(|row| row.train)), SUMS[2], max_relative = 1e-9);
    approx::assert_relative_eq!(sum(&mut TABLE_2.iter().map(|row| row.validation)), SUMS[3], max_relative = 1e-9);
    approx::assert_relative_eq!(sum(&mut TABLE_2.iter().filter_map(|row| row.test)), SUMS[4], max_relative = 1e-9);
}

#[test]
fn a_number_is_inside_up_to_its_band_and_outside_beyond_it() {
    let part = part("figure-1");
    // Published: 61.67 and 45.73; the band is 1.5 points.
    for (train, test, expected) in [
        (0.6167, 0.4573, [Verdict::Inside, Verdict::Inside]),
        (0.6316, 0.4424, [Verdict::Inside, Verdict::Inside]),
        (0.6318, 0.4573, [Verdict::Outside, Verdict::Inside]),
        (0.6167, 0.4422, [Verdict::Inside, Verdict::Outside]),
        (f64::NAN, f64::INFINITY, [Verdict::Outside, Verdict::Outside]),
    ] {
        let records = records(&part, |_| Some([train, 0.5, test]));
        assert_eq!(verdicts(&numbers(&part, &records, 10_000, REPORT)), expected, "{train} {test}");
    }
}

#[test]
fn a_validation_band_is_that_of_its_images() {
    let part = part("best");
    // Published .5228; 2·√(2·¼/1000) = 4.47 points.
    for (validation, expected) in [(0.5228 + 0.0446, Verdict::Inside), (0.5228 - 0.0448, Verdict::Outside)] {
        let records = records(&part, |_| Some([0.57, validation, 0.52]));
        let found = numbers(&part, &records, 1_000, REPORT);
        assert_eq!(found.iter().find(|number| number.images == Of::Validation).unwrap().verdict, expected);
    }
}

#[test]
fn means_have_deviations_and_one_divergence_leaves_none() {
    let part = part("best");
    let spread = |trial: usize| if trial.is_multiple_of(2) { 0.56 } else { 0.58 };
    let found = numbers(&part, &records(&part, |trial| Some([spread(trial), 0.52, 0.52])), 1_000, REPORT);
    approx::assert_relative_eq!(found[0].ours.unwrap(), 0.57, max_relative = 1e-12);
    // Ten squares of .01 over 9.
    approx::assert_relative_eq!(found[0].deviation.unwrap(), (10.0 * 1e-4 / 9.0_f64).sqrt(), max_relative = 1e-9);
    let found = numbers(&part, &records(&part, |trial| (trial != 3).then_some([0.57, 0.52, 0.52])), 1_000, REPORT);
    assert_eq!(verdicts(&found), [Verdict::Outside; 3]);
}

#[test]
fn a_table_has_a_verdict_for_every_published_number_and_fresh_ones_are_counted_apart() {
    let mut all = Vec::new();
    for (name, off) in [("table-2-warm", 0.0), ("table-2-fresh", 0.1)] {
        let part = part(name);
        let row = |trial: usize| {
            let row = TABLE_2[trial];
            (trial != 4).then_some([row.train + off, row.validation + off, row.test.unwrap() + off])
        };
        all.extend(numbers(&part, &records(&part, row), 5_000, REPORT));
    }
    assert_eq!(Counts::of(&all), Counts { inside: 87, of: 90, fresh_inside: 0, fresh_of: 90 });
    let text = table("table-2-warm", "as in the report", &all[..90]);
    assert_eq!(text.matches("OUT").count(), 3);
    assert!(text.contains("2.324357e-5     73.22    none       - OUT"), "{text}");
}

#[test]
fn a_rehearsal_and_built_in_images_have_no_verdicts() {
    let part = part("figure-3");
    for terms in [Terms { scale: 0.5, real: true }, Terms { scale: 1.0, real: false }] {
        let found = numbers(&part, &records(&part, |_| Some([0.57, 0.52, 0.52])), 1_000, terms);
        assert_eq!(verdicts(&found), [Verdict::None; 2]);
        assert!(terms.warning().is_some());
    }
    assert_eq!(REPORT.warning(), None);
}

#[test]
fn a_rehearsal_says_so_in_every_output_and_resumes() {
    let folder = tempdir().unwrap();
    let run = |arguments: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cyclone"));
        command.current_dir(folder.path()).args(arguments.split_whitespace()).output().unwrap()
    };
    let command = "reproduce table-1 --device cpu --data synthetic --scale 0.002 --out here";
    let output = run(command);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let read = |name: &str| fs::read_to_string(folder.path().join("here").join(name)).unwrap();
    for (name, text) in [("standard output", &text), ("comparison.txt", &read("comparison.txt"))] {
        // At the head and above both tables.
        assert_eq!(text.matches("SCALED to 0.002").count(), 3, "{name}: {text}");
        assert!(!text.contains("inside their bands") && !text.contains("OUT"), "{name}: {text}");
    }
    let numbers: Vec<Value> =
        read("comparison.jsonl").lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(numbers.len(), 2 * 25 * 2);
    assert!(numbers.iter().all(|number| number["scale"] == 0.002 && number["verdict"] == "none"));
    let summary: Value = serde_json::from_str(&read("summary.json")).unwrap();
    assert!(summary["warning"].as_str().unwrap().contains("SCALED"));
    assert_eq!(read("table-1-warm/trials.jsonl").lines().count(), 25);

    let records = read("comparison.jsonl");
    assert!(run(command).status.success());
    assert_eq!(read("comparison.jsonl"), records);
    let other = run("reproduce table-1 --device cpu --data synthetic --scale 0.003 --out here");
    assert_eq!(other.status.code(), Some(2));
    for scale in ["0", "-1", "1.5", "NaN"] {
        let output = run(&format!("reproduce figure-1 --scale={scale}"));
        assert_eq!(output.status.code(), Some(2));
        assert!(String::from_utf8_lossy(&output.stderr).contains("--scale"));
    }
}
