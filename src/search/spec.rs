//! What is searched, and the trials that follow from it.

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};

use super::halving::Halving;
use super::parameter::Value;
use super::space::Space;
use super::trial::{Record, Trial, rank};
use crate::config::Config;
use crate::error::{Error, Result};

/// What is searched.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Search {
    /// All other settings of the trials.
    #[serde(skip)]
    pub config: Config,
    /// The values searched.
    #[serde(flatten)]
    pub space: Space,
    /// Whether one network is trained through the sorted values.
    pub warm_start: bool,
    /// Around how many of the best trials to search again; 0 for none.
    pub refine: usize,
    /// Whether trials are scored on the test images.
    pub with_test: bool,
    /// How the worse trials of a stage are ended early, if they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub halving: Option<Halving>,
}

impl Search {
    /// Rejects searches that cannot be run, naming the flag.
    pub fn check(&self) -> Result<()> {
        let usage = |what: &str| Err(Error::Usage(what.into()));
        if self.config.overfit_one_batch {
            return usage("--overfit-one-batch checks one training: use it with train");
        }
        if self.config.repeats > 1 {
            return usage(
                "--repeats is train's: search --sample list --range seed=0,1,2 and so on tries several seeds",
            );
        }
        if self.warm_start && self.refine > 0 {
            return usage(
                "--warm-start --refine: the trials of a warm-started search are one training and cannot be refined",
            );
        }
        if self.warm_start && self.halving.is_some() {
            return usage("--warm-start --halving: the trials of a warm-started search are one training, all of it");
        }
        if let Some(Halving { eta, rungs }) = self.halving {
            Halving::new(eta, Some(rungs), self.space.trials)?;
        }
        match &self.space.parameters()[..] {
            _ if !self.warm_start => {}
            [parameter] if parameter.decides_shape() => {
                return Err(Error::Usage(format!(
                    "--warm-start: networks of different {} cannot continue from one another",
                    parameter.name()
                )));
            }
            [parameter] if !parameter.is_word() => {}
            _ => return usage("--warm-start: expected one parameter, whose values can be sorted"),
        }
        let (parameters, points) = (self.space.parameters(), self.space.points(self.config.seed));
        points.iter().try_for_each(|point| {
            // The flag that is wrong is the range's, or follows from it.
            let named = |message: String| {
                let values = parameters
                    .iter()
                    .zip(point)
                    .map(|(parameter, value)| format!("{}={}", parameter.name(), parameter.show(value)));
                Error::Usage(format!("the trial with {}: {message}", values.collect::<Vec<_>>().join(", ")))
            };
            self.config_at(point).check().map_err(|error| match error {
                Error::Usage(message) => named(message),
                other => other,
            })
        })
    }

    /// The trials of stage 0, numbered from 0.
    pub fn trials(&self) -> Vec<Trial> {
        let mut points = self.space.points(self.config.seed);
        if self.warm_start {
            points.sort_by(|a, b| match (&a[0], &b[0]) {
                (Value::Number(a), Value::Number(b)) => a.total_cmp(b),
                _ => Ordering::Equal,
            });
        }
        let mut trials = self.at(&points, 0, 0);
        if self.warm_start {
            for trial in &mut trials {
                trial.spec.seed = trial.spec.seed.wrapping_add(trial.trial as u64);
            }
        }
        trials
    }

    /// The trials of stage 1: as many again, around the best of stage 0, given all its records.
    pub fn refined(&self, records: &[Record]) -> Vec<Trial> {
        let ranked = rank(records).into_iter().filter(|record| record.result.is_some());
        let best: Vec<_> = ranked.map(|record| self.point(&record.trial)).collect();
        let first = records.len();
        let points = self.space.refined_points(&best, self.refine, self.config.seed, first as u64);
        self.at(&points, 1, first)
    }

    /// The settings of one of its trials.
    pub fn config_of(&self, trial: &Trial) -> Config {
        self.config_at(&self.point(trial))
    }

    /// A trial's values `[parameters]`.
    fn point(&self, trial: &Trial) -> Vec<Value> {
        self.space.parameters().iter().map(|parameter| parameter.of(trial)).collect()
    }

    /// A trial at each of `points [trials][parameters]`.
    fn at(&self, points: &[Vec<Value>], stage: usize, first: usize) -> Vec<Trial> {
        let trial = |(place, point): (usize, &Vec<Value>)| {
            let config = self.config_at(point);
            let (spec, cut) = (config.train_spec(), config.steps);
            Trial { trial: first + place, stage, hidden: config.hidden.clone(), spec, cut }
        };
        points.iter().enumerate().map(trial).collect()
    }

    /// The settings of a trial at `point [parameters]`.
    fn config_at(&self, point: &[Value]) -> Config {
        let mut config = self.config.clone();
        self.space.parameters().iter().zip(point).for_each(|(parameter, value)| parameter.set(&mut config, value));
        config
    }
}
