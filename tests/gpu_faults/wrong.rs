//! Drivers that report no fault and compute wrong: each ends the run with exit code 11, and no figure in the records.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::common::{cyclone, exits, finish, metrics, same_bits, says, workplace};
use super::{DEVICE_LOST, Driver, Fault, arguments, driver, real_manifest};

/// A training of 40 evaluations, five steps apart.
const RUN: &str = "train --device gpu --data pictures --val-images 4 --hidden 7 --batch-size 5 --half-cycle 100 --cycles 1 \
                   --evals-per-cycle 40 --out run";
/// Bytes of its W1: 3,072 inputs, and 7 hidden units padded to 8.
const W1: usize = 3072 * 8 * 4;

fn words(line: &str) -> Vec<&str> {
    line.split_whitespace().collect()
}

/// The program on a driver that leaves out every so manyth dispatch.
fn dropping(driver: &Driver, folder: &Path, arguments: &str, every: usize) -> Command {
    let mut command = driver.command(folder, &words(arguments), "vkCmdDispatch");
    command.env("FAULTY_EVERY", every.to_string());
    command
}

/// Demands that the folder of a run have its settings and no figure.
#[track_caller]
fn has_no_figure(run: &Path) {
    let entries = fs::read_dir(run).unwrap().map(Result::unwrap);
    let is_empty = |entry: &fs::DirEntry| match fs::read_dir(entry.path()) {
        Ok(mut folder) => folder.next().is_none(),
        Err(_) => entry.metadata().unwrap().len() == 0,
    };
    let some = entries.filter(|entry| !is_empty(entry));
    let names: Vec<_> = some.map(|entry| entry.file_name()).collect();
    let expected = |name: &std::ffi::OsString| {
        [".lock", "config.toml", "starts.json", "unproven-1"].iter().any(|known| name == known)
    };
    assert!(names.iter().all(expected), "{names:?}");
}

#[test]
fn a_driver_that_computes_nothing_ends_every_command_with_11() {
    let Some(driver) = driver() else { return };
    let folder = workplace();
    let train = finish(&mut dropping(driver, folder.path(), RUN, 1));
    says(
        &exits(&train, 11),
        &["error: llvmpipe", "wrong", "computed something wrong", "trial step 1", "(forward, head)", "cyclone verify"],
    );
    has_no_figure(&folder.path().join("run"));
    let resume = finish(&mut dropping(driver, folder.path(), "train --resume run", 1));
    says(&exits(&resume, 11), &["computed something wrong", "trial step 1"]);

    // A network to classify with, trained on a driver that is right.
    let good = RUN.replace("--out run", "--out good --steps 5");
    let manifest = real_manifest(driver, folder.path());
    exits(&finish(cyclone(folder.path(), &words(&good)).env("VK_DRIVER_FILES", manifest)), 0);
    let picture = fs::read_dir(folder.path().join("pictures/test/class-0")).unwrap().next().unwrap().unwrap().path();
    for command in [
        "search --device gpu --data pictures --val-images 4 --trials 2 --hidden 7 --batch-size 5 --steps 5 --out search",
        "lr-find --device gpu --data pictures --val-images 4 --hidden 7 --batch-size 5 --steps 20",
        "profile --device gpu --data synthetic --hidden 5 --batch-size 7 --steps 2 --repeats 1",
        &format!("predict good {} --device gpu", picture.display()),
    ] {
        let output = finish(&mut dropping(driver, folder.path(), command, 1));
        says(&exits(&output, 11), &["error: llvmpipe", "computed something wrong"]);
    }
    // What a right device computed stays, and the run can be resumed there.
    let checkpoint = folder.path().join("good/summary.json");
    fs::remove_file(&checkpoint).unwrap();
    let resume = finish(&mut dropping(driver, folder.path(), "train --resume good", 1));
    exits(&resume, 11);
    exits(
        &finish(
            cyclone(folder.path(), &["train", "--resume", "good"])
                .env("VK_DRIVER_FILES", real_manifest(driver, folder.path())),
        ),
        0,
    );
    assert!(checkpoint.is_file());
}

#[test]
fn a_driver_that_drops_every_hundredth_dispatch_ends_the_run_with_11() {
    let Some(driver) = driver() else { return };
    let folder = workplace();
    let output = finish(&mut dropping(driver, folder.path(), RUN, 100));
    says(&exits(&output, 11), &["error: llvmpipe", "computed something wrong", "no figure there is a result"]);
    has_no_figure(&folder.path().join("run"));
}

#[test]
fn a_bit_that_flips_once_in_the_weights_ends_the_run_with_11() {
    let Some(driver) = driver() else { return };
    // In the exponent: the weight becomes 2^64 times larger or smaller.
    let flipped = |at: usize| {
        let folder = workplace();
        let mut command = driver.command(folder.path(), &words(RUN), "flip");
        command.env("FAULTY_AT", at.to_string()).env("FAULTY_STAYS", "0");
        command.env("FAULTY_SIZE", W1.to_string()).env("FAULTY_BIT", "29");
        let output = finish(&mut command);
        assert!(folder.path().join("mark").exists(), "no bit was flipped at submission {at}");
        (output, folder)
    };
    for at in [4, 8, 12] {
        let (output, folder) = flipped(at);
        says(&exits(&output, 11), &["error: llvmpipe", "computed something wrong", "trial step"]);
        has_no_figure(&folder.path().join("run"));
    }
}

#[test]
fn what_a_right_device_computed_before_a_resume_on_a_wrong_one_stays() {
    let Some(driver) = driver() else { return };
    let fault = Fault { call: "vkQueueSubmit", at: 24, result: DEVICE_LOST, stays: true };
    let (folder, output, _) = driver.train(fault, &[]);
    says(&exits(&output, 5), &["the checkpoint of step 1 is kept"]);
    let run = folder.path().join("run");
    let before = metrics(&run);
    let resume = finish(&mut dropping(driver, folder.path(), "train --resume run --check off", 1));
    says(
        &exits(&resume, 11),
        &["computed something wrong", "no figure there is a result", "on a device that is right"],
    );
    assert_eq!(metrics(&run), before[..metrics(&run).len()]);

    let manifest = real_manifest(driver, folder.path());
    let resume = ["train", "--resume", "run", "--check", "off"];
    exits(&finish(cyclone(folder.path(), &resume).env("VK_DRIVER_FILES", &manifest)), 0);
    let whole = workplace();
    exits(&finish(cyclone(whole.path(), &arguments(&[])).env("VK_DRIVER_FILES", &manifest)), 0);
    same_bits(&run, &whole.path().join("run"));
}
