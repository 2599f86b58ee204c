//! Commands before and after a training: predict, export, data, lr-find, and other formats of the metrics.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use image::{ImageFormat, Rgb, RgbImage};
use serde_json::Value;
use tempfile::{TempDir, tempdir};

fn cyclone(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_cyclone")).current_dir(folder).args(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// The output of a command, which must succeed.
#[track_caller]
fn done(folder: &Path, arguments: &[&str]) -> String {
    let output = cyclone(folder, arguments);
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", text(&output.stderr));
    text(&output.stdout)
}

/// Checks the exit code and a part of the message.
#[track_caller]
fn refused(folder: &Path, arguments: &[&str], code: i32, part: &str) {
    let output = cyclone(folder, arguments);
    let message = text(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {message}");
    assert!(message.contains("error: ") && message.contains(part), "{part} in: {message}");
}

/// Flags of a small training on the stand-in images.
const SHORT: &str = "--data synthetic --device cpu --train-batches 1 --val-batches 2 --hidden 7";

/// A folder with a complete run in `run`.
fn trained(more: &[&str]) -> TempDir {
    let folder = tempdir().unwrap();
    let length = "--half-cycle 20 --cycles 1 --evals-per-cycle 2 --out run";
    let flags = SHORT.split_whitespace().chain(length.split_whitespace()).chain(more.iter().copied());
    done(folder.path(), &["train"].into_iter().chain(flags).collect::<Vec<_>>());
    folder
}

/// An image of one colour.
fn picture(path: &Path, width: u32, height: u32, format: ImageFormat) {
    RgbImage::from_pixel(width, height, Rgb([200, 90, 30])).save_with_format(path, format).unwrap();
}

/// A folder with three classes of 3 training images and 2 test images each.
fn image_folder(folder: &Path) {
    for (part, count) in [("train", 3), ("test", 2)] {
        for (place, class) in ["ant", "bee", "cow"].into_iter().enumerate() {
            let target = folder.join(part).join(class);
            fs::create_dir_all(&target).unwrap();
            for number in 0..count {
                let image = RgbImage::from_fn(32, 32, |x, y| Rgb([x as u8, y as u8 + number, 60 * place as u8]));
                image.save(target.join(format!("{number}.png"))).unwrap();
            }
        }
    }
}

#[test]
fn predict_classifies_images_of_any_size() {
    let folder = trained(&[]);
    let at = |name: &str| folder.path().join(name);
    picture(&at("small.png"), 32, 32, ImageFormat::Png);
    picture(&at("photo.jpg"), 640, 427, ImageFormat::Jpeg);
    let json = done(folder.path(), &["predict", "run", "small.png", "photo.jpg", "--json", "--top", "10"]);
    let predictions: Value = serde_json::from_str(&json).unwrap();
    assert_eq!([&predictions[0]["resized"], &predictions[1]["resized"]], [false, true]);
    for prediction in predictions.as_array().unwrap() {
        let classes = prediction["classes"].as_array().unwrap();
        let probabilities: Vec<_> = classes.iter().map(|class| class["probability"].as_f64().unwrap()).collect();
        assert!(classes.len() == 10 && probabilities.is_sorted_by(|a, b| a >= b), "{prediction}");
        approx::assert_abs_diff_eq!(probabilities.iter().sum::<f64>(), 1.0, epsilon = 1e-5);
    }
    // The same colour in both sizes; JPEG changes it slightly.
    assert_eq!(predictions[0]["classes"][0]["class"], predictions[1]["classes"][0]["class"]);
    let words = done(folder.path(), &["predict", "run", "small.png"]);
    assert_eq!(words.lines().count(), 4, "{words}");
    assert!(words.contains(predictions[0]["classes"][0]["class"].as_str().unwrap()), "{words}");
}

#[test]
fn predict_reads_a_folder_in_the_order_of_names() {
    let folder = trained(&[]);
    let pictures = folder.path().join("pictures");
    fs::create_dir_all(pictures.join("deeper")).unwrap();
    for name in ["b.png", "a.png", ".hidden.png"] {
        picture(&pictures.join(name), 40, 30, ImageFormat::Png);
    }
    let words = done(folder.path(), &["predict", "run", "pictures", "--top", "1"]);
    assert_eq!(words.lines().step_by(2).collect::<Vec<_>>(), ["pictures/a.png", "pictures/b.png"]);
}

#[test]
fn predict_names_what_it_cannot_use() {
    let folder = trained(&[]);
    fs::write(folder.path().join("page.png"), "<html>").unwrap();
    fs::create_dir(folder.path().join("empty")).unwrap();
    refused(folder.path(), &["predict", "run", "page.png"], 3, "page.png: neither PNG nor JPEG");
    refused(folder.path(), &["predict", "run", "none.png"], 3, "none.png");
    refused(folder.path(), &["predict", "run", "empty"], 3, "empty: no pictures");
    refused(folder.path(), &["predict", "empty", "page.png"], 8, "summary.json");
    assert_eq!(cyclone(folder.path(), &["predict", "run"]).status.code(), Some(2));
    assert_eq!(cyclone(folder.path(), &["predict", "run", "page.png", "--top", "0"]).status.code(), Some(2));
    fs::write(folder.path().join("run/weights.safetensors"), "damaged").unwrap();
    refused(folder.path(), &["predict", "run", "page.png"], 8, "weights.safetensors");
}

#[test]
fn one_bad_image_does_not_stop_the_others() {
    let folder = trained(&[]);
    let at = |name: &str| folder.path().join(name);
    picture(&at("a.png"), 32, 32, ImageFormat::Png);
    picture(&at("z.png"), 32, 32, ImageFormat::Png);
    fs::write(at("page.png"), "<html>").unwrap();
    fs::create_dir(at("empty")).unwrap();
    let pictures = ["predict", "run", "a.png", "page.png", "none.png", "empty", "z.png", "--top", "1"];
    let output = cyclone(folder.path(), &pictures);
    let (answers, faults) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(3), "{faults}");
    assert_eq!(answers.lines().step_by(2).collect::<Vec<_>>(), ["a.png", "z.png"]);
    assert_eq!(faults.lines().count(), 3, "{faults}");
    for part in ["error: page.png: neither PNG nor JPEG", "error: none.png: No such file", "error: empty: no pictures"]
    {
        assert!(faults.contains(part), "{part} in {faults}");
    }
    let output = cyclone(folder.path(), &[&pictures[..], &["--json"]].concat());
    assert_eq!(output.status.code(), Some(3));
    let entries: Value = serde_json::from_slice(&output.stdout).unwrap();
    let paths: Vec<_> = entries.as_array().unwrap().iter().map(|entry| entry["path"].as_str().unwrap()).collect();
    assert_eq!(paths, ["a.png", "page.png", "none.png", "empty", "z.png"]);
    let has = |key: &str| paths.iter().zip(0..).map(|(_, place)| entries[place].get(key).is_some()).collect::<Vec<_>>();
    assert_eq!(has("classes"), [true, false, false, false, true]);
    assert_eq!(has("error"), [false, true, true, true, false]);
    assert_eq!(entries[0]["classes"], entries[4]["classes"], "the same colour");
}

#[cfg(unix)]
#[test]
fn a_file_name_cannot_control_the_terminal_or_start_a_line() {
    let folder = trained(&[]);
    let name = "a\n  99.99%  forged\u{1b}[2J.png";
    picture(&folder.path().join(name), 32, 32, ImageFormat::Png);
    let words = done(folder.path(), &["predict", "run", name, "--top", "1"]);
    assert_eq!(words.lines().next(), Some(r"a\n  99.99%  forged\u{1b}[2J.png"));
    assert_eq!(words.lines().count(), 2, "{words}");
    let entries: Value = serde_json::from_str(&done(folder.path(), &["predict", "run", name, "--json"])).unwrap();
    assert_eq!(entries[0]["path"], name);
    // JSON need not escape these.
    let name = "a\u{7f}\u{9b}.png";
    picture(&folder.path().join(name), 32, 32, ImageFormat::Png);
    let words = done(folder.path(), &["predict", "run", name, "--json"]);
    let entries: Value = serde_json::from_str(&words).unwrap();
    assert!(entries[0]["path"] == name && !words.contains(['\u{7f}', '\u{9b}']), "{words}");
    let output = cyclone(folder.path(), &["predict", "run", "gone\nerror: forged.png"]);
    let message = text(&output.stderr);
    assert!(
        message.starts_with(r"error: gone\nerror: forged.png: No such") && message.lines().count() == 1,
        "{message}"
    );
}

#[test]
fn a_flipped_bit_in_the_weights_is_noticed_by_every_reader() {
    let folder = trained(&[]);
    picture(&folder.path().join("small.png"), 32, 32, ImageFormat::Png);
    for name in ["weights.safetensors", "standardisation.safetensors"] {
        let path = folder.path().join("run").join(name);
        let whole = fs::read(&path).unwrap();
        let mut bytes = whole.clone();
        // The lowest bit of the last value, which stays a valid number.
        let last = bytes.len() - 4;
        bytes[last] ^= 1;
        fs::write(&path, bytes).unwrap();
        let what = format!("run/{name}: damaged: the values do not have the SHA-256 that stands beside them");
        refused(folder.path(), &["predict", "run", "small.png"], 8, &what);
        refused(folder.path(), &["export", "run", "--format", "npz"], 8, &what);
        if name == "weights.safetensors" {
            refused(folder.path(), &["report", "run"], 8, &what);
        }
        fs::write(&path, whole).unwrap();
    }
    done(folder.path(), &["predict", "run", "small.png"]);
}

#[test]
fn exports_are_deterministic_and_never_overwrite() {
    let folder = trained(&[]);
    for format in ["safetensors", "onnx", "npz"] {
        let export = |out: &str| ["export", "run", "--format", format, "--out", out].map(String::from);
        for out in ["one", "two"] {
            let arguments = export(&format!("{out}.{format}"));
            done(folder.path(), &arguments.each_ref().map(String::as_str));
        }
        let read = |name: &str| fs::read(folder.path().join(format!("{name}.{format}"))).unwrap();
        assert_eq!(read("one"), read("two"), "{format}");
        let again = export(&format!("one.{format}"));
        refused(folder.path(), &again.each_ref().map(String::as_str), 2, "already exists");
    }
    refused(folder.path(), &["export", "run", "--format", "npz", "--out", "no/such/x.npz"], 4, "no/such/x.npz");
    refused(folder.path(), &["export", "run", "--format", "npz", "--out", "run"], 2, "--out run: is a folder");
}

#[test]
fn an_imported_folder_equals_its_source() {
    let folder = tempdir().unwrap();
    image_folder(&folder.path().join("images"));
    let said = done(folder.path(), &["data", "import", "images", "imported"]);
    assert!(said.contains("9 training and 6 test images"), "{said}");
    let info = |source: &str| -> Value {
        serde_json::from_str(&done(folder.path(), &["data", "info", source, "--json"])).unwrap()
    };
    let (before, after) = (info("images"), info("imported"));
    for key in ["sha256", "train", "test", "classes", "channels"] {
        assert_eq!(before[key], after[key], "{key}");
    }
    assert_eq!(after["classes"][1]["name"], "bee");
    refused(folder.path(), &["data", "import", "images", "imported"], 2, "not empty");
    refused(folder.path(), &["data", "import", "nothing", "other"], 3, "nothing");
    assert!(!folder.path().join("other").exists());
    refused(folder.path(), &["data", "import", "nothing", "missing/.."], 2, "expected the name of a new folder");
    refused(
        folder.path(),
        &["data", "import", "nothing", "imported"],
        2,
        "imported: the folder exists and is not empty",
    );
}

#[test]
fn info_counts_classes_and_draws_a_contact_sheet() {
    let folder = tempdir().unwrap();
    image_folder(&folder.path().join("images"));
    let arguments = ["data", "info", "images", "--contact-sheet", "sheet.png"];
    let said = done(folder.path(), &arguments);
    assert!(said.contains("9 training, 6 test") && said.contains("cow"), "{said}");
    let sheet = image::open(folder.path().join("sheet.png")).unwrap();
    // A column of means, a gap of half an image, 16 columns; a row for all images and one a class; gaps of 2.
    assert_eq!((sheet.width(), sheet.height()), (17 * 34 + 2 + 16, 4 * 34 + 2));
    refused(folder.path(), &arguments, 2, "--contact-sheet sheet.png");
    let other = ["data", "info", "images", "--contact-sheet", "sheet.jpg"];
    refused(folder.path(), &other, 2, "--contact-sheet sheet.jpg: expected a name that ends in .png");
}

fn lr_find(folder: &Path, more: &[&str]) -> Output {
    let flags = ["lr-find"].into_iter().chain(SHORT.split_whitespace()).chain(more.iter().copied());
    cyclone(folder, &flags.collect::<Vec<_>>())
}

#[test]
fn lr_find_stops_where_the_loss_diverges_and_suggests_rates_below() {
    let folder = tempdir().unwrap();
    let output = lr_find(folder.path(), &["--steps", "300", "--to", "1e4", "--json", "--chart", "chart.svg"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    let points = found["points"].as_array().unwrap();
    assert!(found["diverged"] == true && points.len() < 300, "{} points", points.len());
    assert!(points.iter().all(|point| point["loss"].is_number() && point["smoothed"].is_number()));
    let rates: Vec<_> = points.iter().map(|point| point["rate"].as_f64().unwrap()).collect();
    assert!(rates.is_sorted() && (rates[0] - 1e-5).abs() < 1e-12);
    if let Some(suggestion) = found["suggestion"].as_object() {
        let [min, max] = ["min", "max"].map(|key| suggestion[key].as_f64().unwrap());
        assert!(min < max && max < rates[rates.len() - 1], "{suggestion:?}");
    }
    let chart = fs::read_to_string(folder.path().join("chart.svg")).unwrap();
    assert!(chart.starts_with("<svg") && chart.contains("learning rate"), "{}", &chart[..200]);
    let names: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["chart.svg"], "no run is made");
}

#[test]
fn lr_find_refuses_flags_without_a_meaning() {
    let folder = tempdir().unwrap();
    let refused = |more: &[&str], part: &str| {
        let output = lr_find(folder.path(), more);
        assert_eq!(output.status.code(), Some(2), "{more:?}");
        assert!(output.stdout.is_empty(), "before any training: {}", text(&output.stdout));
        assert!(text(&output.stderr).contains(part), "{part} in {}", text(&output.stderr));
    };
    refused(&["--lr-max", "1"], "--lr-max");
    refused(&["--cycles", "2"], "--cycles");
    refused(&["--repeats", "3"], "--repeats: not for lr-find");
    refused(&["--checkpoint-every", "9"], "--checkpoint-every: not for lr-find");
    refused(&["--overfit-one-batch"], "--overfit-one-batch");
    refused(&["--from", "1", "--to", "0.1"], "--from 1 --to 0.1");
    refused(&["--from", "0"], "--from 0");
    refused(&["--steps", "3"], "--steps 3");
    refused(&["--chart", "chart.jpg"], "--chart chart.jpg: expected a name that ends in .svg or .png");
    refused(&["--chart", "chart"], "--chart chart: expected a name");
    fs::write(folder.path().join("mine.svg"), "mine").unwrap();
    refused(&["--chart", "mine.svg"], "--chart mine.svg: already exists; choose another name");
    assert_eq!(fs::read_to_string(folder.path().join("mine.svg")).unwrap(), "mine");
    refused(&["--from", "3", "--to", "2", "--data", "nothing"], "--from 3 --to 2");
    let output = lr_find(folder.path(), &["--chart", "no/such/chart.svg"]);
    assert_eq!((output.status.code(), text(&output.stdout).as_str()), (Some(4), ""));
}

#[test]
fn the_ending_selects_the_format_of_a_chart() {
    let folder = tempdir().unwrap();
    for (name, start) in [("chart.PNG", &b"\x89PNG\r\n"[..]), ("chart.svg", b"<svg")] {
        let output = lr_find(folder.path(), &["--steps", "20", "--chart", name]);
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        assert!(fs::read(folder.path().join(name)).unwrap().starts_with(start), "{name}");
    }
}

#[cfg(unix)]
#[test]
fn the_result_is_shown_even_if_the_chart_cannot_be_written() {
    let folder = tempdir().unwrap();
    // No file may exceed a block, but the file can be created.
    let script = format!("trap '' XFSZ; ulimit -f 1; \"$0\" lr-find {SHORT} --steps 20 --chart chart.svg");
    let mut shell = Command::new("sh");
    shell.current_dir(folder.path()).args(["-c", &script, env!("CARGO_BIN_EXE_cyclone")]);
    let output = shell.output().unwrap();
    assert_eq!(output.status.code(), Some(4), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("chart.svg: cannot be written: File too large"), "{}", text(&output.stderr));
    assert!(text(&output.stdout).contains("accuracy"), "{}", text(&output.stdout));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "nothing half done is left");
}

#[test]
fn the_table_of_metrics_equals_its_lines() {
    let folder = trained(&["--csv"]);
    let read = |name: &str| fs::read_to_string(folder.path().join("run").join(name)).unwrap();
    let (table, lines) = (read("metrics.csv"), read("metrics.jsonl"));
    let mut rows = table.lines().map(|row| row.split(',').collect::<Vec<_>>());
    let columns = rows.next().unwrap();
    let mut count = 0;
    for (row, text) in rows.zip(lines.lines()) {
        let line: Value = serde_json::from_str(text).unwrap();
        assert_eq!(row.len(), columns.len());
        assert!(line.as_object().unwrap().keys().all(|key| columns.contains(&key.as_str())), "a column for {line}");
        for (column, cell) in columns.iter().zip(row) {
            // In the text of the line, before parsing rounds it; a comma or the brace ends a number.
            let there = |end| text.contains(&format!("\"{column}\":{cell}{end}"));
            assert!(
                if line.get(column).is_some() { there(",") || there("}") } else { cell.is_empty() },
                "{column} {cell}: {text}"
            );
        }
        count += 1;
    }
    assert_eq!((count, table.lines().count(), lines.lines().count()), (3, 4, 3));
}

#[test]
fn a_run_out_of_patience_says_why_it_ends_and_leaves_its_best_weights() {
    let folder = tempdir().unwrap();
    let length = "--half-cycle 20 --cycles 50 --evals-per-cycle 10 --lr-max 0.5 --patience 3 --out run";
    let flags = SHORT.split_whitespace().chain(length.split_whitespace());
    let shown = done(folder.path(), &["train"].into_iter().chain(flags).collect::<Vec<_>>());
    assert!(shown.contains("patience    3 evaluations"), "{shown}");
    assert!(shown.contains("stopped early after step") && shown.contains("--weights best"), "{shown}");

    let run = folder.path().join("run");
    let summary: Value = serde_json::from_slice(&fs::read(run.join("summary.json")).unwrap()).unwrap();
    let (steps, stopped) = (summary["steps"].as_u64().unwrap(), &summary["stopped"]);
    // Ten evaluations in 40 steps.
    assert_eq!((stopped["patience"].as_u64(), stopped["best"]["step"].as_u64()), (Some(3), Some(steps - 12)));
    assert!(steps < 2000 && run.join(format!("checkpoints/step-{steps}.safetensors")).exists());

    let export = |weights: &str| {
        let out = format!("{weights}.npz");
        done(folder.path(), &["export", "run", "--format", "npz", "--weights", weights, "--out", &out]);
        fs::read(folder.path().join(out)).unwrap()
    };
    assert_ne!(export("best"), export("last"));
    done(folder.path(), &["export", "run", "--format", "npz"]);
    assert_eq!(fs::read(run.join("model.npz")).unwrap(), fs::read(folder.path().join("last.npz")).unwrap());

    let blind = SHORT.split_whitespace().chain("--overfit-one-batch --patience 3 --out x".split_whitespace());
    refused(folder.path(), &["train"].into_iter().chain(blind).collect::<Vec<_>>(), 2, "--patience 3");
    fs::remove_dir_all(run.join("checkpoints")).unwrap();
    refused(
        folder.path(),
        &["export", "run", "--format", "npz", "--weights", "best", "--out", "x"],
        8,
        "best.safetensors",
    );
}

#[test]
fn a_network_of_several_is_selected_by_its_number() {
    let folder = trained(&["--repeats", "2"]);
    let at = |name: &str| folder.path().join(name);
    picture(&at("small.png"), 32, 32, ImageFormat::Png);
    let answers = ["0", "1"].map(|model| done(folder.path(), &["predict", "run", "--model", model, "small.png"]));
    assert_ne!(answers[0], answers[1], "two networks");
    refused(folder.path(), &["predict", "run", "small.png"], 2, "run has 2 networks: say which with --model 0 to 1");
    refused(folder.path(), &["predict", "run", "--model", "2", "small.png"], 2, "--model 2: run has 2 networks");
    done(folder.path(), &["export", "run", "--format", "npz", "--model", "1"]);
    assert!(at("run/model-1.npz").is_file());
    let single = trained(&[]);
    done(single.path(), &["export", "run", "--format", "npz", "--model", "0"]);
    refused(single.path(), &["export", "run", "--format", "onnx", "--model", "1"], 2, "leave --model out");
}
