//! What joins ranks.

use crate::device::Place;

/// Carries messages between ranks; those from one rank to another arrive in the order in which they were sent.
pub trait Link {
    /// This process's number, from 0.
    fn rank(&self) -> usize;

    fn count(&self) -> usize;

    fn place(&self) -> Place;

    /// Sends a message. May block until rank `to` takes it, so `to` must be about to.
    fn send(&self, to: usize, bytes: &[u8]);

    /// The first message that has come from rank `from`, or from any, and from whom it is.
    fn take(&self, from: Option<usize>) -> Option<(usize, Vec<u8>)>;

    fn abort(&self, code: u8) -> !;
}
