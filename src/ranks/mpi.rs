//! The link that is MPI.

use std::env;
use std::thread;

use mpi::Threading;
use mpi::environment::Universe;
use mpi::point_to_point::MatchedReceiveVec;
use mpi::topology::{Process, SimpleCommunicator};
use mpi::traits::{Communicator, Destination, Source};

use super::link::Link;
use crate::device::Place;
use crate::error::{Error, Result};

/// Variables that launchers set: Open MPI and Slurm the first, MPICH and Intel MPI the second. A process with neither was not
/// launched, and does not pay for starting MPI.
const LAUNCHED: [&str; 2] = ["PMIX_RANK", "PMI_RANK"];

struct Mpi {
    world: SimpleCommunicator,
    place: Place,
    /// Finalizes MPI when dropped, which waits for the other ranks.
    _universe: Universe,
}

/// The link to the processes launched with this one; none if it was not launched.
pub fn join() -> Result<Option<Box<dyn Link>>> {
    if LAUNCHED.iter().all(|name| env::var_os(name).is_none()) {
        return Ok(None);
    }
    // Only one thread calls MPI; others train.
    let Some((universe, threading)) = mpi::initialize_with_threading(Threading::Funneled) else {
        return Err(Error::Internal("MPI was initialized twice".into()));
    };
    if threading < Threading::Funneled {
        return Err(Error::Usage(
            "this MPI library has no threads (MPI_THREAD_FUNNELED): use another build of it".into(),
        ));
    }
    let world = universe.world();
    let machine = world.split_shared(world.rank());
    let place = Place { index: number(machine.rank()), count: number(machine.size()) };
    Ok(Some(Box::new(Mpi { world, place, _universe: universe })))
}

/// MPI's ranks are never negative.
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
    fn rank(&self) -> usize {
        number(self.world.rank())
    }

    fn count(&self) -> usize {
        number(self.world.size())
    }

    fn place(&self) -> Place {
        self.place
    }

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
    /// A rank that panics aborts the job: finalizing MPI would wait for the others, and they for it.
    fn drop(&mut self) {
        if thread::panicking() {
            self.abort(Error::Internal(String::new()).exit_code());
        }
    }
}
