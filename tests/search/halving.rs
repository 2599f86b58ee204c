//! Successive halving: a trial that goes on has the bits of a whole training, also after a stop.

use std::collections::BTreeMap;
use std::process::Stdio;

use cyclone::config::spec::Method;
use cyclone::model::params::Params;
use cyclone::search::halving::Halving;

use super::commands::{SHORT, command, output, printed, refused, until_written};
use super::*;

/// Twelve trials of learning rate and penalty, of which six, three and one go on, evaluated between the rungs' ends too.
fn halved(config: Config) -> Search {
    let mut search = search(Sample::Uniform, &["lambda=0:0.3", "lr-max=0.01:0.5", "seed=4,5"], Some(12));
    search.config = Config { evals_per_cycle: 4, cycles: Some(3), ..config };
    Search { halving: Some(Halving::new(2, None, 12).unwrap()), ..search }
}

fn plain(search: &Search) -> Search {
    Search { halving: None, ..search.clone() }
}

/// How the trials may be trained that are halved.
fn configs() -> [Config; 4] {
    let base = search(Sample::List, &["lambda=0"], None).config;
    let one_cycle = Config { schedule: Policy::OneCycle, warmup: 5, ..base.clone() };
    [
        Config { momentum: 0.9, nesterov: true, ..one_cycle },
        Config { optimizer: Method::Adamw, schedule: Policy::Cosine, lr_max: 0.02, ..base.clone() },
        Config { hidden: Hidden::new(&[6, 4]), shift: 2, ..base.clone() },
        base,
    ]
}

/// Searches in `folder` until `waves` waves have been recorded. The networks that each trial came to, and the records.
fn train(search: &Search, wave: usize, folder: &Path, waves: usize) -> (BTreeMap<usize, Params>, Vec<Record>) {
    let trainer = trainer_on(3072, wave);
    let plan = Plan::new(search, &trainer.dataset, &trainer.split).unwrap();
    let mut folder = Folder::open(folder, &plan).unwrap();
    let (mut networks, mut recorded) = (BTreeMap::new(), 0);
    let searched = search::run(search, &trainer, &Ranks::alone(), &mut folder, Shard::WHOLE, &mut |event| {
        if let Event::Ended(wave) = event {
            let numbers = wave.records.iter().map(|record| record.trial.trial);
            networks.extend(numbers.zip(wave.params.iter().cloned()));
        }
        recorded += usize::from(matches!(event, Event::Recorded(_)));
        if recorded == waves { Err(Error::Internal("stopped".into())) } else { Ok(()) }
    });
    assert_eq!(searched.is_err(), recorded == waves);
    folder.sort().unwrap();
    (networks, folder.records().to_vec())
}

/// Of the weights and the optimizer's moments.
fn bits(params: &Params) -> Vec<u32> {
    params.values.iter().flatten().map(|value| value.to_bits()).collect()
}

fn states(folder: &Path) -> Vec<String> {
    let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names.filter(|name| name.contains("-rung-")).collect();
    names.sort();
    names
}

#[test]
fn a_trial_that_goes_on_has_the_bits_of_a_whole_training() {
    for config in configs() {
        let search = halved(config);
        let (whole, folder) = (tempdir().unwrap(), tempdir().unwrap());
        let (whole_networks, whole_records) = train(&plain(&search), 100, whole.path(), usize::MAX);
        let (networks, records) = train(&search, 100, folder.path(), usize::MAX);
        let mut ended = [0; 5];
        for (record, whole) in records.iter().zip(&whole_records) {
            ended[record.rungs.len()] += 1;
            let steps: Vec<_> = record.rungs.iter().map(|point| point.step).collect();
            // Three cycles of 12 steps.
            assert_eq!(steps, [5, 9, 18, 36][..steps.len()]);
            assert_eq!(record.evaluations, whole.evaluations[..record.evaluations.len()]);
            // A rung's end that falls on an evaluation of the whole training has its scores.
            for point in &record.rungs {
                let same = whole.evaluations.iter().find(|other| other.step == point.step);
                assert!(same.is_none_or(|other| other == point));
            }
            if record.rungs.len() == 4 {
                assert_eq!((&record.evaluations, record.result), (&whole.evaluations, whole.result));
                let number = record.trial.trial;
                assert_eq!(bits(&networks[&number]), bits(&whole_networks[&number]));
            } else {
                assert!(record.result.unwrap().test.is_none());
            }
        }
        assert_eq!(ended, [0, 6, 3, 2, 1], "trials that ended so many rungs");
        assert_eq!(states(folder.path()), [""; 0]);
        for wave in [1, 5] {
            let other = tempdir().unwrap();
            assert_eq!(train(&search, wave, other.path(), usize::MAX), (networks.clone(), records.clone()));
        }
    }
}

#[test]
fn the_better_ones_at_a_rungs_end_go_on() {
    let folder = tempdir().unwrap();
    let (_, records) = train(&halved(configs()[3].clone()), 5, folder.path(), usize::MAX);
    for rung in 0..3 {
        let ended: Vec<_> = records.iter().filter(|record| record.rungs.len() > rung).collect();
        let (on, out): (Vec<_>, Vec<_>) = ended.into_iter().partition(|record| record.rungs.len() > rung + 1);
        let merit = |record: &&Record| record.rungs[rung].merit();
        let worst = on.iter().map(merit).fold(f64::MAX, f64::min);
        assert!(out.iter().map(merit).all(|merit| merit <= worst));
    }
    let ranked: Vec<_> = rank(&records).iter().map(|record| record.rungs.len()).collect();
    assert_eq!(ranked, [4, 3, 3, 2, 2, 2, 1, 1, 1, 1, 1, 1]);
    assert!(ranking(&halved(configs()[3].clone()), &records).contains("one in 2 went on"));
}

#[test]
fn a_halving_stopped_after_any_wave_resumes_to_the_same_bits() {
    let search = halved(configs()[0].clone());
    let whole = tempdir().unwrap();
    let (networks, records) = train(&search, 3, whole.path(), usize::MAX);
    // Four in the first rung, two in the second, one in each of the others.
    for waves in 1..8 {
        let folder = tempdir().unwrap();
        train(&search, 3, folder.path(), waves);
        // What a process leaves that is killed between a state and its record.
        fs::write(folder.path().join("trial-0-rung-4.safetensors"), "half").unwrap();
        let (resumed, records_after) = train(&search, 2, folder.path(), usize::MAX);
        assert_eq!(records_after, records, "stopped after {waves} waves");
        assert_eq!(lines(folder.path()), lines(whole.path()));
        let last = records.iter().find(|record| record.rungs.len() == 4).unwrap().trial.trial;
        assert_eq!(bits(&resumed[&last]), bits(&networks[&last]));
        assert_eq!(states(folder.path()), [""; 0]);
    }
}

#[test]
fn only_states_of_trials_that_may_go_on_are_kept() {
    let search = halved(configs()[3].clone());
    let folder = tempdir().unwrap();
    let (_, records) = train(&search, 3, folder.path(), 4);
    let kept: Vec<_> = rank(&records)[..6].iter().map(|record| record.trial.trial).collect();
    let mut expected: Vec<_> = kept.iter().map(|trial| format!("trial-{trial}-rung-1.safetensors")).collect();
    expected.sort();
    assert_eq!(states(folder.path()), expected);

    let lost = folder.path().join(&expected[0]);
    fs::remove_file(&lost).unwrap();
    let trainer = trainer_on(3072, 3);
    let plan = Plan::new(&search, &trainer.dataset, &trainer.split).unwrap();
    let mut opened = Folder::open(folder.path(), &plan).unwrap();
    let error =
        search::run(&search, &trainer, &Ranks::alone(), &mut opened, Shard::WHOLE, &mut |_| Ok(())).unwrap_err();
    assert_eq!(error.exit_code(), 8);
    let cure = "from trials.jsonl to train it from its start";
    assert!(error.to_string().contains(&expected[0]) && error.to_string().contains(cure), "{error}");
    drop(opened);
    let number: usize = expected[0]["trial-".len()..].split('-').next().unwrap().parse().unwrap();
    let others = lines(folder.path());
    let others: Vec<_> = others.lines().filter(|line| !line.starts_with(&format!("{{\"trial\":{number},"))).collect();
    fs::write(folder.path().join("trials.jsonl"), others.join("\n") + "\n").unwrap();
    let whole = tempdir().unwrap();
    assert_eq!(train(&search, 3, folder.path(), usize::MAX).1, train(&search, 3, whole.path(), usize::MAX).1);

    // A process that was killed before it could remove the last ones.
    fs::write(&lost, "a state").unwrap();
    train(&search, 3, folder.path(), usize::MAX);
    assert_eq!(states(folder.path()), [""; 0]);
}

#[test]
fn a_trial_that_diverges_does_not_go_on() {
    let mut search = search(Sample::List, &["lr-max=1e30,0.1,1e31,0.2,0.3,1e32,1e33"], None);
    search.halving = Some(Halving::new(2, None, 7).unwrap());
    let folder = tempdir().unwrap();
    let (_, records) = train(&search, 3, folder.path(), usize::MAX);
    let rungs: Vec<_> = records.iter().map(|record| record.rungs.len()).collect();
    assert_eq!([0, 2, 5, 6].map(|trial| (rungs[trial], records[trial].diverged.is_some())), [(0, true); 4]);
    assert_eq!(rungs.iter().filter(|&&rungs| rungs == 3).count(), 1);
    let mut wild = search.clone();
    wild.space = Space::new(Sample::List, vec!["lr-max=1e30,1e31".parse().unwrap()], None).unwrap();
    wild.halving = Some(Halving::new(2, None, 2).unwrap());
    let folder = tempdir().unwrap();
    let (_, records) = train(&wild, 3, folder.path(), usize::MAX);
    assert!(records.iter().all(|record| record.diverged.is_some()));
}

#[test]
fn refining_halves_the_second_stage_too() {
    let search = Search { refine: 2, ..halved(configs()[3].clone()) };
    let (folder, again) = (tempdir().unwrap(), tempdir().unwrap());
    let (_, records) = train(&search, 4, folder.path(), usize::MAX);
    for stage in [0, 1] {
        let of_stage = records.iter().filter(|record| record.trial.stage == stage);
        let mut ended = [0; 5];
        of_stage.for_each(|record| ended[record.rungs.len()] += 1);
        assert_eq!(ended, [0, 6, 3, 2, 1]);
    }
    train(&search, 4, again.path(), 9);
    assert_eq!(train(&search, 4, again.path(), usize::MAX).1, records);
}

#[test]
fn what_cannot_be_halved_is_refused_by_name() {
    let is_none = |halving: Result<Halving, Error>, part: &str| {
        let error = halving.unwrap_err();
        assert_eq!(error.exit_code(), 2);
        assert!(error.to_string().contains(part), "{part} in: {error}");
    };
    is_none(Halving::new(1, None, 9), "--eta 1: expected 2 or more");
    is_none(Halving::new(3, None, 2), "expected --trials 3 or more");
    is_none(Halving::new(3, Some(4), 26), "--rungs 4: expected 2 to 3");
    is_none(Halving::new(3, Some(1), 27), "--rungs 1: expected 2 to 4");
    assert_eq!(Halving::new(3, None, 27).unwrap(), Halving { eta: 3, rungs: 4 });
    let mut short = halved(configs()[3].clone());
    short.config.steps = Some(7);
    let folder = tempdir().unwrap();
    let trainer = trainer_on(3072, 3);
    let plan = Plan::new(&short, &trainer.dataset, &trainer.split).unwrap();
    let mut opened = Folder::open(folder.path(), &plan).unwrap();
    let run = search::run(&short, &trainer, &Ranks::alone(), &mut opened, Shard::WHOLE, &mut |_| Ok(()));
    assert!(run.unwrap_err().to_string().contains("7 steps are too few for 4 rungs"));
    for (arguments, part) in [
        ("--halving --warm-start", "--warm-start --halving"),
        ("--halving --shard 0/2 --out out", "follows from the results of all"),
        ("--eta 2", "--halving"),
    ] {
        refused(folder.path(), arguments, part);
    }
}

#[test]
fn a_halving_is_killed_and_resumed_and_reported() {
    let folder = tempdir().unwrap();
    let short = format!("{SHORT} --halving --eta 2 --momentum 0.9 --flip alternate");
    let whole = output(command(folder.path(), &format!("{short} --out whole")));
    let said = String::from_utf8_lossy(&whole.stderr).into_owned();
    for part in ["rung 1 of 4 ended after ", ": 12 trials; the best 6 go on, those with ", "rung 4 of 4: 1 of 1 trials"]
    {
        assert!(said.contains(part), "{part} in: {said}");
    }
    let mut child = command(folder.path(), &format!("{short} --out killed"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    until_written(&folder.path().join("killed/trials.jsonl"));
    child.kill().unwrap();
    child.wait().unwrap();
    let resumed = output(command(folder.path(), "search --resume killed --device cpu"));
    assert_eq!(lines(&folder.path().join("killed")), lines(&folder.path().join("whole")));
    assert_eq!(printed(&resumed), printed(&whole));
    let summary: serde_json::Value =
        serde_json::from_slice(&fs::read(folder.path().join("whole/summary.json")).unwrap()).unwrap();
    let rungs = summary["rungs"].as_array().unwrap();
    assert_eq!(rungs.iter().map(|rung| rung.as_array().unwrap().len()).collect::<Vec<_>>(), [12, 6, 3, 1]);
    output(command(folder.path(), "report whole"));
    let page = fs::read_to_string(folder.path().join("whole/report.html")).unwrap();
    assert!(page.contains("one trial in 2 went on"));
}
