//! Jobs of real MPI ranks. Built with the feature `mpi` only, which `./test` asks for where MPI is installed.

#![allow(clippy::unwrap_used, reason = "clippy.toml allows it in functions marked as tests, not in their helpers")]

mod common;

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use common::{HANGS, cyclone, exits, finish, same_bits, says, wait};
use tempfile::tempdir;

/// A thousand of the built-in images, a small network.
const SEARCH: &str = "search --data synthetic --device cpu --train-batches 1 --val-images 9000 --hidden 7 --half-cycle 30 \
                      --cycles 1 -q";
const TRAIN: &str = "train --data synthetic --device cpu --train-batches 1 --val-images 9000 --hidden 7 --half-cycle 100 \
                     --cycles 5 --evals-per-cycle 2 -q";

/// The program in a folder, alone.
fn alone(folder: &Path, arguments: &str) -> Command {
    cyclone(folder, &arguments.split_whitespace().collect::<Vec<_>>())
}

/// The program in a folder, on so many ranks.
fn mpirun(folder: &Path, ranks: usize, arguments: &str) -> Command {
    let mut command = Command::new("mpirun");
    command.current_dir(folder).args(["-n", &ranks.to_string(), "--bind-to", "none", "--oversubscribe"]);
    command.arg(env!("CARGO_BIN_EXE_cyclone")).args(arguments.split_whitespace());
    // Tests may run as root in a container, where Open MPI wants to be told twice.
    command.envs([("OMPI_ALLOW_RUN_AS_ROOT", "1"), ("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1"), ("RUST_BACKTRACE", "0")]);
    command
}

fn trials(search: &Path) -> String {
    fs::read_to_string(search.join("trials.jsonl")).unwrap()
}

#[track_caller]
fn succeeds(output: &Output) {
    exits(output, 0);
}

fn start(mut command: Command) -> Child {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

#[track_caller]
fn until(what: &str, mut is: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is() {
        assert!(start.elapsed() < HANGS, "{what} never came");
        thread::sleep(Duration::from_millis(1));
    }
}

/// Sends a signal by its name.
fn signal(process: &str, name: &str) {
    assert!(Command::new("kill").args(["-s", name, process]).status().unwrap().success());
}

#[test]
fn shards_merged_two_ranks_and_one_process_leave_the_same_records() {
    let folder = tempdir().unwrap();
    let search = format!("{SEARCH} --trials 12 --refine 2");
    succeeds(&finish(&mut alone(folder.path(), &format!("{search} --out one"))));
    succeeds(&finish(&mut mpirun(folder.path(), 2, &format!("{search} --out two"))));
    let one = trials(&folder.path().join("one"));
    assert_eq!(one.lines().count(), 24);
    assert_eq!(trials(&folder.path().join("two")), one);

    // Parts know nothing of a second stage.
    for shard in 0..2 {
        let arguments = format!("{SEARCH} --trials 12 --out parts --shard {shard}/2");
        succeeds(&finish(&mut mpirun(folder.path(), 1 + shard, &arguments)));
    }
    succeeds(&finish(&mut alone(folder.path(), "search merge parts")));
    let first: Vec<_> = one.lines().take(12).collect();
    assert_eq!(trials(&folder.path().join("parts")).lines().collect::<Vec<_>>(), first);
}

#[test]
fn a_trial_that_diverges_stops_no_other_rank() {
    let folder = tempdir().unwrap();
    let search = format!("{SEARCH} --sample list --range lr-max=0.1,1e30,0.2,1e31,0.05,0.3");
    succeeds(&finish(&mut alone(folder.path(), &format!("{search} --out one"))));
    succeeds(&finish(&mut mpirun(folder.path(), 2, &format!("{search} --out two"))));
    let records = trials(&folder.path().join("two"));
    assert_eq!(records.lines().filter(|line| line.contains("\"diverged\"")).count(), 2);
    assert_eq!(records, trials(&folder.path().join("one")));
}

#[test]
fn a_search_whose_rank_is_killed_ends_and_resumes_to_the_same_records() {
    let folder = tempdir().unwrap();
    let search = format!("{SEARCH} --trials 80");
    succeeds(&finish(&mut alone(folder.path(), &format!("{search} --out one"))));
    for victim in ["first", "other"] {
        let cut = folder.path().join(victim);
        let job = start(mpirun(folder.path(), 2, &format!("{search} --out {victim}")));
        until("a record", || fs::metadata(cut.join("trials.jsonl")).is_ok_and(|file| file.len() > 0));
        let first = fs::read_to_string(cut.join(".lock")).unwrap();
        let children = Command::new("pgrep").args(["-P", &job.id().to_string(), "cyclone"]).output().unwrap();
        let children = String::from_utf8(children.stdout).unwrap();
        let other = children.lines().find(|child| *child != first).unwrap();
        signal(if victim == "first" { &first } else { other }, "KILL");
        assert!(!wait(job).status.success());
        let kept = trials(&cut).lines().count();
        assert!((1..80).contains(&kept), "{kept} records when rank {victim} was killed");
        succeeds(&finish(&mut mpirun(folder.path(), 2, &format!("search --resume {victim} --device cpu -q"))));
        assert_eq!(trials(&cut), trials(&folder.path().join("one")));
    }
}

#[test]
fn one_rank_trains_the_same_bits_as_a_process_alone() {
    let folder = tempdir().unwrap();
    succeeds(&finish(&mut alone(folder.path(), &format!("{TRAIN} --out alone"))));
    succeeds(&finish(&mut mpirun(folder.path(), 1, &format!("{TRAIN} --out rank"))));
    same_bits(&folder.path().join("alone"), &folder.path().join("rank"));
}

#[test]
fn two_ranks_train_to_the_same_bits_each_time_stopped_or_not() {
    let folder = tempdir().unwrap();
    // mpirun takes half a second to hand on a signal; the rest of the training takes some.
    let train = TRAIN.replace("--cycles 5", "--cycles 40");
    succeeds(&finish(&mut alone(folder.path(), &format!("{train} --out alone"))));
    succeeds(&finish(&mut mpirun(folder.path(), 2, &format!("{train} --out whole"))));
    let [whole, cut] = ["whole", "cut"].map(|name| folder.path().join(name));
    let weights = |run: &Path| fs::read(run.join("weights.safetensors")).unwrap();
    assert!(weights(&whole) != weights(&folder.path().join("alone")), "the second rank changed nothing");

    let job = start(mpirun(folder.path(), 2, &format!("{train} --out cut")));
    until("a checkpoint", || fs::read_dir(cut.join("checkpoints")).is_ok_and(|mut files| files.next().is_some()));
    signal(&job.id().to_string(), "TERM");
    assert!(!wait(job).status.success());
    assert!(!cut.join("summary.json").exists(), "the job ended before the signal came");
    succeeds(&finish(&mut mpirun(folder.path(), 2, "train --resume cut -q")));
    same_bits(&whole, &cut);
}

#[test]
fn an_error_on_all_ranks_is_printed_once() {
    let folder = tempdir().unwrap();
    for (arguments, code, part) in [
        (format!("{TRAIN} --checkpoint-every 7 --out run"), 2, "--checkpoint-every 7"),
        (format!("{TRAIN} --data nowhere --out run"), 3, "nowhere"),
        ("train --resume nowhere".to_owned(), 2, "no config.toml"),
        ("search --resume nowhere".to_owned(), 2, "no search was begun here"),
    ] {
        let message = exits(&finish(&mut mpirun(folder.path(), 2, &arguments)), code);
        says(&message, &[part]);
        assert_eq!(message.matches("error: ").count(), 1, "{message}");
    }
}
