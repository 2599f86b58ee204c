//! Ranks that are threads of a test.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use super::Ranks;
use super::link::Link;
use crate::device::Place;

struct Threads {
    rank: usize,
    to: Vec<Sender<(usize, Vec<u8>)>>,
    come: Receiver<(usize, Vec<u8>)>,
    kept: RefCell<VecDeque<(usize, Vec<u8>)>>,
}

impl Link for Threads {
    fn rank(&self) -> usize {
        self.rank
    }

    fn count(&self) -> usize {
        self.to.len()
    }

    fn place(&self) -> Place {
        Place { index: self.rank, count: self.to.len() }
    }

    fn send(&self, to: usize, bytes: &[u8]) {
        self.to[to].send((self.rank, bytes.to_vec())).unwrap();
    }

    fn take(&self, from: Option<usize>) -> Option<(usize, Vec<u8>)> {
        let mut kept = self.kept.borrow_mut();
        kept.extend(self.come.try_iter());
        let place = kept.iter().position(|(sender, _)| from.is_none_or(|from| from == *sender))?;
        kept.remove(place)
    }

    fn abort(&self, code: u8) -> ! {
        panic!("rank {} aborts with {code}", self.rank)
    }
}

/// What `each` makes on each of `count` ranks.
pub fn on_ranks<T: Send>(count: usize, each: impl Fn(Ranks) -> T + Sync) -> Vec<T> {
    let (to, come): (Vec<_>, Vec<_>) = (0..count).map(|_| channel()).unzip();
    thread::scope(|scope| {
        let running: Vec<_> = come
            .into_iter()
            .enumerate()
            .map(|(rank, come)| {
                let (to, each) = (to.clone(), &each);
                scope.spawn(move || {
                    each(Ranks { link: Some(Box::new(Threads { rank, to, come, kept: RefCell::default() })) })
                })
            })
            .collect();
        running.into_iter().map(|rank| rank.join().unwrap()).collect()
    })
}
