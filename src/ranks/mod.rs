//! The processes of one job that a launcher such as `mpirun` has started, for `cyclone train` and `cyclone search`.
//!
//! A *rank* is such a process, numbered from 0. All ranks run the same command line. The first one, rank 0, opens and
//! writes the folder of records, and prints; the others are silent unless they fail. A process launched alone is a job of
//! one rank, and does what it would do without this module.
//!
//! Everything is built on three operations of a `Link`: send bytes to a rank, take bytes that have arrived, abort the job.
//! MPI is the only link, behind the cargo feature `mpi`; a build without it knows jobs of one rank only. No rank blocks
//! inside MPI, which would keep a processor core busy: it polls for messages and signals every millisecond.

use std::thread;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::device::Place;
use crate::error::{Error, Result};
use crate::model::params::Params;
use crate::util::signals::Signals;

use link::Link;

pub use local_sgd::LocalSgd;

mod link;
mod local_sgd;
#[cfg(feature = "mpi")]
mod mpi;
#[cfg(test)]
pub(crate) mod threads;

/// Between two polls for a message: negligible beside a wave or a cycle, and no load on the processor.
const POLL: Duration = Duration::from_millis(1);

/// What ended a command on one rank, as the others are told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cause {
    /// The exit code.
    pub code: u8,
    /// The error's text.
    pub message: String,
}

impl From<&Error> for Cause {
    fn from(error: &Error) -> Self {
        Self { code: error.exit_code(), message: error.to_string() }
    }
}

impl Cause {
    /// The error on all ranks, of which rank `of` had it.
    pub fn of(self, of: usize) -> Error {
        let Self { code, message } = self;
        Error::Job { code, message: if of == 0 { message } else { format!("rank {of}: {message}") } }
    }
}

/// This process among the ranks of its job.
pub struct Ranks {
    /// None in a job of one rank.
    link: Option<Box<dyn Link>>,
}

impl Ranks {
    /// Joins the processes that a launcher has started beside this one, if there are any and this build can.
    pub fn join() -> Result<Self> {
        #[cfg(feature = "mpi")]
        let link = mpi::join()?;
        #[cfg(not(feature = "mpi"))]
        let link = None;
        Ok(Self { link })
    }

    /// A job of one rank.
    pub fn alone() -> Self {
        Self { link: None }
    }

    /// This process's number, from 0.
    pub fn rank(&self) -> usize {
        self.link.as_ref().map_or(0, |link| link.rank())
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.link.as_ref().map_or(1, |link| link.count())
    }

    /// This process's place on its machine.
    pub fn place(&self) -> Place {
        self.link.as_ref().map_or(Place::ALONE, |link| link.place())
    }

    /// Whether this is the one that writes records and prints.
    pub fn is_first(&self) -> bool {
        self.rank() == 0
    }

    /// Whether this process has joined the others of its launcher.
    pub fn is_joined(&self) -> bool {
        self.link.is_some()
    }

    /// Rejects a command that several launched processes would each run alone, all doing the same.
    pub fn expect_joined(&self, variable: impl Fn(&str) -> Option<String>) -> Result<()> {
        let sizes = ["OMPI_COMM_WORLD_SIZE", "PMI_SIZE"].into_iter();
        let found = sizes.filter_map(|name| Some((name, variable(name)?.parse::<usize>().ok()?)));
        match found.filter(|(_, size)| *size > 1).last() {
            Some((name, size)) if !self.is_joined() => Err(Error::Usage(format!(
                "{name}={size}: {size} processes were started, and cannot work together: all would train the same \
                 network. Build cyclone with --features mpi, or start one process"
            ))),
            _ => Ok(()),
        }
    }

    /// The engine's description in a training whose weights are averaged.
    pub fn describe(&self, engine: String) -> String {
        if self.count() == 1 { engine } else { format!("{} ranks, each on {engine}", self.count()) }
    }

    /// Runs `make` on the first rank, and tells the others whether it succeeded.
    pub fn first<T>(&self, make: impl FnOnce() -> Result<T>) -> Result<Option<T>> {
        if self.count() == 1 {
            return make().map(Some);
        }
        let made = self.is_first().then(make).transpose();
        let cause = self.tell(made.as_ref().err().map(Cause::from))?;
        cause.map_or_else(|| Ok(made.unwrap_or_default()), |cause| Err(cause.of(0)))
    }

    /// Broadcasts the first rank's value.
    pub fn tell<T: Serialize + DeserializeOwned>(&self, value: T) -> Result<T> {
        if self.count() == 1 {
            return Ok(value);
        }
        if !self.is_first() {
            return self.wait(0, || None);
        }
        (1..self.count()).try_for_each(|rank| self.send(rank, &value))?;
        Ok(value)
    }

    /// Fails on all ranks if one has failed, or if `same` differs between them.
    pub fn agree<T>(&self, mine: Result<T>, same: impl Fn(&T) -> String) -> Result<T> {
        if self.count() == 1 {
            return mine;
        }
        let said = mine.as_ref().map(same).map_err(Cause::from);
        if !self.is_first() {
            self.send(0, &said)?;
            return match self.tell(None)? {
                None => mine,
                Some((rank, cause)) => Err(Cause::of(cause, rank)),
            };
        }
        let mut all = vec![said];
        for rank in 1..self.count() {
            all.push(self.wait::<Result<String, Cause>>(rank, || None)?);
        }
        let failed = all.iter().enumerate().find_map(|(rank, said)| Some((rank, said.as_ref().err()?.clone())));
        let other = all.iter().position(|said| *said != all[0]).map(|rank| {
            let message = "has other images or settings than rank 0: give all machines the same data and command line";
            (rank, Cause { code: 2, message: message.into() })
        });
        match self.tell(failed.or(other))? {
            None => mine,
            Some((rank, cause)) => Err(cause.of(rank)),
        }
    }

    /// Broadcasts the first rank's weights to the others, whose own have the same shapes.
    pub fn spread(&self, params: &mut [Params], stop: impl Fn() -> Option<Error>) -> Result<()> {
        let Some(link) = &self.link else { return Ok(()) };
        for values in params.iter_mut().flat_map(|params| &mut params.values) {
            if self.is_first() {
                (1..self.count()).for_each(|rank| link.send(rank, bytemuck::cast_slice(values)));
            } else {
                *values = self.wait_values(0, values.len(), &stop)?;
            }
        }
        Ok(())
    }

    /// Replaces the models' weights by their means over the ranks, summed in f64 in the order of the ranks: the same number
    /// of ranks gives the same bits.
    pub fn average(&self, params: &mut [Params], step: u64, signals: &Signals) -> Result<()> {
        let Some(link) = &self.link else { return Ok(()) };
        let stop = || signals.caught(format_args!("step {step}"));
        // A rank sends its weights once the first one listens: earlier, it would block inside MPI.
        if self.is_first() {
            let values = params.iter().flat_map(|params| &params.values);
            let mut sums: Vec<Vec<f64>> =
                values.map(|values| values.iter().copied().map(f64::from).collect()).collect();
            for rank in 1..self.count() {
                let theirs: u64 = self.wait(rank, stop)?;
                if theirs != step {
                    return Err(Error::Internal(format!("rank {rank} averages at step {theirs}, rank 0 at {step}")));
                }
                self.send(rank, &step)?;
                for sum in &mut sums {
                    let values = self.wait_values(rank, sum.len(), stop)?;
                    sum.iter_mut().zip(values).for_each(|(sum, value)| *sum += f64::from(value));
                }
            }
            for (values, sum) in params.iter_mut().flat_map(|params| &mut params.values).zip(sums) {
                values.iter_mut().zip(sum).for_each(|(value, sum)| *value = (sum / self.count() as f64) as f32);
            }
        } else {
            self.send(0, &step)?;
            self.wait::<u64>(0, stop)?;
            params
                .iter()
                .flat_map(|params| &params.values)
                .for_each(|values| link.send(0, bytemuck::cast_slice(values)));
        }
        self.spread(params, stop)
    }

    /// Ends all processes of the job at once.
    pub fn abort(&self, code: u8) -> ! {
        match &self.link {
            Some(link) => link.abort(code),
            None => std::process::exit(code.into()),
        }
    }

    /// Sends `value` to a rank that is about to take it.
    pub fn send<T: Serialize>(&self, to: usize, value: &T) -> Result<()> {
        let bytes = serde_json::to_vec(value).map_err(|error| Error::Internal(format!("to rank {to}: {error}")))?;
        if let Some(link) = &self.link {
            link.send(to, &bytes);
        }
        Ok(())
    }

    /// A value that has arrived, and from which rank; none if nothing has.
    pub fn take<T: DeserializeOwned>(&self) -> Result<Option<(usize, T)>> {
        let Some((from, bytes)) = self.link.as_ref().and_then(|link| link.take(None)) else { return Ok(None) };
        Ok(Some((from, read(from, &bytes)?)))
    }

    /// Waits for a value from rank `from`.
    ///
    /// # Errors
    ///
    /// The error of `stop`, which is polled, and [`Error::Internal`] for anything but a `T`.
    pub fn wait<T: DeserializeOwned>(&self, from: usize, stop: impl Fn() -> Option<Error>) -> Result<T> {
        read(from, &self.wait_bytes(from, stop)?)
    }

    fn wait_bytes(&self, from: usize, stop: impl Fn() -> Option<Error>) -> Result<Vec<u8>> {
        loop {
            match self.link.as_ref().map(|link| link.take(Some(from))) {
                Some(Some((_, bytes))) => return Ok(bytes),
                Some(None) => stop().map_or(Ok(()), Err)?,
                None => return Err(Error::Internal(format!("rank {from} of a job of one"))),
            }
            pause();
        }
    }

    fn wait_values(&self, from: usize, expected: usize, stop: impl Fn() -> Option<Error>) -> Result<Vec<f32>> {
        let bytes = self.wait_bytes(from, stop)?;
        if bytes.len() != 4 * expected {
            let found = bytes.len();
            return Err(Error::Internal(format!("rank {from}: {found} bytes of weights, expected {}", 4 * expected)));
        }
        Ok(bytemuck::pod_collect_to_vec(&bytes))
    }
}

/// Sleeps until the next poll.
pub fn pause() {
    thread::sleep(POLL);
}

fn read<T: DeserializeOwned>(from: usize, bytes: &[u8]) -> Result<T> {
    serde_json::from_slice(bytes).map_err(|error| Error::Internal(format!("from rank {from}: {error}")))
}

#[cfg(test)]
mod tests;
