//! Full and closed disks, pipes and outputs.

use std::fs;
use std::process::Stdio;

use super::*;

#[test]
fn a_full_disk_ends_the_run_with_4_and_the_checkpoint_before_is_whole() {
    let whole = workplace();
    exits(&finish(&mut run(whole.path(), &["--out", "run"])), 0);

    let folder = workplace();
    fs::create_dir(folder.path().join("disk")).unwrap();
    // A checkpoint takes 0.5 MB; the third, or the second and the best, do not fit. The folder is then copied to another
    // disk, as it would disappear with the mount.
    let script = "mount -t tmpfs -o size=1400k none disk; $RUN --out disk/run; code=$?; \
                  ls -A disk/run/checkpoints >&2; cp -r disk/run kept; exit $code";
    let Some(output) = with_mounts(folder.path(), script) else { return };
    let message = exits(&output, 4);
    says(&message, &["disk/run/checkpoints/", "cannot be written: No space left on device", "--resume disk/run"]);
    assert!(!message.contains(".part"), "{message}");

    let message = exits(&finish(&mut cyclone(folder.path(), &["train", "--resume", "kept"])), 0);
    says(&message, &["resuming after step"]);
    same_bits(&folder.path().join("kept"), &whole.path().join("run"));
}

#[test]
fn a_file_that_must_not_grow_ends_the_run_with_4() {
    let folder = workplace();
    // Writes beyond 100 KiB fail with EFBIG instead of a signal.
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
fn an_immutable_folder_is_found_before_training() {
    let folder = workplace();
    let place = folder.path().join("kept");
    fs::create_dir(&place).unwrap();
    let change = |flag: &str| Command::new("chattr").arg(flag).arg(&place).stderr(Stdio::null()).status();
    if !change("+i").is_ok_and(|status| status.success()) {
        eprintln!("NOT RUN: no file can be made immutable here");
        return;
    }
    let outputs = ["kept", "kept/run"].map(|out| finish(&mut run(folder.path(), &["--out", out])));
    assert!(change("-i").unwrap().success());
    for output in outputs {
        says(&exits(&output, 4), &["kept", "Operation not permitted", "--out"]);
        assert!(output.stdout.is_empty(), "training had begun");
    }
    assert_eq!(fs::read_dir(place).unwrap().count(), 0);
}

#[test]
fn a_folder_that_goes_away_ends_the_run_with_4() {
    let folder = workplace();
    let child = spawn(run(folder.path(), &["--out", "run", "--cycles", "100000"]).arg("--quiet"));
    until(|| folder.path().join("run/checkpoints/step-5.safetensors").exists());
    // Renamed, not removed file by file, when a resume would be possible for a while.
    fs::rename(folder.path().join("run"), folder.path().join("gone")).unwrap();
    let message = exits(&wait(child), 4);
    says(&message, &["error: run/checkpoints", "cannot be written", "No such file or directory"]);
    assert!(!message.contains("--resume"), "{message}");
}

#[test]
fn standard_output_that_is_full_ends_the_run_with_4_and_it_can_be_resumed() {
    let folder = workplace();
    let full = || Stdio::from(File::options().write(true).open("/dev/full").unwrap());
    let child = run(folder.path(), &["--out", "run"]).stdout(full()).stderr(Stdio::piped()).spawn().unwrap();
    let message = exits(&wait(child), 4);
    says(&message, &["standard output: No space left on device"]);
    exits(&finish(&mut cyclone(folder.path(), &["train", "--resume", "run"])), 0);
}

#[test]
fn help_that_cannot_be_written_is_4_and_a_reader_that_goes_away_is_0() {
    let folder = workplace();
    for words in ["--help", "train --help", "--version", "help"] {
        let output = shell(folder.path(), &format!("$CYCLONE {words} > /dev/full"));
        says(&exits(&output, 4), &["standard output: No space left on device"]);
        exits(&shell(folder.path(), &format!("set -o pipefail; $CYCLONE {words} | head -0; $CYCLONE {words} >&-")), 0);
    }
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
fn an_export_to_a_full_disk_leaves_nothing_and_one_to_a_file_that_is_there_leaves_that() {
    let folder = workplace();
    exits(&finish(&mut run(folder.path(), &["--steps", "2", "--out", "run"])), 0);
    let output = shell(folder.path(), "trap '' XFSZ; ulimit -f 100; $CYCLONE export run --format npz --out new.npz");
    says(&exits(&output, 4), &["new.npz: cannot be written: File too large", "--out"]);
    let left = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert!(left.into_iter().all(|name| !name.contains("new.npz")));
    fs::write(folder.path().join("mine.npz"), "mine").unwrap();
    let output = finish(&mut cyclone(folder.path(), &["export", "run", "--format", "npz", "--out", "mine.npz"]));
    says(&exits(&output, 2), &["--out mine.npz", "already exists"]);
    assert_eq!(fs::read_to_string(folder.path().join("mine.npz")).unwrap(), "mine");
}
