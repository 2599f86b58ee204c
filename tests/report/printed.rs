//! Pages of what `profile --json` and `verify --json` print.

use std::fs;
#[cfg(unix)]
use std::process::Command;

use serde_json::Value;
use tempfile::tempdir;

use super::common::{cyclone, exits, finish, says};
use super::{charts, done, needs_nothing_else, page, refused, trained};

#[test]
fn profiles_and_verifications_are_drawn_from_what_they_print() {
    let folder = trained(&["run"]);
    let save =
        |name: &str, arguments: &str| fs::write(folder.path().join(name), done(folder.path(), arguments)).unwrap();
    save(
        "profile.json",
        "profile --device cpu --data synthetic --hidden 5 --batch-size 7 --steps 2 --repeats 1 --json",
    );
    save("checks.json", "verify --case forward/D37-H5 --json");
    save("both.json", "verify --run run --steps 4 --json");
    done(folder.path(), "report profile.json checks.json both.json --out drawn");
    let page = page(&folder.path().join("drawn"));
    needs_nothing_else(&page);
    says(
        &page,
        &[
            "Speed: profile.json",
            "images/s",
            "Start-up to the first step",
            "GPU against CPU: checks.json",
            "Checks passed",
            "partial sums",
            "GPU against CPU: both.json",
            "Same answers on GPU and CPU",
        ],
    );
    let names = charts(&folder.path().join("drawn"));
    assert_eq!(names, ["both-json-losses", "both-json-weights", "profile-json-step"]);
}

#[test]
fn a_profile_of_a_real_gpu_has_its_parts_drawn() {
    let folder = tempdir().unwrap();
    let profile = "profile --device gpu --data synthetic --hidden 5 --batch-size 7 --steps 2 --repeats 1 --json";
    fs::write(folder.path().join("profile.json"), done(folder.path(), profile)).unwrap();
    done(folder.path(), "report profile.json --out drawn");
    says(&page(&folder.path().join("drawn")), &["the host, by its own clock", "encode", "Start-up to the first step"]);
    assert_eq!(charts(&folder.path().join("drawn")).len(), 2, "the devices, and this one's parts");
}

#[test]
fn a_file_of_the_users_own_beside_a_run_is_left_out_with_a_notice() {
    let folder = trained(&["run"]);
    fs::write(folder.path().join("run/profile.json"), r#"{ "my": "own" }"#).unwrap();
    let output = finish(&mut cyclone(folder.path(), &["report", "run"]));
    says(&exits(&output, 0), &["note: run/profile.json: other JSON than these commands print"]);
    says(&page(&folder.path().join("run")), &["run/profile.json: other JSON"]);
}

/// What `profile --json` prints where there is a GPU with a clock.
pub fn profile_of_a_gpu() -> Value {
    let part = |name: &str, of: &str, seconds: f64, share: f64| {
        serde_json::json!({
            name: of, "seconds": seconds, "share": share, "median_seconds": seconds / 100.0, "of_flops": 0.25, "of_bytes": 0.5, "dispatches": 100,
            "flops_per_second": 1e12, "bytes_per_second": 1e11
        })
    };
    let device = |record: Value, seconds_a_step: f64| {
        serde_json::json!({
            "name": "a device", "device": record,
            "throughput": {
                "steps": 100, "images": 10_000, "seconds": [100.0 * seconds_a_step], "spread": 0.01, "seconds_a_step": seconds_a_step, "images_per_second": 100.0 / seconds_a_step,
                "flops_per_second": 1e12
            },
            "evaluation": { "images": 10_000, "seconds": 0.01 },
            "ceilings": { "flops_per_second": 4e12, "bytes_per_second": 2e11, "dispatch_seconds": null },
            "step": null, "evaluated": null, "host": [], "buffers": [],
            "start_up": {
                "seconds": 0.313, "parts": [{ "phase": "process", "seconds": 0.013, "share": 0.04 }, { "phase": "device, meanwhile", "seconds": 0.3, "share": 0.96 }]
            },
        })
    };
    let mut gpu = device(
        serde_json::json!({ "kind": "gpu", "adapter": "GPU <1>", "adapter_type": "discrete", "backend": "vulkan", "driver": "d" }),
        42e-6,
    );
    gpu["step"] = serde_json::json!({
        "steps": 100, "busy_seconds": 0.003, "span_seconds": 0.004, "longest_gap_seconds": 0.0,
        "kernels": [part("kernel", "forward", 0.001, 1.0 / 3.0), part("kernel", "update <b>", 0.002, 2.0 / 3.0)]
    });
    // The CPU's are those of a version that measured once.
    let round = |flops: f64, bytes: f64, dispatch: f64| serde_json::json!({ "flops_per_second": flops, "bytes_per_second": bytes, "dispatch_seconds": dispatch });
    gpu["ceilings"] = round(4e12, 2e11, 2e-6);
    gpu["ceiling_rounds"] = serde_json::json!([round(2.3e12, 2e11, 2e-6), round(4e12, 1.9e11, 2.5e-6)]);
    gpu["host"] = serde_json::json!([part("phase", "encode", 0.0005, 0.125), part("phase", "other", 0.0035, 0.875)]);
    serde_json::json!({
        "version": "0", "data": "images", "images": 45_000, "batch_size": 100, "models": 1,
        "model": { "inputs": 3072, "hidden": 50, "classes": 10 },
        "devices": [gpu, device(serde_json::json!({ "kind": "cpu", "threads": 2 }), 900e-6)],
        "sweeps": [{ "axis": "batch", "points": [
            { "value": 100, "step_flops": 1.0, "seconds": [4e-5, 1e-3] },
            { "value": 10, "step_flops": 1.0, "seconds": [2e-5, null] },
            { "value": 0, "step_flops": 1.0, "seconds": [0.0, 1.0] }
        ] }],
        "peak_memory": null, "warnings": ["a <warning>"]
    })
}

#[test]
fn a_profile_in_a_runs_folder_is_a_picture_of_where_a_steps_time_goes() {
    let folder = trained(&["run"]);
    let run = folder.path().join("run");
    fs::write(run.join("profile.json"), profile_of_a_gpu().to_string()).unwrap();
    let output = finish(&mut cyclone(folder.path(), &["report", "run"]));
    says(&exits(&output, 0), &["a <warning>"]);
    let page = page(&run);
    needs_nothing_else(&page);
    says(
        &page,
        &["Where a step's time goes: run/profile.json", "a &lt;warning&gt;", "device, meanwhile", "GPU &lt;1&gt;"],
    );
    // (4 − 2.3)/4, (2 − 1.9)/2, (2.5 − 2)/2.5.
    says(&page, &["The best of 2 measurements", "4000 GFLOP/s", "200 GB/s", "2 µs"]);
    says(&page, &["<td>42.5\u{a0}%</td>", "<td>5.0\u{a0}%</td>", "<td>20.0\u{a0}%</td>"]);
    assert_eq!(page.matches("What the device can do</h3>").count(), 2, "the CPU's, too");
    let names = charts(&run);
    for name in ["run-profile-json-step", "run-profile-json-step-gpu-1", "run-profile-json-batch"] {
        assert!(names.contains(&name.to_owned()), "{name} in {names:?}");
        assert!(image::open(run.join("charts").join(format!("{name}.png"))).unwrap().width() == 840);
    }
    let svg = fs::read_to_string(run.join("charts/run-profile-json-step-gpu-1.svg")).unwrap();
    // Of 40 µs 10 and 20 in kernels and 10 without; of the host's 40, 5 and 35.
    for bar in ["10 (25.0", "20 (50.0", "5 (12.5", "35 (87.5"] {
        assert!(svg.contains(&format!(">{bar}\u{a0}%)<")), "{bar} in {svg}");
    }
    says(&svg, &["forward", "update &lt;b&gt;", "no kernel", "encode"]);
    let svg = fs::read_to_string(run.join("charts/run-profile-json-step.svg")).unwrap();
    says(&svg, &["GPU &lt;1&gt;", "CPU, 2 threads", ">42<", ">900<"]);
    assert!(!fs::read_to_string(run.join("charts/run-profile-json-batch.svg")).unwrap().contains("NaN"));
}

#[cfg(unix)]
#[test]
fn what_a_command_prints_may_come_through_a_pipe() {
    let folder = tempdir().unwrap();
    fs::write(folder.path().join("profile.json"), profile_of_a_gpu().to_string()).unwrap();
    let shell = ["-c", "cat profile.json | \"$0\" report /dev/stdin --out drawn", env!("CARGO_BIN_EXE_cyclone")];
    exits(&finish(Command::new("sh").args(shell).current_dir(folder.path())), 0);
    says(&page(&folder.path().join("drawn")), &["Where a step's time goes"]);
    // A pipe where a record should be is not waited for.
    let run = trained(&["run"]);
    fs::remove_file(run.path().join("run/summary.json")).unwrap();
    let made = Command::new("mkfifo").arg(run.path().join("run/summary.json")).status().unwrap();
    assert!(made.success());
    refused(run.path(), "report run", 8, &["summary.json: expected a regular file"]);
    // Nor one where the page should be.
    assert!(Command::new("mkfifo").arg(folder.path().join("report.html")).status().unwrap().success());
    refused(folder.path(), "report profile.json", 2, &["report.html: already exists"]);
}
