//! Faults around a run: disks, folders, pipes, limits, odd names.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]
#![cfg(target_os = "linux")]

#[path = "../common/mod.rs"]
mod common;
mod outputs;

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use common::{cyclone, exits, finish, same_bits, says, signal, spawn, until, wait, workplace};
use serde_json::Value;

/// Two cycles of 20 steps on an image folder.
const RUN: &str = "train --device cpu --data pictures --val-images 4 --hidden 41 --batch-size 5 --half-cycle 20 --cycles 2 \
                   --evals-per-cycle 2 --checkpoint-every 5";

fn run(folder: &Path, more: &[&str]) -> Command {
    cyclone(folder, &RUN.split_whitespace().chain(more.iter().copied()).collect::<Vec<_>>())
}

/// Runs a shell script in which `$CYCLONE` is the program and `$RUN` the program with [`RUN`].
fn shell(folder: &Path, script: &str) -> Output {
    let program = env!("CARGO_BIN_EXE_cyclone");
    finish(
        Command::new("bash")
            .args(["-c", script])
            .current_dir(folder)
            .env("CYCLONE", program)
            .env("RUN", format!("{program} {RUN}"))
            .env("RUST_BACKTRACE", "0"),
    )
}

/// Runs a script that may mount file systems. If the system does not permit that, the test fails and says so, unless
/// `CYCLONE_WITHOUT_MOUNTS=1` allows skipping it.
fn with_mounts(folder: &Path, script: &str) -> Option<Output> {
    if std::env::var_os("CYCLONE_WITHOUT_MOUNTS").is_some_and(|value| value == "1") {
        eprintln!("NOT RUN: CYCLONE_WITHOUT_MOUNTS=1 says that nothing can be mounted here");
        return None;
    }
    let permitted = Command::new("unshare").args(["-rm", "mount", "-t", "tmpfs", "none", "/mnt"]).status();
    assert!(
        permitted.is_ok_and(|status| status.success()),
        "`unshare -rm mount` is not permitted here: run as another user, or set CYCLONE_WITHOUT_MOUNTS=1"
    );
    fs::write(folder.join("script"), script).unwrap();
    Some(shell(folder, "unshare -rm bash script"))
}

/// Gives everybody access to a folder.
fn open_to_all(folder: &Path) {
    fs::set_permissions(folder, fs::Permissions::from_mode(0o777)).unwrap();
}

/// The program, after the words of `before`, as the user nobody if the tests run as root.
fn as_nobody(before: &[&str], folder: &Path) -> Option<Command> {
    // The user nobody may not have access to the test's program.
    let program = folder.join("cyclone");
    fs::copy(env!("CARGO_BIN_EXE_cyclone"), &program).unwrap();
    let mut command = Command::new("env");
    if fs::metadata("/proc/self").unwrap().uid() == 0 {
        command.args(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]);
    } else if !before.is_empty() {
        eprintln!("NOT RUN: a user's own processes count, so only root can start one with a limit on them");
        return None;
    }
    command.args(before).arg(&program).current_dir(folder).env("RUST_BACKTRACE", "0");
    Some(command)
}

#[test]
fn a_divergence_keeps_the_last_good_checkpoint_and_advises_no_resume() {
    let folder = workplace();
    let output = finish(&mut run(folder.path(), &["--out", "run", "--lr-max", "1e9", "--half-cycle", "1000"]));
    let message = exits(&output, 6);
    says(&message, &["diverged at step", "Try a smaller --lr-max (now 1000000000)"]);
    assert!(!message.contains("--resume"), "{message}");
    for entry in fs::read_dir(folder.path().join("run/checkpoints")).unwrap() {
        let bytes = fs::read(entry.unwrap().path()).unwrap();
        let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
        for (name, tensor) in file.tensors() {
            let finite = tensor.data().as_chunks().0.iter().all(|&bytes| f32::from_le_bytes(bytes).is_finite());
            assert!(finite, "{name}");
        }
    }
}

#[test]
fn odd_names_of_folders_work_and_the_advice_can_be_typed() {
    let folder = workplace();
    for name in ["a folder", "it's", "two\nlines", "-dash", &"long".repeat(60)] {
        let out = format!("--out={name}");
        exits(&finish(&mut run(folder.path(), &[&out, "--steps", "3"])), 0);
        assert!(folder.path().join(name).join("summary.json").is_file(), "{name:?}");
    }
    let not_text = OsStr::from_bytes(b"not-\xfftext");
    exits(&finish(run(folder.path(), &["--steps", "3"]).arg("--out").arg(not_text)), 0);
    assert!(folder.path().join(not_text).join("summary.json").is_file());

    let message = exits(&shell(folder.path(), "trap '' XFSZ; ulimit -f 100; $RUN --out \"it's here\""), 4);
    says(&message, &[r"cyclone train --resume 'it'\''s here'"]);
}

#[test]
fn a_terminal_home_or_environment_that_says_nothing_changes_nothing() {
    let folder = workplace();
    for (number, environment) in
        ["TERM=dumb COLUMNS=20", "-u HOME -u XDG_RUNTIME_DIR", "-i", "LC_ALL=tr_TR.UTF-8"].iter().enumerate()
    {
        let output = shell(folder.path(), &format!("env {environment} $RUN --out {number}"));
        let message = exits(&output, 0);
        assert!(
            !message.contains('\u{1b}') && !message.contains('\r'),
            "escapes where there is no terminal: {message:?}"
        );
        if number > 0 {
            same_bits(&folder.path().join(number.to_string()), &folder.path().join("0"));
        }
    }
}

#[test]
fn images_without_read_permission_are_exit_code_3() {
    let folder = workplace();
    let picture = folder.path().join("pictures/train/class-1/3.png");
    fs::set_permissions(&picture, fs::Permissions::from_mode(0o000)).unwrap();
    open_to_all(folder.path());
    let Some(mut command) = as_nobody(&[], folder.path()) else { return };
    let output = finish(command.args(RUN.split_whitespace()).args(["--out", "run"]));
    says(&exits(&output, 3), &["class-1/3.png", "Permission denied"]);
}

#[test]
fn too_little_memory_for_the_images_is_exit_code_10_before_training() {
    let folder = workplace();
    // The images take 184 MB, and the program itself some more address space.
    for limit in [50_000, 100_000, 150_000] {
        let output = shell(folder.path(), &format!("ulimit -v {limit}; $RUN --data synthetic --out run"));
        says(&exits(&output, 10), &["175.78 MiB needed for the images", "ulimit -v"]);
        assert!(!folder.path().join("run").exists() && output.stdout.is_empty(), "training had begun");
    }
}

#[test]
fn too_little_memory_for_the_networks_is_exit_code_10_before_training() {
    let folder = workplace();
    for (flags, of) in [
        ("--repeats 100000", "100,000 networks of 41 hidden units"),
        ("--hidden 200000", "a network of 200,000 hidden units (--hidden)"),
    ] {
        let output = shell(folder.path(), &format!("ulimit -v 2000000; $RUN {flags} --out run"));
        says(&exits(&output, 10), &["not enough memory: ", "GiB needed for", of, "ulimit -v"]);
        assert!(!folder.path().join("run").exists() && output.stdout.is_empty(), "training had begun");
    }
    let profile = "ulimit -v 1000000; $CYCLONE profile --device cpu --data synthetic --steps 3 --hidden 100000";
    says(&exits(&shell(folder.path(), profile), 10), &["needed for a network of 100,000 hidden units"]);
    // With barely as much as required it completes: the estimate is not too low. On one CPU, so that the limits mean the
    // same on every machine.
    for flags in ["--hidden 2000", "--repeats 40"] {
        let mut codes = Vec::new();
        for limit in (250_000..850_000).step_by(50_000) {
            let output =
                shell(folder.path(), &format!("ulimit -v {limit}; taskset -c 0 $RUN --steps 12 {flags} --out {limit}"));
            codes.push(output.status.code());
            let _ = fs::remove_dir_all(folder.path().join(limit.to_string()));
        }
        let refused = codes.iter().take_while(|code| **code == Some(10)).count();
        assert!(refused > 0 && refused < codes.len(), "{flags}: {codes:?}");
        assert!(codes[refused..].iter().all(|code| *code == Some(0)), "{flags}: {codes:?}");
    }
}

#[test]
fn a_terminal_that_closes_saves_the_state_and_nohup_goes_on() {
    let folder = workplace();
    exits(&finish(&mut run(folder.path(), &["--out", "whole", "--cycles", "40"])), 0);
    // Children inherit how these tests handle the signal, so it is set here.
    for (how, code) in [("default", 129), ("ignore", 0)] {
        let child = spawn(
            Command::new("env")
                .args([&format!("--{how}-signal=HUP"), env!("CARGO_BIN_EXE_cyclone")])
                .args(RUN.split_whitespace())
                .args(["--out", how, "--cycles", "40"])
                .current_dir(folder.path()),
        );
        // The first line of metrics is written once signals are caught.
        let metrics = folder.path().join(how).join("metrics.jsonl");
        until(|| fs::metadata(&metrics).is_ok_and(|file| file.len() > 0));
        // From the shell and from the kernel.
        signal(&child, "HUP");
        signal(&child, "HUP");
        let message = exits(&wait(child), code);
        if code == 129 {
            says(
                &message,
                &["error: stopped by SIGHUP after step", "is kept; resume with: cyclone train --resume default"],
            );
            exits(&finish(&mut cyclone(folder.path(), &["train", "--resume", how])), 0);
        }
        same_bits(&folder.path().join(how), &folder.path().join("whole"));
    }
}

#[test]
fn too_few_threads_are_exit_code_10() {
    let folder = workplace();
    open_to_all(folder.path());
    let Some(mut command) = as_nobody(&["prlimit", "--nproc=1"], folder.path()) else { return };
    let output = finish(command.args(RUN.split_whitespace()).args(["--out", "run"]));
    says(&exits(&output, 10), &["cannot start threads", "ulimit -u"]);
}

#[test]
fn a_wall_clock_that_jumps_changes_no_bit_and_no_duration() {
    let folder = workplace();
    let library = folder.path().join("clock.so");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/driver/clock.c");
    let built =
        Command::new("cc").args(["-O1", "-shared", "-fPIC", "-o"]).args([&library, &source]).arg("-ldl").status();
    assert!(built.is_ok_and(|status| status.success()), "a C compiler is needed: ./test installs one");
    exits(&finish(&mut run(folder.path(), &["--out", "steady"])), 0);
    let mut years = Vec::new();
    for name in ["jumps", "again"] {
        let mut command = run(folder.path(), &["--out", name, "--tensorboard"]);
        exits(&finish(command.env("LD_PRELOAD", &library)), 0);
        same_bits(&folder.path().join("steady"), &folder.path().join(name));
        let summary: Value =
            serde_json::from_slice(&fs::read(folder.path().join(name).join("summary.json")).unwrap()).unwrap();
        for part in ["training", "evaluation"] {
            let seconds = summary["seconds"][part].as_f64().unwrap();
            assert!((0.0..common::HANGS.as_secs_f64()).contains(&seconds), "{part}: {seconds} s");
        }
        years.push(summary["started"].as_str().unwrap()[..4].to_owned());
    }
    let now: Value = serde_json::from_slice(&fs::read(folder.path().join("steady/summary.json")).unwrap()).unwrap();
    assert_ne!(years[0], now["started"].as_str().unwrap()[..4], "the clock did not jump");

    // Names do not depend on it alone: each run has its own folder.
    for _ in 0..2 {
        exits(&finish(run(folder.path(), &["--steps", "1"]).env("LD_PRELOAD", &library)), 0);
    }
    assert_eq!(fs::read_dir(folder.path().join("runs")).unwrap().count(), 2);
}

#[test]
fn a_configuration_without_an_end_is_wrong_usage() {
    let folder = workplace();
    let output = finish(&mut run(folder.path(), &["--config", "/dev/zero", "--out", "run"]));
    says(&exits(&output, 2), &["/dev/zero: more than 65,536 bytes"]);
    // A configuration may come from a pipe.
    exits(&shell(folder.path(), "$RUN --config <(echo 'seed = 3') --steps 2 --out run"), 0);
    assert!(fs::read_to_string(folder.path().join("run/config.toml")).unwrap().contains("seed = 3"));
}

#[test]
fn test_images_that_are_also_training_images_are_counted_in_a_notice() {
    let folder = workplace();
    let at = |place: &str| folder.path().join("pictures").join(place);
    for image in 0..2 {
        fs::copy(at(&format!("train/class-0/{image}.png")), at(&format!("test/class-0/{image}.png"))).unwrap();
    }
    let message = exits(&finish(&mut run(folder.path(), &["--steps", "2", "--out", "run"])), 0);
    says(&message, &["note: Data: 2 of 6 test images are also training images"]);
}

#[test]
fn a_run_that_is_stopped_and_goes_on_or_is_copied_while_it_writes_loses_nothing() {
    let folder = workplace();
    let at = |name: &str| folder.path().join(name);
    exits(&finish(&mut run(folder.path(), &["--out", "whole", "--cycles", "40"])), 0);
    let child = spawn(&mut run(folder.path(), &["--out", "run", "--cycles", "40"]));
    until(|| at("run/checkpoints/step-15.safetensors").exists() || at("run/summary.json").exists());
    signal(&child, "STOP");
    assert!(Command::new("cp").arg("-r").args([at("run"), at("copy")]).status().unwrap().success());
    signal(&child, "CONT");
    exits(&wait(child), 0);
    same_bits(&at("run"), &at("whole"));
    exits(&finish(&mut cyclone(folder.path(), &["train", "--resume", "copy"])), 0);
    same_bits(&at("copy"), &at("whole"));
}

#[test]
fn what_would_steer_the_terminal_is_shown_escaped() {
    let folder = workplace();
    let output = finish(&mut run(folder.path(), &["--data", "\u{1b}[2Jgone", "--out", "run"]));
    let message = exits(&output, 3);
    assert!(!message.contains('\u{1b}'), "{message:?}");
    says(&message, &["error: \\u{1b}[2Jgone: No such file"]);
    // A name with two lines is shown on one, on both outputs.
    let name = "run\nerror: forged";
    let output = finish(&mut run(folder.path(), &["--out", name]));
    exits(&output, 0);
    let resumed = finish(&mut cyclone(folder.path(), &["train", "--resume", name]));
    let other = finish(&mut cyclone(folder.path(), &["report", "no\nerror: forged"]));
    let again = finish(&mut run(folder.path(), &["--out", name]));
    for output in [output, resumed, other, again] {
        let text = [output.stdout, output.stderr].concat();
        let text = String::from_utf8(text).unwrap();
        assert!(!text.lines().any(|line| line.starts_with("error: forged")), "{text}");
        assert!(text.contains(r"\nerror: forged"), "{text}");
    }
}

#[test]
fn what_is_no_run_or_no_picture_is_refused_without_being_waited_for() {
    let folder = workplace();
    exits(&finish(&mut run(folder.path(), &["--steps", "2", "--out", "run"])), 0);
    assert!(Command::new("mkfifo").arg(folder.path().join("pipe")).status().unwrap().success());
    fs::write(folder.path().join("file"), "").unwrap();
    for (run, picture, code, part) in [
        ("run", "pipe", 3, "pipe: not a regular file"),
        ("run", "file", 3, "file: neither PNG nor JPEG"),
        ("run", "/dev/zero", 3, "/dev/zero: not a regular file"),
        ("file", "file", 8, "expected the folder of a finished run"),
        ("pipe", "file", 8, "expected the folder of a finished run"),
    ] {
        says(&exits(&finish(&mut cyclone(folder.path(), &["predict", run, picture])), code), &[part]);
    }
    says(&exits(&finish(&mut cyclone(folder.path(), &["train", "--resume", "file"])), 2), &["--resume file"]);
    says(&exits(&finish(&mut cyclone(folder.path(), &["verify", "--run", "file"])), 2), &["--run file"]);
}

#[test]
fn a_device_named_as_images_is_not_read() {
    let folder = workplace();
    for path in ["/dev/zero", "/dev/null"] {
        says(&exits(&finish(&mut run(folder.path(), &["--data", path, "--out", "run"])), 3), &[path, "not a data set"]);
    }
    assert!(Command::new("mkfifo").arg(folder.path().join("pipe.tar.gz")).status().unwrap().success());
    says(&exits(&finish(&mut run(folder.path(), &["--data", "pipe.tar.gz", "--out", "run"])), 3), &["pipe.tar.gz"]);
}

#[test]
fn a_run_that_is_resumed_elsewhere_is_warned() {
    let folder = workplace();
    exits(&finish(&mut run(folder.path(), &["--out", "run"])), 0);
    fs::remove_file(folder.path().join("run/summary.json")).unwrap();
    // One thread instead of all of them counts as another device in the records.
    let output = shell(folder.path(), "taskset -c 0 $CYCLONE train --resume run");
    let message = exits(&output, 0);
    if std::thread::available_parallelism().unwrap().get() > 1 {
        says(&message, &["warning: the run was on CPU", "will not have the same bits"]);
    } else {
        eprintln!("NOT RUN in part: one processor only");
    }
}

#[test]
fn a_closed_terminal_reads_nothing_from_standard_input() {
    let folder = workplace();
    let mut child = run(folder.path(), &["--out", "run"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    drop(child.stdin.take());
    let mut text = String::new();
    child.stdout.take().unwrap().read_to_string(&mut text).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    says(&text, &["records in run"]);
}
