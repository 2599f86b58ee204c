use std::sync::{Arc, Mutex};

use super::*;
use crate::config::Config;
use crate::config::device::Choice;
use crate::config::schedule::Schedule;
use crate::config::spec::{Length, TrainSpec};
use crate::data::Dataset;
use crate::data::split::Split;
use crate::device::Device;
use crate::model::Hidden;
use crate::ranks::threads::on_ranks;

const INPUTS: usize = 7;

fn trainer() -> Trainer {
    let pixels = (0..30 * INPUTS as u32).map(|place| (place * place % 251) as u8).collect();
    let labels = (0..30).map(|image| image % 3).collect();
    let classes = ["a", "b", "c"].map(String::from).to_vec();
    let dataset = Arc::new(Dataset::in_memory("squares", classes, INPUTS, pixels, labels, 30));
    let split = Split { train: (0..20).collect(), validation: (20..30).collect(), test: Vec::new() };
    Trainer::new(Arc::new(Device::open(&Choice::Cpu).unwrap()), dataset, split, &Config::default()).unwrap()
}

/// A trial for each number of hidden units. One without hidden units fails.
fn trials(hidden: &[usize]) -> Vec<Trial> {
    let lr = Schedule::triangular(1e-3, 0.2, 3);
    let spec = TrainSpec {
        batch_size: 4,
        lr,
        length: Length::Cycles(1),
        evals_per_cycle: 1,
        ..Config::default().train_spec()
    };
    let trial =
        |(trial, &hidden)| Trial { trial, stage: 0, hidden: Hidden::one(hidden), spec: spec.clone(), cut: None };
    hidden.iter().enumerate().map(trial).collect()
}

/// What comes of the trials on `count` ranks: records by number, and how it ended.
fn searched(count: usize, trials: &[Trial]) -> (Vec<Record>, Result<()>) {
    let trainer = trainer();
    let records = Mutex::new(Vec::new());
    let mut ended = on_ranks(count, |ranks| {
        if !ranks.is_first() {
            return serve(&ranks, &trainer);
        }
        let ended = fresh(&ranks, &trainer, trials, &mut |event| {
            if let Event::Ended(wave) = event {
                records.lock().unwrap().extend_from_slice(&wave.records);
            }
            Ok(())
        });
        dismiss(&ranks).and(ended)
    });
    assert!(ended[1..].iter().all(Result::is_ok));
    let mut records = records.into_inner().unwrap();
    records.sort_by_key(|record| record.trial.trial);
    (records, ended.swap_remove(0))
}

#[test]
fn any_number_of_ranks_leaves_the_same_records() {
    let trials = trials(&[5, 5, 4, 5, 4, 3, 5]);
    let (alone, ended) = searched(1, &trials);
    assert!(ended.is_ok() && alone.len() == 7);
    for count in [2, 3, 9] {
        let (records, ended) = searched(count, &trials);
        ended.unwrap();
        assert_eq!(records, alone);
    }
}

#[test]
fn a_wave_that_fails_does_not_stop_the_others() {
    let (records, ended) = searched(2, &trials(&[5, 4, 0, 3, 2, 1]));
    let numbers: Vec<_> = records.iter().map(|record| record.trial.trial).collect();
    assert_eq!(numbers, [0, 1, 3, 4, 5]);
    let error = ended.unwrap_err();
    assert_eq!(error.exit_code(), 2);
    assert!(error.to_string().contains("trials without a record: 2"), "{error}");
}

#[test]
fn a_search_whose_ranks_all_fail_ends() {
    let mut bad = trials(&[0; 9]);
    // Not in one wave.
    (2..).zip(&mut bad).for_each(|(batch_size, trial)| trial.spec.batch_size = batch_size);
    let (records, ended) = searched(3, &bad);
    assert!(records.is_empty());
    assert!(ended.unwrap_err().to_string().contains("0, 1, 2, 3, 4, 5, 6, 7, 8"));
}
