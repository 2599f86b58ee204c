//! Faults that a whole run meets outside of itself: disks, folders, pipes, limits, odd names.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]
#![cfg(target_os = "linux")]

mod common;

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use common::{cyclone, exits, finish, pictures, same_bits, says};
use tempfile::{TempDir, tempdir};

/// Two cycles of 20 steps on pictures.
const RUN: &str = "train --device cpu --data pictures --val-images 4 --hidden 41 --batch-size 5 --half-cycle 20 --cycles 2 \
                   --evals-per-cycle 2 --checkpoint-every 5";

/// A folder with pictures in it.
fn workplace() -> TempDir {
    let folder = tempdir().unwrap();
    pictures(&folder.path().join("pictures"));
    folder
}

fn run(folder: &Path, more: &[&str]) -> Command {
    cyclone(folder, &RUN.split_whitespace().chain(more.iter().copied()).collect::<Vec<_>>())
}

/// Runs a shell script in which `$RUN` is [`RUN`] with the program before it and `$CYCLONE` the program.
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

/// Runs a script where a file system can be mounted. Where the system does not permit that the test cannot run; it then
/// fails and says so, unless `CYCLONE_WITHOUT_MOUNTS=1` states that this machine has none.
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

#[test]
fn a_full_disk_ends_the_run_with_4_and_the_checkpoint_before_is_whole() {
    let whole = workplace();
    exits(&finish(&mut run(whole.path(), &["--out", "run"])), 0);

    let folder = workplace();
    fs::create_dir(folder.path().join("disk")).unwrap();
    // A checkpoint takes 0.5 MB; the third, or the second and the best, find no room. The folder is then copied to a
    // disk with room, which goes with the mount otherwise.
    let script = "mount -t tmpfs -o size=1400k none disk; $RUN --out disk/run; code=$?; \
                  ls -A disk/run/checkpoints >&2; cp -r disk/run kept; exit $code";
    let Some(output) = with_mounts(folder.path(), script) else { return };
    let message = exits(&output, 4);
    says(&message, &["disk/run/checkpoints/", "cannot be written: No space left on device", "--resume disk/run"]);
    assert!(!message.contains(".part"), "{message}");

    let message = exits(&finish(&mut cyclone(folder.path(), &["train", "--resume", "kept"])), 0);
    says(&message, &["going on after step"]);
    same_bits(&folder.path().join("kept"), &whole.path().join("run"));
}

#[test]
fn a_file_that_must_not_grow_ends_the_run_with_4() {
    let folder = workplace();
    // EFBIG in place of a signal: writes beyond 100 KiB fail.
    let output = shell(folder.path(), "trap '' XFSZ; ulimit -f 100; $RUN --out run");
    let message = exits(&output, 4);
    says(&message, &["run/checkpoints/", "File too large"]);
    assert_eq!(fs::read_dir(folder.path().join("run/checkpoints")).unwrap().count(), 0);
}

#[test]
fn a_read_only_place_is_found_before_training() {
    let folder = workplace();
    fs::create_dir(folder.path().join("disk")).unwrap();
    let script = "mount -t tmpfs -o ro none disk; $RUN --out disk/run";
    let Some(output) = with_mounts(folder.path(), script) else { return };
    says(&exits(&output, 4), &["disk/run", "Read-only file system", "--out"]);
    assert!(output.stdout.is_empty(), "training had begun");
}

#[test]
fn a_folder_that_goes_away_ends_the_run_with_4() {
    let folder = workplace();
    let child = run(folder.path(), &["--out", "run", "--cycles", "100000"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let start = std::time::Instant::now();
    while !folder.path().join("run/checkpoints/step-5.safetensors").exists() {
        assert!(start.elapsed() < common::HANGS);
    }
    // It may write while it is being removed.
    while fs::remove_dir_all(folder.path().join("run")).is_err() {}
    let message = exits(&common::wait(child), 4);
    says(&message, &["error: run/checkpoints", "cannot be written", "No such file or directory"]);
    assert!(!message.contains("--resume"), "{message}");
}

#[test]
fn standard_output_that_is_full_ends_the_run_with_4_and_it_can_be_resumed() {
    let folder = workplace();
    let full = || Stdio::from(File::options().write(true).open("/dev/full").unwrap());
    let child = run(folder.path(), &["--out", "run"]).stdout(full()).stderr(Stdio::piped()).spawn().unwrap();
    let message = exits(&common::wait(child), 4);
    says(&message, &["standard output: No space left on device"]);
    exits(&finish(&mut cyclone(folder.path(), &["train", "--resume", "run"])), 0);
}

#[test]
fn standard_error_that_is_full_or_closed_stops_nothing() {
    let folder = workplace();
    let output =
        shell(folder.path(), "$RUN --out full 2>/dev/full && $RUN --out closed 2>&- && $RUN --out both >&- 2>&-");
    exits(&output, 0);
    same_bits(&folder.path().join("full"), &folder.path().join("closed"));
    same_bits(&folder.path().join("full"), &folder.path().join("both"));
}

#[test]
fn a_reader_that_goes_away_changes_no_bit() {
    let folder = workplace();
    exits(&shell(folder.path(), "set -o pipefail; $RUN --out piped 2>&1 | head -1; $RUN --out plain"), 0);
    same_bits(&folder.path().join("piped"), &folder.path().join("plain"));
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
fn images_that_must_not_be_read_are_bad_data() {
    let folder = workplace();
    let nobody = || {
        let mut command = Command::new("setpriv");
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]);
        command
    };
    let root = nobody().arg("true").status().is_ok_and(|status| status.success());
    let picture = folder.path().join("pictures/train/class-1/3.png");
    fs::set_permissions(&picture, fs::Permissions::from_mode(0o000)).unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).unwrap();
    // The test's own program may be where nobody may look.
    let program = folder.path().join("cyclone");
    fs::copy(env!("CARGO_BIN_EXE_cyclone"), &program).unwrap();
    let mut command = if root {
        let mut command = nobody();
        command.arg(&program);
        command
    } else {
        Command::new(&program)
    };
    let output = finish(command.current_dir(folder.path()).args(RUN.split_whitespace()).args(["--out", "run"]));
    says(&exits(&output, 3), &["class-1/3.png", "Permission denied"]);
}

#[test]
fn memory_that_is_too_small_for_the_images_leaves_no_records() {
    let folder = workplace();
    // The stand-in takes 184 MB; the program itself some more of addresses than that.
    let script = "ulimit -v 150000; $RUN --data synthetic --out run";
    let output = shell(folder.path(), script);
    assert!(!output.status.success(), "it fitted");
    assert!(!folder.path().join("run").exists(), "{}", String::from_utf8_lossy(&output.stderr));
    says(&String::from_utf8_lossy(&output.stderr), &["memory"]);
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
    // One thread in place of as many as there are: another engine, as far as the records know.
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
