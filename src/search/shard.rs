//! The part of a search that this process, or job of ranks, trains.

use std::fmt;
use std::str::FromStr;

use crate::error::{Error, Result};

/// Part `index` of `count`, from 0, written `INDEX/COUNT`: every `count`-th trial.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    /// Which part.
    pub index: usize,
    /// How many there are.
    pub count: usize,
}

impl Shard {
    /// All trials.
    pub const WHOLE: Self = Self { index: 0, count: 1 };

    /// Whether the trial of this number is in it.
    pub fn has(self, trial: usize) -> bool {
        trial % self.count == self.index
    }

    /// The name of its folder within the search's.
    pub fn folder(self) -> String {
        format!("shard-{}-of-{}", self.index, self.count)
    }

    /// The part that a scheduler's environment asks for, and its variables: a Slurm array's
    /// `SLURM_ARRAY_TASK_ID` (from `SLURM_ARRAY_TASK_MIN`) of `SLURM_ARRAY_TASK_COUNT`; an indexed Kubernetes job's
    /// `JOB_COMPLETION_INDEX` of `JOB_COMPLETIONS`, which the job's file must set; Open MPI's
    /// `OMPI_COMM_WORLD_RANK` of `OMPI_COMM_WORLD_SIZE`.
    ///
    /// # Errors
    ///
    /// [`Error::Usage`] for variables that are not such numbers, or half of a pair.
    pub fn from_environment(variable: impl Fn(&str) -> Option<String>) -> Result<Option<(Self, String)>> {
        const SCHEDULERS: [[&str; 3]; 3] = [
            ["SLURM_ARRAY_TASK_ID", "SLURM_ARRAY_TASK_COUNT", "SLURM_ARRAY_TASK_MIN"],
            ["JOB_COMPLETION_INDEX", "JOB_COMPLETIONS", ""],
            ["OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE", ""],
        ];
        for [index, count, first] in SCHEDULERS {
            let Some(found) = variable(index) else { continue };
            let number = |name: &str, text: &str| -> Result<usize> {
                text.parse().map_err(|_| {
                    Error::Usage(format!("{name}={text}: expected a number; --shard INDEX/COUNT overrides it"))
                })
            };
            let Some(of) = variable(count) else {
                return Err(Error::Usage(format!(
                    "{index}={found} is set and {count} is not: set it to the number of parts, or give --shard INDEX/COUNT"
                )));
            };
            let start = variable(first).map_or(Ok(0), |text| number(first, &text))?;
            let (place, parts) = (number(index, &found)?, number(count, &of)?);
            let shard = place.checked_sub(start).map(|index| Self { index, count: parts });
            let shard = shard.filter(|shard| shard.index < shard.count).ok_or_else(|| {
                Error::Usage(format!(
                    "{index}={found} {count}={of}: expected {start} to {}; --shard INDEX/COUNT overrides it",
                    (start + parts).saturating_sub(1)
                ))
            })?;
            return Ok(Some((shard, format!("{index}={found} {count}={of}"))));
        }
        Ok(None)
    }
}

impl FromStr for Shard {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let parts = text.split_once('/').and_then(|(index, count)| Some((index.parse().ok()?, count.parse().ok()?)));
        match parts {
            Some((index, count)) if index < count => Ok(Self { index, count }),
            _ => Err(Error::Usage(format!("--shard {text}: expected INDEX/COUNT with INDEX from 0 to COUNT − 1"))),
        }
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index, self.count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(variables: &[(&str, &str)]) -> Result<Option<Shard>> {
        let variable =
            |name: &str| variables.iter().find(|(other, _)| *other == name).map(|(_, value)| (*value).to_owned());
        Ok(Shard::from_environment(variable)?.map(|(shard, _)| shard))
    }

    #[test]
    fn every_trial_is_in_one_shard() {
        for trial in 0..10 {
            assert_eq!((0..3).filter(|&index| Shard { index, count: 3 }.has(trial)).count(), 1);
        }
    }

    #[test]
    fn a_shard_is_written_as_it_is_typed() {
        assert_eq!("2/7".parse::<Shard>().unwrap().to_string(), "2/7");
        for text in ["", "1", "2/2", "0/0", "-1/2", "1/x"] {
            let error = text.parse::<Shard>().unwrap_err();
            assert!(error.to_string().contains("INDEX/COUNT"), "{error}");
        }
    }

    #[test]
    fn schedulers_say_which_part() {
        assert_eq!(from(&[]).unwrap(), None);
        let slurm = [("SLURM_ARRAY_TASK_ID", "5"), ("SLURM_ARRAY_TASK_COUNT", "4"), ("SLURM_ARRAY_TASK_MIN", "2")];
        assert_eq!(from(&slurm).unwrap(), Some(Shard { index: 3, count: 4 }));
        let kubernetes = [("JOB_COMPLETION_INDEX", "0"), ("JOB_COMPLETIONS", "3")];
        assert_eq!(from(&kubernetes).unwrap(), Some(Shard { index: 0, count: 3 }));
        let mpi = [("OMPI_COMM_WORLD_RANK", "1"), ("OMPI_COMM_WORLD_SIZE", "2")];
        assert_eq!(from(&mpi).unwrap(), Some(Shard { index: 1, count: 2 }));
    }

    #[test]
    fn half_an_environment_is_an_error_that_names_the_other_half() {
        for (variables, part) in [
            (&[("JOB_COMPLETION_INDEX", "0")][..], "JOB_COMPLETIONS"),
            (&[("OMPI_COMM_WORLD_RANK", "2"), ("OMPI_COMM_WORLD_SIZE", "2")], "expected 0 to 1"),
            (&[("OMPI_COMM_WORLD_RANK", "x"), ("OMPI_COMM_WORLD_SIZE", "2")], "expected a number"),
        ] {
            let error = from(variables).unwrap_err();
            assert_eq!(error.exit_code(), 2);
            assert!(error.to_string().contains(part), "{part} in: {error}");
        }
    }
}
