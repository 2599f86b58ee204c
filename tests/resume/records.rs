//! Records of a resumed run: what is complete, lost or damaged among them.

use std::fs;
use std::path::Path;

use tempfile::TempDir;

use super::*;

#[test]
fn a_complete_run_has_nothing_to_do() {
    let folder = workplace();
    exits(&finish(&mut run(folder.path(), &["--steps", "40"])), 0);
    let before = fs::read(folder.path().join("run/metrics.jsonl")).unwrap();
    let output = finish(&mut resume(folder.path()));
    exits(&output, 0);
    says(&String::from_utf8_lossy(&output.stdout), &["run: the run is complete, there is nothing to do"]);
    assert_eq!(fs::read(folder.path().join("run/metrics.jsonl")).unwrap(), before);
    says(&exits(&finish(resume(folder.path()).args(["--seed", "3", "--csv"])), 8), &["run/config.toml", "seed"]);
    assert!(!folder.path().join("run/metrics.csv").exists());
}

#[test]
fn what_a_complete_run_has_lost_is_made_again() {
    let (run, other) = (whole(), whole());
    for name in ["weights.safetensors", "standardisation.safetensors", "answers.json"] {
        let path = run.path().join("run").join(name);
        let mut bytes = fs::read(&path).unwrap();
        let last = bytes.len() - 4;
        bytes[last] ^= 1;
        // Damaged or gone; answers have no digest.
        let damages: &[Option<&[u8]>] = if name == "answers.json" { &[None] } else { &[None, Some(&bytes)] };
        for damage in damages {
            fs::remove_file(&path).unwrap();
            if let Some(bytes) = damage {
                fs::write(&path, bytes).unwrap();
            }
            let message = exits(&finish(&mut resume(run.path())), 0);
            says(&message, &[&format!("note: run/{name}: lost or damaged: it is made again from the last checkpoint")]);
            same_bits(&run.path().join("run"), &other.path().join("run"));
            let answers = |folder: &TempDir| fs::read(folder.path().join("run/answers.json")).unwrap();
            assert_eq!(answers(&run), answers(&other), "{name}");
        }
    }
}

/// Rows of `metrics.csv` below its head, and names of event files, in their order.
fn tables(folder: &Path) -> (usize, Vec<String>) {
    let rows = fs::read_to_string(folder.join("run/metrics.csv")).unwrap().lines().count() - 1;
    let names =
        fs::read_dir(folder.join("run")).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut events: Vec<_> = names.filter(|name| name.contains("tfevents")).collect();
    events.sort();
    (rows, events)
}

/// Evaluations in an event file.
fn events(folder: &Path, name: &str) -> usize {
    let bytes = fs::read(folder.join("run").join(name)).unwrap();
    bytes.windows(b"train/loss".len()).filter(|window| window == b"train/loss").count()
}

#[test]
fn tables_of_a_complete_run_are_written_from_its_metrics() {
    let whole = whole();
    for _ in 0..2 {
        exits(&finish(resume(whole.path()).args(["--csv", "--tensorboard"])), 0);
        let (rows, names) = tables(whole.path());
        assert_eq!((rows, names.len()), (7, 1));
        assert_eq!(events(whole.path(), &names[0]), 7);
    }
}

#[test]
fn tables_of_damaged_metrics_are_not_begun() {
    let whole = whole();
    let metrics = whole.path().join("run/metrics.jsonl");
    let lines = fs::read_to_string(&metrics).unwrap();
    fs::write(&metrics, lines.replacen("step", "leap", 1)).unwrap();
    // Twice: nothing that the first left counts as a table.
    for flag in ["--csv", "--tensorboard", "--csv", "--tensorboard"] {
        let message = exits(&finish(resume(whole.path()).arg(flag)), 8);
        says(&message, &["run/metrics.jsonl: line 1: not a record"]);
    }
    let names = fs::read_dir(whole.path().join("run")).unwrap();
    let tables = names.filter(|entry| {
        let name = entry.as_ref().unwrap().file_name().into_string().unwrap();
        name.contains("tfevents") || name == "metrics.csv"
    });
    assert_eq!(tables.count(), 0);
}

#[test]
fn tables_that_were_begun_are_gone_on_with() {
    let (folder, _) = stopped_with(&["--csv", "--tensorboard"], "INT", 130);
    exits(&finish(&mut resume(folder.path())), 0);
    let (rows, names) = tables(folder.path());
    assert_eq!((rows, names.len()), (7, 2));
    assert!(events(folder.path(), &names[1]) > 0);

    // Asked for at the resume alone they have what was before all the same.
    let (folder, _) = stopped("INT", 130);
    exits(&finish(resume(folder.path()).args(["--csv", "--tensorboard"])), 0);
    let (rows, names) = tables(folder.path());
    assert_eq!((rows, names.len(), events(folder.path(), &names[0])), (7, 1, 7));
}

#[test]
fn records_that_were_lost_are_missed_with_a_notice() {
    let (folder, _) = stopped("INT", 130);
    for name in ["metrics.jsonl", "starts.json"] {
        fs::remove_file(folder.path().join("run").join(name)).unwrap();
    }
    let step = steps(folder.path())[0];
    let message = exits(&finish(&mut resume(folder.path())), 0);
    says(
        &message,
        &[&format!("note: run/metrics.jsonl: the records before step {step} are lost"), "note: run/starts.json: lost"],
    );
    let summary: Value = serde_json::from_slice(&fs::read(folder.path().join("run/summary.json")).unwrap()).unwrap();
    assert_eq!(summary["after_step"], step, "not how it began");

    let (folder, _) = stopped("INT", 130);
    fs::write(folder.path().join("run/starts.json"), "[{}]").unwrap();
    says(&exits(&finish(&mut resume(folder.path())), 8), &["run/starts.json", "missing field"]);
}

#[test]
fn half_a_line_is_cut_with_a_notice_and_a_line_that_is_no_record_is_an_error() {
    let whole = whole();
    let (folder, _) = stopped("INT", 130);
    let path = folder.path().join("run/metrics.jsonl");
    let records = fs::read_to_string(&path).unwrap();
    // A later record that was written before a kill, then half of one.
    let mut later: Value = serde_json::from_str(records.lines().last().unwrap()).unwrap();
    later["step"] = 100_000.into();
    fs::write(&path, format!("{records}{later}\n{{\"step\":100001,\"ep")).unwrap();
    let message = exits(&finish(&mut resume(folder.path())), 0);
    says(&message, &["note: run/metrics.jsonl: half a line at its end was cut off"]);
    same_bits(&folder.path().join("run"), &whole.path().join("run"));

    let (folder, _) = stopped("INT", 130);
    let path = folder.path().join("run/metrics.jsonl");
    let records = fs::read_to_string(&path).unwrap();
    fs::write(&path, format!("nonsense\n{records}")).unwrap();
    says(&exits(&finish(&mut resume(folder.path())), 8), &["run/metrics.jsonl: line 1: not a record"]);
}
