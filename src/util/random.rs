//! Random numbers from coordinates: the generator is ChaCha8, counter-based, with key (seed, purpose) and stream `index`.
//!
//! Any epoch's shuffle is therefore available without drawing the earlier ones, and a checkpoint needs no generator state.

use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};

/// What the numbers are for. Purposes never share a stream. A changed value changes the results of every run.
#[derive(Clone, Copy, Debug)]
#[repr(u64)]
pub enum Purpose {
    /// Initial weights; the index is the tensor's place in [`crate::model::params::tensors`].
    Weights = 1,
    /// The order of the training images; the index is the epoch.
    Shuffle = 2,
    /// The built-in images; the index is the image.
    StandIn = 3,
    /// Inputs of checks; the index is the tensor.
    Check = 4,
    /// The validation images that `--val-pick random` takes; the index is 0.
    Validation = 5,
    /// The order of an image folder's training images; the index is 0.
    Folder = 6,
    /// The values of a search; the index is the trial.
    Search = 7,
    /// The seed of a rank's shuffles; the index is the rank.
    Rank = 8,
}

/// The generator at (seed, purpose, index).
pub fn stream(seed: u64, purpose: Purpose, index: u64) -> ChaCha8Rng {
    let mut key = [0u8; 32];
    key[..8].copy_from_slice(&seed.to_le_bytes());
    key[8..16].copy_from_slice(&(purpose as u64).to_le_bytes());
    let mut generator = ChaCha8Rng::from_seed(key);
    generator.set_stream(index);
    generator
}

/// The shuffle seed of a rank: on rank 0 that of the run, so that it trains like a single process.
pub fn shuffle_seed(seed: u64, rank: usize) -> u64 {
    if rank == 0 { seed } else { stream(seed, Purpose::Rank, rank as u64).random() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_have_different_shuffles_and_the_first_has_that_of_a_single_process() {
        let seeds: std::collections::BTreeSet<_> =
            (0..100).flat_map(|seed| (0..8).map(move |rank| shuffle_seed(seed, rank))).collect();
        assert_eq!(seeds.len(), 800);
        assert!((0..100).all(|seed| shuffle_seed(seed, 0) == seed));
    }
}
