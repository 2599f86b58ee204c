//! Searches: the same records however the trials are dealt out, ended early, stopped and resumed.

#![allow(clippy::unwrap_used, reason = "clippy.toml allows it in functions marked as tests, not in their helpers")]

use std::fs;
use std::path::Path;
use std::sync::Arc;

use cyclone::config::Config;
use cyclone::config::device::Choice;
use cyclone::config::schedule::Policy;
use cyclone::data::Dataset;
use cyclone::data::split::Split;
use cyclone::device::Device;
use cyclone::error::Error;
use cyclone::model::Hidden;
use cyclone::ranks::Ranks;
use cyclone::search::folder::{Folder, Plan};
use cyclone::search::shard::Shard;
use cyclone::search::space::{Sample, Space};
use cyclone::search::trainer::Trainer;
use cyclone::search::trial::{Record, rank};
use cyclone::search::wave::Event;
use cyclone::search::{self, Search};
use cyclone::terminal::search::ranking;
use cyclone::util::random::{Purpose, stream};
use rand::{Rng, RngExt};
use tempfile::{TempDir, tempdir};

mod commands;
mod halving;

const INPUTS: usize = 19;
const TRAIN: u32 = 37;

/// Random images on which trials differ.
fn trainer(wave: usize) -> Trainer {
    trainer_on(INPUTS, wave)
}

fn trainer_on(inputs: usize, wave: usize) -> Trainer {
    let images = TRAIN as usize + 23 + 11;
    let mut generator = stream(0, Purpose::Check, 0);
    let mut pixels = vec![0; images * inputs];
    generator.fill_bytes(&mut pixels);
    let labels = (0..images).map(|_| generator.random_range(0..3_u8)).collect();
    let classes = ["a", "b", "c"].map(String::from).to_vec();
    let dataset = Arc::new(Dataset::in_memory("random bytes", classes, inputs, pixels, labels, images - 11));
    let split = Split { train: (0..TRAIN).collect(), validation: (TRAIN..60).collect(), test: (60..71).collect() };
    let device = Arc::new(Device::open(&Choice::Cpu).unwrap());
    let mut trainer = Trainer::new(device, dataset, split, &Config::default()).unwrap();
    trainer.models = wave;
    trainer
}

fn search(sample: Sample, axes: &[&str], trials: Option<usize>) -> Search {
    let config = Config {
        hidden: Hidden::new(&[5]),
        batch_size: 8,
        lr_min: 1e-3,
        lr_max: 0.2,
        half_cycle: 6,
        cycles: Some(2),
        evals_per_cycle: 1,
        ..Config::default()
    };
    let axes = axes.iter().map(|axis| axis.parse().unwrap()).collect();
    let space = Space::new(sample, axes, trials).unwrap();
    Search { config, space, warm_start: false, refine: 0, with_test: true, halving: None }
}

/// Searches in `folder`, of which the records are returned.
fn run(search: &Search, trainer: &Trainer, folder: &Path, shard: Shard) -> Vec<Record> {
    let plan = Plan::new(search, &trainer.dataset, &trainer.split).unwrap();
    let mut folder = Folder::open(folder, &plan).unwrap();
    search::run(search, trainer, &Ranks::alone(), &mut folder, shard, &mut |_| Ok(())).unwrap();
    folder.sort().unwrap();
    folder.records().to_vec()
}

fn lines(folder: &Path) -> String {
    fs::read_to_string(folder.join("trials.jsonl")).unwrap()
}

#[test]
fn waves_of_any_size_leave_the_same_records() {
    let search = search(Sample::LogUniform, &["1e-4:1"], Some(7));
    let folders = [1, 3, 100].map(|wave| {
        let folder = tempdir().unwrap();
        assert_eq!(run(&search, &trainer(wave), folder.path(), Shard::WHOLE).len(), 7);
        folder
    });
    let expected = lines(folders[0].path());
    assert!(expected.contains("\"test\""));
    for folder in &folders[1..] {
        assert_eq!(lines(folder.path()), expected);
    }
}

#[test]
fn trials_of_different_shapes_and_lengths_are_trained_apart() {
    let search = search(Sample::List, &["hidden=3,5", "half-cycle=4,6", "lambda=0,0.1"], None);
    let (one, many) = (tempdir().unwrap(), tempdir().unwrap());
    let records = run(&search, &trainer(100), many.path(), Shard::WHOLE);
    run(&search, &trainer(1), one.path(), Shard::WHOLE);
    assert_eq!(lines(one.path()), lines(many.path()));
    let steps: Vec<_> = records.iter().map(|record| record.evaluations.last().unwrap().step).collect();
    assert_eq!(steps, [16, 16, 24, 24, 16, 16, 24, 24]);
}

#[test]
fn what_the_models_of_a_job_share_can_be_searched() {
    let axes = ["hidden=3,5-4,none", "momentum=0,0.9", "shift=0,2", "schedule=triangular,one-cycle"];
    let search = search(Sample::List, &axes, None);
    let (one, many) = (tempdir().unwrap(), tempdir().unwrap());
    let records = run(&search, &trainer_on(3072, 100), many.path(), Shard::WHOLE);
    run(&search, &trainer_on(3072, 1), one.path(), Shard::WHOLE);
    assert_eq!(lines(one.path()), lines(many.path()));
    let mut alone = search.clone();
    alone.space = Space::new(Sample::List, vec!["lambda=0.00895".parse().unwrap()], None).unwrap();
    let config = Config { hidden: Hidden::new(&[5, 4]), momentum: 0.9, shift: 2, ..search.config };
    alone.config = Config { schedule: Policy::OneCycle, ..config };
    let folder = tempdir().unwrap();
    let alone = run(&alone, &trainer_on(3072, 1), folder.path(), Shard::WHOLE);
    // The last of each list but the first, of which it is the second of three.
    assert_eq!(records[15].trial.spec, alone[0].trial.spec);
    assert_eq!((&records[15].evaluations, records[15].result), (&alone[0].evaluations, alone[0].result));
    assert!(records.iter().filter(|record| record.result == alone[0].result).count() == 1);
}

#[test]
fn what_a_schedule_has_can_be_searched_in_one_wave() {
    let mut search = search(Sample::List, &["gamma=0.5,1", "step-size=3,24", "warmup=0,4"], None);
    search.config.schedule = Policy::Step;
    search.config.evals_per_cycle = 2;
    let folder = tempdir().unwrap();
    let records = run(&search, &trainer(100), folder.path(), Shard::WHOLE);
    let rates = |trial: usize| records[trial].evaluations.iter().map(|point| point.lr).collect::<Vec<_>>();
    assert_eq!(rates(0), [0.2, 0.05, 0.0125, 0.2 / 64.0, 0.2 / 256.0]);
    assert_eq!(rates(1), [0.05, 0.05, 0.0125, 0.2 / 64.0, 0.2 / 256.0]);
    assert_eq!(rates(2), [0.2, 0.2, 0.2, 0.2, 0.1]);
    assert_eq!(rates(6), [0.2; 5]);
}

#[test]
fn seeds_can_be_searched_and_have_their_own_batches() {
    let alone = search(Sample::List, &["seed=3"], None);
    let among = search(Sample::List, &["seed=1,2,3"], None);
    let (one, three) = (tempdir().unwrap(), tempdir().unwrap());
    let [one] = &run(&alone, &trainer(5), one.path(), Shard::WHOLE)[..] else { panic!("one trial") };
    let three = run(&among, &trainer(5), three.path(), Shard::WHOLE);
    assert_eq!(one.result, three[2].result);
    assert_ne!(three[0].result, three[1].result);
}

/// Stops a search after `waves` waves, then resumes it.
fn interrupted(search: &Search, waves: usize, half_a_line: bool) -> TempDir {
    let folder = tempdir().unwrap();
    let trainer = trainer(2);
    let plan = Plan::new(search, &trainer.dataset, &trainer.split).unwrap();
    let whole = tempdir().unwrap();
    let all = run(search, &trainer, whole.path(), Shard::WHOLE);
    let mut opened = Folder::open(folder.path(), &plan).unwrap();
    let mut left = waves;
    let missing = search.trials();
    let stopped = trainer.fresh(&missing, &mut |event| {
        let Event::Ended(wave) = event else { return Ok(()) };
        if left == 0 {
            return Err(Error::Internal("stopped".into()));
        }
        left -= 1;
        opened.append(&wave.records)
    });
    assert!(stopped.is_err());
    drop(opened);
    if half_a_line {
        let path = folder.path().join("trials.jsonl");
        let text = fs::read_to_string(&path).unwrap() + "{\"trial\":9,\"stage\":0,\"hid";
        fs::write(path, text).unwrap();
    }
    assert_eq!(run(search, &trainer, folder.path(), Shard::WHOLE), all);
    folder
}

#[test]
fn a_stopped_search_resumes_to_the_same_ranking() {
    let search = search(Sample::LogUniform, &["1e-4:1"], Some(9));
    let whole = tempdir().unwrap();
    let records = run(&search, &trainer(4), whole.path(), Shard::WHOLE);
    for half_a_line in [false, true] {
        let folder = interrupted(&search, 2, half_a_line);
        assert_eq!(lines(folder.path()), lines(whole.path()));
        let plan = Plan::new(&search, &trainer(1).dataset, &trainer(1).split).unwrap();
        let resumed = Folder::open(folder.path(), &plan).unwrap();
        assert_eq!(ranking(&search, resumed.records()), ranking(&search, &records));
    }
}

#[test]
fn a_finished_trial_is_not_trained_again() {
    let search = search(Sample::List, &["lambda=0,0.1,0.2"], None);
    let folder = tempdir().unwrap();
    run(&search, &trainer(1), folder.path(), Shard::WHOLE);
    let forged = lines(folder.path()).replacen("\"epoch\":", "\"epoch\":1e3,\"was\":", 1);
    assert_ne!(forged, lines(folder.path()));
    fs::write(folder.path().join("trials.jsonl"), &forged).unwrap();
    let records = run(&search, &trainer(1), folder.path(), Shard::WHOLE);
    approx::assert_relative_eq!(records[0].evaluations[0].epoch, 1e3);
}

#[test]
fn a_record_that_is_none_is_named_with_its_line() {
    let search = search(Sample::List, &["lambda=0,0.1"], None);
    let folder = tempdir().unwrap();
    run(&search, &trainer(1), folder.path(), Shard::WHOLE);
    let damaged = lines(folder.path()).replacen("\n{", "\n{{", 1);
    fs::write(folder.path().join("trials.jsonl"), damaged).unwrap();
    let plan = Plan::new(&search, &trainer(1).dataset, &trainer(1).split).unwrap();
    let Err(error) = Folder::open(folder.path(), &plan) else { panic!("read") };
    assert_eq!(error.exit_code(), 8);
    assert!(error.to_string().contains("trials.jsonl: line 2: not a trial's record"), "{error}");
}

#[test]
fn another_search_is_never_mixed_in() {
    let folder = tempdir().unwrap();
    run(&search(Sample::List, &["lambda=0,0.1"], None), &trainer(1), folder.path(), Shard::WHOLE);
    let trainer = trainer(1);
    let other = search(Sample::List, &["lambda=0,0.2"], None);
    let plan = Plan::new(&other, &trainer.dataset, &trainer.split).unwrap();
    let Err(error) = Folder::open(folder.path(), &plan) else { panic!("mixed") };
    assert_eq!(error.exit_code(), 2);
    assert!(error.to_string().contains("another search"), "{error}");
    let strange = tempdir().unwrap();
    fs::write(strange.path().join("mine.txt"), "kept").unwrap();
    assert!(Folder::open(strange.path(), &plan).is_err());
}

#[test]
fn two_processes_do_not_search_in_one_folder() {
    let folder = tempdir().unwrap();
    let (search, trainer) = (search(Sample::List, &["lambda=0"], None), trainer(1));
    let plan = Plan::new(&search, &trainer.dataset, &trainer.split).unwrap();
    let first = Folder::open(folder.path(), &plan).unwrap();
    let Err(error) = Folder::open(folder.path(), &plan) else { panic!("both write") };
    assert_eq!(error.exit_code(), 9);
    drop(first);
    assert!(Folder::open(folder.path(), &plan).is_ok());
}

#[test]
fn a_trial_that_diverges_is_frozen_and_leaves_the_others_alone() {
    let wild = search(Sample::List, &["lr-max=0.1,1e30,0.2"], None);
    let tame = search(Sample::List, &["lr-max=0.1,0.2"], None);
    let (first, second) = (tempdir().unwrap(), tempdir().unwrap());
    let wild_records = run(&wild, &trainer(3), first.path(), Shard::WHOLE);
    let tame_records = run(&tame, &trainer(3), second.path(), Shard::WHOLE);
    assert_eq!(wild_records[1].result, None);
    let diverged = wild_records[1].diverged.as_ref().unwrap();
    // Rate 1e-3 first, then a sixth of 1e30.
    assert!((1..6).contains(&diverged.step), "{diverged:?}");
    assert_eq!(wild_records[1].evaluations.len(), 1);
    for (wild, tame) in [(0, 0), (2, 1)] {
        assert_eq!(wild_records[wild].evaluations, tame_records[tame].evaluations);
        assert_eq!(wild_records[wild].result, tame_records[tame].result);
    }
    assert_eq!(rank(&wild_records)[2].trial.trial, 1);
    assert!(ranking(&wild, &wild_records).contains(&format!("diverged at step {}", diverged.step)));
}

#[test]
fn a_search_whose_trials_all_diverge_ends() {
    let search = search(Sample::List, &["lr-max=1e30,1e31"], None);
    let folder = tempdir().unwrap();
    let records = run(&search, &trainer(2), folder.path(), Shard::WHOLE);
    assert!(records.iter().all(|record| record.diverged.is_some()));
}

fn warm(axes: &[&str]) -> Search {
    Search { warm_start: true, ..search(Sample::List, axes, None) }
}

#[test]
fn a_warm_start_carries_one_network_through_the_sorted_values() {
    let folder = tempdir().unwrap();
    let records = run(&warm(&["lambda=0.3,0.1,0.2"]), &trainer(2), folder.path(), Shard::WHOLE);
    let lambdas: Vec<_> = records.iter().map(|record| record.trial.spec.lambda.to_string()).collect();
    assert_eq!(lambdas, ["0.1", "0.2", "0.3"]);
    for pair in records.windows(2) {
        let (before, after) = (pair[0].evaluations.last().unwrap(), &pair[1].evaluations[0]);
        // The same network under another penalty; and the schedule begins anew.
        assert_eq!(before.train.accuracy.to_bits(), after.train.accuracy.to_bits());
        assert_eq!(before.train.loss.to_bits(), after.train.loss.to_bits());
        assert_eq!((after.step, after.lr.to_bits()), (0, 1e-3_f64.to_bits()));
    }
}

#[test]
fn a_warm_started_search_resumes_from_its_last_network() {
    let mut search = warm(&["lambda=0.1,0.2,0.3,0.4,0.5"]);
    search.config.momentum = 0.9;
    let (whole, cut) = (tempdir().unwrap(), tempdir().unwrap());
    run(&search, &trainer(1), whole.path(), Shard::WHOLE);
    let trainer = trainer(1);
    let plan = Plan::new(&search, &trainer.dataset, &trainer.split).unwrap();
    let mut folder = Folder::open(cut.path(), &plan).unwrap();
    let trials = search.trials();
    trainer
        .warm(&trials[..3], None, &mut |event| {
            let Event::Ended(wave) = event else { return Ok(()) };
            folder.keep_network(wave.records[0].trial.trial, &wave.params[0])?;
            folder.append(&wave.records)
        })
        .unwrap();
    drop(folder);
    assert!(cut.path().join("after-2.safetensors").exists() && !cut.path().join("after-1.safetensors").exists());
    run(&search, &trainer, cut.path(), Shard::WHOLE);
    assert_eq!(lines(cut.path()), lines(whole.path()));
}

#[test]
fn a_warm_started_search_continues_after_a_divergence() {
    let folder = tempdir().unwrap();
    let records = run(&warm(&["lr-max=0.1,0.2,1e30,2e30"]), &trainer(1), folder.path(), Shard::WHOLE);
    assert!(records[2].diverged.is_some() && records[3].diverged.is_some());
    assert_eq!(records[3].evaluations[0].train, records[2].evaluations[0].train);
}

#[test]
fn refining_searches_as_many_again_around_the_best() {
    let search = Search { refine: 2, ..search(Sample::LogUniform, &["1e-4:1"], Some(6)) };
    let folder = tempdir().unwrap();
    let records = run(&search, &trainer(4), folder.path(), Shard::WHOLE);
    let stages: Vec<_> = records.iter().map(|record| record.trial.stage).collect();
    assert_eq!(stages, [0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1]);
    let again = tempdir().unwrap();
    assert_eq!(run(&search, &trainer(1), again.path(), Shard::WHOLE), records);
}

#[test]
fn what_cannot_be_searched_is_refused_by_name() {
    let refused = |search: Search, part: &str| {
        let error = search.check().unwrap_err();
        assert_eq!(error.exit_code(), 2);
        assert!(error.to_string().contains(part), "{part} in: {error}");
    };
    refused(Search { refine: 1, ..warm(&["lambda=1,2"]) }, "--warm-start --refine");
    refused(warm(&["lambda=1,2", "lr-max=1,2"]), "one parameter");
    refused(warm(&["hidden=1,2"]), "different hidden");
    refused(warm(&["schedule=step,cosine"]), "can be sorted");
    refused(search(Sample::List, &["weight-decay=0.1"], None), "--weight-decay is of --optimizer adamw");
    refused(search(Sample::List, &["hidden=0,3"], None), "--hidden 0");
    refused(search(Sample::List, &["lr-max=1e-9"], None), "--lr-min");
    let repeated = search(Sample::List, &["lambda=1"], None);
    refused(Search { config: Config { repeats: 2, ..repeated.config.clone() }, ..repeated }, "--repeats");
}
