//! The link that is MPI.

use std::env;
use std::thread;

use mpi::Threading;
use mpi::environment::Universe;
use mpi::point_to_point::MatchedReceiveVec;
use mpi::topology::{Process, SimpleCommunicator};
use mpi::traits::{Communicator, Destination, Source};

use super::{Link, Ranks};
use crate::device::Place;
use crate::error::{Error, Result};

/// What launchers tell each of their processes: Open MPI's and Slurm's, then MPICH's and Intel's. A process without any
/// has not been launched, and does not pay for starting MPI.
const LAUNCHED: [&str; 2] = ["PMIX_RANK", "PMI_RANK"];

struct Mpi {
    world: SimpleCommunicator,
    /// Says goodbye to the others when it is dropped, and waits for theirs.
    _universe: Universe,
}

/// This process among those launched with it; none if it was not launched.
pub fn join() -> Result<Option<Ranks>> {
    if LAUNCHED.iter().all(|name| env::var_os(name).is_none()) {
        return Ok(None);
    }
    // One thread calls MPI, beside others that train.
    let Some((universe, threading)) = mpi::initialize_with_threading(Threading::Funneled) else {
        return Err(Error::Internal("MPI was begun twice".into()));
    };
    if threading < Threading::Funneled {
        return Err(Error::Usage(
            "this MPI library has no threads (MPI_THREAD_FUNNELED): use another build of it".into(),
        ));
    }
    let world = universe.world();
    let machine = world.split_shared(world.rank());
    let place = Place { index: number(machine.rank()), count: number(machine.size()) };
    let (rank, count) = (number(world.rank()), number(world.size()));
    Ok(Some(Ranks { rank, count, place, link: Some(Box::new(Mpi { world, _universe: universe })) }))
}

/// MPI's numbers of ranks are never negative.
fn number(number: i32) -> usize {
    number.try_into().unwrap_or_default()
}

impl Mpi {
    fn process(&self, rank: usize) -> Process<'_> {
        // MPI itself has counted the ranks in an i32.
        self.world.process_at_rank(rank.try_into().unwrap_or(i32::MAX))
    }
}

impl Link for Mpi {
    fn send(&self, to: usize, bytes: &[u8]) {
        self.process(to).send(bytes);
    }

    fn take(&self, from: Option<usize>) -> Option<(usize, Vec<u8>)> {
        let found = match from {
            Some(from) => self.process(from).immediate_matched_probe(),
            None => self.world.any_process().immediate_matched_probe(),
        };
        let (bytes, status) = found?.matched_receive_vec();
        Some((number(status.source_rank()), bytes))
    }

    fn abort(&self, code: u8) -> ! {
        self.world.abort(code.into())
    }
}

impl Drop for Mpi {
    /// A rank that panics ends the job: to say goodbye it would wait for the others, and they for it.
    fn drop(&mut self) {
        if thread::panicking() {
            self.abort(Error::Internal(String::new()).exit_code());
        }
    }
}
