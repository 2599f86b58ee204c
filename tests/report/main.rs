//! The page that `report` draws, its charts as files, and what it refuses.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod browser;
#[path = "../common/mod.rs"]
mod common;
mod overlaid;
mod printed;

use std::fs;
use std::path::Path;

use serde_json::Value;
use tempfile::{TempDir, tempdir};

use common::{cyclone, done, exits, finish, pictures, says};

/// Flags of a training of no time: 18 images of 3 classes, 12 steps in 2 cycles.
const SHORT: &str = "--data pictures --device cpu --hidden 5 --val-images 3 --batch-size 7 --half-cycle 3 --cycles 2 \
                     --evals-per-cycle 3";

#[track_caller]
fn refused(folder: &Path, arguments: &str, code: i32, parts: &[&str]) {
    let output = finish(&mut cyclone(folder, &arguments.split_whitespace().collect::<Vec<_>>()));
    says(&exits(&output, code), parts);
}

/// A folder with images, and with the runs named, each of its own seed.
fn trained(runs: &[&str]) -> TempDir {
    let folder = tempdir().unwrap();
    pictures(&folder.path().join("pictures"));
    for (seed, run) in runs.iter().enumerate() {
        done(folder.path(), &format!("train {SHORT} --seed {seed} --out {run}"));
    }
    folder
}

fn page(folder: &Path) -> String {
    fs::read_to_string(folder.join("report.html")).unwrap()
}

/// Demands that a page load nothing: no address, no source but what is written in it, and a policy that forbids more.
#[track_caller]
fn needs_nothing_else(page: &str) {
    let namespace = "http://www.w3.org/2000/svg";
    let without = page.replace(namespace, "");
    for address in ["http:", "https:", "//cdn", "@import", "url(", "<link", "<iframe"] {
        assert!(!without.contains(address), "{address}");
    }
    let sources: Vec<_> = page.split("src=\"").skip(1).collect();
    assert!(sources.iter().all(|source| source.starts_with("data:image/png;base64,")), "{sources:?}");
    assert!(page.contains("default-src 'none'"));
}

/// Names of a chart's files, without their ends, in order.
fn charts(folder: &Path) -> Vec<String> {
    let files = fs::read_dir(folder.join("charts")).unwrap().map(|entry| entry.unwrap().path());
    let mut names: Vec<_> = files
        .filter(|path| path.extension().unwrap() == "svg")
        .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    names.sort();
    names
}

#[test]
fn a_runs_page_shows_all_that_its_records_have() {
    let folder = trained(&["run"]);
    let said = done(folder.path(), "report run");
    says(&said, &["run/report.html", "3 charts"]);
    let run = folder.path().join("run");
    let page = page(&run);
    says(
        &page,
        &[
            "<h1>Run run</h1>",
            "Test accuracy",
            ">Curves</h2>",
            ">Confusion matrix</h3>",
            ">By class</h3>",
            ">First-layer weights</h2>",
            ">Configuration and environment</h2>",
            "half-cycle = 3",
            "class-2",
            "learning rate",
        ],
    );
    needs_nothing_else(&page);
    assert_eq!(charts(&run), ["run-accuracy", "run-cost", "run-loss"]);
    // The table under each chart has the 7 evaluations of 12 steps, and the two turns of the rate between them.
    assert_eq!(page.matches("<tr data-x=").count(), 3 * (7 + 2));
    let summary: Value = serde_json::from_slice(&fs::read(run.join("summary.json")).unwrap()).unwrap();
    let accuracy = summary["models"][0]["test"]["accuracy"].as_f64().unwrap();
    says(&page, &[&format!("{:.2}\u{a0}%", accuracy * 100.0)]);

    fs::remove_file(run.join("summary.json")).unwrap();
    done(folder.path(), "train --resume run");
    done(folder.path(), "report run");
    says(&self::page(&run), &["after 12 steps: ", "train --resume run"]);
}

#[test]
fn a_rate_that_bends_is_drawn_at_every_step_of_a_short_run() {
    let folder = trained(&[]);
    done(folder.path(), &format!("train {SHORT} --schedule cosine --out run"));
    done(folder.path(), "report run");
    let page = page(&folder.path().join("run"));
    says(&page, &["<dd>cosine</dd>", "learning rate"]);
    assert_eq!(page.matches("<tr data-x=").count(), 3 * 13);
}

#[test]
fn charts_are_files_that_other_programs_draw() {
    let folder = trained(&["run"]);
    done(folder.path(), "report run --out drawn --quiet");
    let charts = folder.path().join("drawn/charts");
    let svg = fs::read_to_string(charts.join("run-loss.svg")).unwrap();
    says(&svg, &["xmlns=\"http://www.w3.org/2000/svg\"", "<title", "validation", "<style>"]);
    assert!(!svg.contains("var("), "a variable that only a page would have");
    let png = image::open(charts.join("run-loss.png")).unwrap().into_rgb8();
    assert_eq!(png.width(), 840);
    let has = |colour: [u8; 3]| png.pixels().filter(|pixel| pixel.0 == colour).count();
    // The ground, the line of the training images, and the ink of a title: text is drawn without any font installed.
    assert!(has([255; 3]) > 100_000 && has([0x00, 0x68, 0xac]) > 500 && has([0x1a, 0x1d, 0x21]) > 50);
}

#[test]
fn the_same_records_give_the_same_bytes_and_only_a_report_is_overwritten() {
    let folder = trained(&["run"]);
    for out in ["one", "two", "two"] {
        done(folder.path(), &format!("report run --out {out}"));
    }
    let read = |name: &str| fs::read(folder.path().join(name)).unwrap();
    assert_eq!(read("one/report.html"), read("two/report.html"));
    for name in charts(&folder.path().join("one")) {
        for end in ["svg", "png"] {
            assert_eq!(
                read(&format!("one/charts/{name}.{end}")),
                read(&format!("two/charts/{name}.{end}")),
                "{name}.{end}"
            );
        }
    }
    fs::write(folder.path().join("one/report.html"), "<html>mine</html>").unwrap();
    refused(folder.path(), "report run --out one", 2, &["one/report.html", "--out"]);
    assert_eq!(read("one/report.html"), b"<html>mine</html>");
    fs::create_dir_all(folder.path().join("three/charts")).unwrap();
    fs::write(folder.path().join("three/charts/run-cost.png"), "mine").unwrap();
    refused(folder.path(), "report run --out three", 2, &["run-cost.png"]);
    // The page beside these is an earlier report's.
    for (name, mine) in [("run-cost.svg", &b"<?xml version=\"1.0\"?><svg>mine</svg>"[..]), ("run-loss.png", b"mine")] {
        let path = folder.path().join("two/charts").join(name);
        let before = fs::read(&path).unwrap();
        fs::write(&path, mine).unwrap();
        refused(folder.path(), "report run --out two", 2, &[name, "not of an earlier report"]);
        assert_eq!(fs::read(&path).unwrap(), mine);
        fs::write(&path, before).unwrap();
    }
    done(folder.path(), "report run --out two");
    refused(folder.path(), "report run --out run/config.toml", 4, &["config.toml"]);
    assert!(!folder.path().join("three/report.html").exists());
}

#[test]
fn names_from_records_are_text_and_never_markup() {
    let folder = tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    pictures(&at("pictures"));
    let evil = "<img src=x onerror=alert(1)>\"'&";
    for part in ["train", "test"] {
        fs::rename(at("pictures").join(part).join("class-1"), at("pictures").join(part).join(evil)).unwrap();
    }
    let run = "<script>alert(1)<";
    let flags = format!("train {SHORT} --out");
    let arguments: Vec<_> = flags.split_whitespace().chain([run]).collect();
    exits(&finish(&mut cyclone(folder.path(), &arguments)), 0);
    exits(&finish(&mut cyclone(folder.path(), &["report", run, "--out", "drawn"])), 0);
    let page = page(&at("drawn"));
    needs_nothing_else(&page);
    assert!(!page.contains("<img src=x") && !page.contains("<script>alert"));
    assert_eq!(page.matches("<script>").count(), 1, "its own");
    says(&page, &["&lt;img src=x onerror=alert(1)&gt;", "&lt;script&gt;alert(1)&lt;"]);
    assert_eq!(charts(&at("drawn")), ["script-alert-1-accuracy", "script-alert-1-cost", "script-alert-1-loss"]);
}

#[test]
fn a_confusion_matrix_adds_up_to_the_test_accuracy_cpu() {
    adds_up("cpu");
}

#[test]
fn a_confusion_matrix_adds_up_to_the_test_accuracy_gpu() {
    adds_up("gpu");
}

#[track_caller]
fn adds_up(device: &str) {
    let folder = tempdir().unwrap();
    pictures(&folder.path().join("pictures"));
    let flags = SHORT.replace("--device cpu", &format!("--device {device}"));
    done(folder.path(), &format!("train {flags} --repeats 2 --out run"));
    let read = |name: &str| -> Value {
        serde_json::from_slice(&fs::read(folder.path().join("run").join(name)).unwrap()).unwrap()
    };
    let (answers, summary) = (read("answers.json"), read("summary.json"));
    assert_eq!(answers["classes"], summary["data"]["classes"]);
    for (model, confusion) in answers["confusion"].as_array().unwrap().iter().enumerate() {
        let count = |label: usize, answer: usize| confusion[label][answer].as_u64().unwrap();
        // Two test images of each class.
        assert!((0..3).all(|label| (0..3).map(|answer| count(label, answer)).sum::<u64>() == 2));
        let right: u64 = (0..3).map(|class| count(class, class)).sum();
        let accuracy = summary["models"][model]["test"]["accuracy"].as_f64().unwrap();
        approx::assert_abs_diff_eq!(right as f64 / 6.0, accuracy, epsilon = 1e-12);
        if model == 0 {
            let mistakes = answers["mistakes"].as_array().unwrap();
            assert_eq!(mistakes.len() as u64, 6 - right);
            let sure: Vec<_> = mistakes.iter().map(|mistake| mistake["probability"].as_f64().unwrap()).collect();
            assert!(sure.is_sorted_by(|a, b| a >= b), "{sure:?}");
        }
    }
    assert_eq!(answers["confusion"].as_array().unwrap().len(), 2);
}

#[test]
fn a_run_that_has_not_ended_is_drawn_as_far_as_it_went() {
    let folder = trained(&["run"]);
    let at = |name: &str| folder.path().join("run").join(name);
    for name in ["summary.json", "answers.json", "weights.safetensors"] {
        fs::remove_file(at(name)).unwrap();
    }
    let lines = fs::read_to_string(at("metrics.jsonl")).unwrap();
    let half: String = lines.lines().take(4).flat_map(|line| [line, "\n"]).collect();
    fs::write(at("metrics.jsonl"), half + "{\"step\": 8, \"ep").unwrap();
    done(folder.path(), "report run");
    let page = page(&folder.path().join("run"));
    says(&page, &["has not finished", "half a line", "not finished: 6 steps recorded"]);
    assert_eq!(page.matches("<tr data-x=").count(), 3 * (4 + 1));
    assert!(!page.contains("Confusion"));
    fs::remove_file(at("metrics.jsonl")).unwrap();
    done(folder.path(), "report run");
}

#[test]
fn metrics_that_were_lost_or_cut_are_told_on_the_page_and_on_the_terminal() {
    let folder = trained(&["run"]);
    let path = folder.path().join("run/metrics.jsonl");
    let whole = fs::read_to_string(&path).unwrap();
    let told = |lines: &str, notice: &str| {
        fs::write(&path, lines).unwrap();
        let output = finish(&mut cyclone(folder.path(), &["report", "run"]));
        says(&exits(&output, 0), &[notice]);
        says(&page(&folder.path().join("run")), &["class=\"warning\"", notice]);
    };
    let part = |from: usize, to: usize| -> String {
        whole.lines().take(to).skip(from).flat_map(|line| [line, "\n"]).collect()
    };
    told("", "metrics.jsonl has no records, though the run finished");
    told(&part(0, 4), "metrics.jsonl ends after step 6 of 12, though the run finished");
    told(&part(2, 9), "metrics.jsonl begins at step 4, not at 0");
    told(&(part(0, 3) + &part(2, 9)), "at step 4 metrics.jsonl has records of 2 networks, expected 1");
    fs::write(&path, &whole).unwrap();
    let output = finish(&mut cyclone(folder.path(), &["report", "run"]));
    assert!(!exits(&output, 0).contains("metrics.jsonl"));
    assert!(!page(&folder.path().join("run")).contains("class=\"warning\""));
}

#[test]
fn damaged_records_are_named_with_their_line() {
    let folder = trained(&["run"]);
    let at = |name: &str| folder.path().join("run").join(name);
    let spoiled = |name: &str, spoil: &dyn Fn(String) -> String, code: i32, parts: &[&str]| {
        let before = fs::read(at(name)).unwrap();
        fs::write(at(name), spoil(String::from_utf8_lossy(&before).into_owned())).unwrap();
        refused(folder.path(), "report run", code, parts);
        fs::write(at(name), before).unwrap();
    };
    let second = |text: String| {
        text.lines().enumerate().map(|(n, line)| if n == 1 { "damage\n".into() } else { format!("{line}\n") }).collect()
    };
    spoiled("metrics.jsonl", &second, 8, &["metrics.jsonl: line 2", "not a record"]);
    spoiled("metrics.jsonl", &|text| text.clone() + &text, 8, &["metrics.jsonl: line 8", "after a later one"]);
    spoiled("summary.json", &|_| "{}".into(), 8, &["summary.json", "missing field"]);
    spoiled(
        "answers.json",
        &|text| text.replace("class-0", "x").replace("\"class-1\",", ""),
        8,
        &["answers.json", "2 by 2"],
    );
    spoiled("answers.json", &|text| text.replace("\"label\":", "\"label\":9"), 8, &["answers.json", "label"]);
    spoiled("weights.safetensors", &|_| "no".into(), 8, &["weights.safetensors"]);
    spoiled("config.toml", &|text| text + "\nwhat = 1\n", 2, &["config.toml", "what"]);
    done(folder.path(), "report run");
}

#[test]
fn what_has_no_records_is_refused() {
    let folder = tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    fs::create_dir(folder.path().join("empty")).unwrap();
    write("some.json", "{\"a\": 1}");
    write("text.json", "hello");
    write("profile.json", "{\"devices\": 1}");
    refused(folder.path(), "report", 2, &["RUN"]);
    refused(folder.path(), "report none", 2, &["none"]);
    refused(folder.path(), "report empty", 2, &["empty: no records", "expected the folder"]);
    refused(folder.path(), "report some.json", 2, &["some.json"]);
    refused(folder.path(), "report text.json", 2, &["text.json: no JSON"]);
    refused(folder.path(), "report profile.json", 8, &["profile.json", "cyclone profile --json"]);
}

#[test]
fn a_search_is_drawn_over_what_it_searched() {
    let folder = trained(&[]);
    let flags = "--sample grid --range lambda=1e-5:1e-1 --trials 4 --with-test --quiet --out found";
    done(folder.path(), &format!("search {SHORT} {flags}"));
    done(folder.path(), "report found");
    let found = folder.path().join("found");
    let page = page(&found);
    needs_nothing_else(&page);
    says(&page, &["<h1>Search found</h1>", "Best validation accuracy", ">found: ranking</h2>", "Accuracy, validation"]);
    // Lambdas of even logarithms stand at even distances.
    let svg = fs::read_to_string(found.join("charts/found-lambda-training.svg")).unwrap();
    let places: Vec<f64> =
        svg.split("cx=\"").skip(1).map(|rest| rest.split('"').next().unwrap().parse().unwrap()).collect();
    assert_eq!(places.len(), 4, "{svg}");
    for pair in places.windows(3) {
        approx::assert_abs_diff_eq!(pair[1] - pair[0], pair[2] - pair[1], epsilon = 0.21);
    }
    let trials = found.join("trials.jsonl");
    let text = fs::read_to_string(&trials).unwrap();
    fs::write(&trials, text.replacen("\n{", "\n{{", 1)).unwrap();
    refused(folder.path(), "report found", 8, &["trials.jsonl: line 2: not a trial's record", "Remove the line"]);
    let without: String = text.lines().skip(1).flat_map(|line| [line, "\n"]).collect();
    fs::write(&trials, without).unwrap();
    let output = finish(&mut cyclone(folder.path(), &["report", "found"]));
    let cut = "trials.jsonl has records of 3 of 4 trials";
    says(&exits(&output, 0), &[cut]);
    says(&self::page(&found), &[cut]);
}

#[test]
fn a_reproduction_stands_beside_the_published_numbers() {
    let folder = tempdir().unwrap();
    for what in ["figure-1", "table-2"] {
        done(folder.path(), &format!("reproduce {what} --device cpu --data synthetic --scale 0.002 --quiet --out all"));
    }
    done(folder.path(), "report all");
    let all = folder.path().join("all");
    let page = page(&all);
    needs_nothing_else(&page);
    says(
        &page,
        &[
            "<h1>Reproduction all</h1>",
            "SCALED to 0.002",
            "Figure 1: one cycle",
            "Table 2: fine search",
            "6.3970e-3",
            "80.70",
            "First-layer weights of figure-1",
        ],
    );
    assert!(!page.contains(" out</td>"), "a rehearsal has no verdicts");
    // Three figures of figure-1, and both ranges of the fine search over three kinds of images.
    assert_eq!(charts(&all).len(), 3 + 2 * 3);
    fs::remove_file(all.join("comparison.jsonl")).unwrap();
    fs::remove_file(all.join("summary.json")).unwrap();
    done(folder.path(), "report all");
    says(&self::page(&all), &["has not finished", "Figure 1: one cycle"]);
    fs::write(all.join("comparison.jsonl"), "\nno\n").unwrap();
    refused(folder.path(), "report all", 8, &["comparison.jsonl: line 2"]);
}
