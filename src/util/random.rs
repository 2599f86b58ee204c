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
    /// The key of a shuffle's moves of images, [`crate::data::spec::Augment`]; the index is 0.
    Augment = 9,
    /// The key of the masks of a seed's models, [`crate::model::regularise::keys`]; the index is 0.
    Dropout = 10,
    /// The shares of a shuffle's mixed images; the index is the step.
    Mixup = 11,
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

/// Four random words of a counter, in u32 arithmetic alone, as WGSL has it: `pcg4d` of Jarzynski and Olano, *Hash Functions for
/// GPU Rendering*, Journal of Computer Graphics Techniques 9 (3), 2020. Take a word's upper half, or compare whole words: of the
/// lowest bits some are set too rarely, or flip too rarely from one counter to the next.
pub fn counter_hash(counter: [u32; 4]) -> [u32; 4] {
    let mix = |[x, y, z, w]: [u32; 4]| {
        let x = x.wrapping_add(y.wrapping_mul(w));
        let y = y.wrapping_add(z.wrapping_mul(x));
        let z = z.wrapping_add(x.wrapping_mul(y));
        let w = w.wrapping_add(y.wrapping_mul(z));
        [x, y, z, w]
    };
    let words = mix(counter.map(|word| word.wrapping_mul(1_664_525).wrapping_add(1_013_904_223)));
    mix(words.map(|word| word ^ word >> 16))
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

    #[test]
    fn a_counters_words_are_those_of_the_published_function() {
        // By the paper's GLSL, transliterated to Python's integers.
        for (counter, words) in [
            ([0, 0, 0, 0], [0x0f02_f829, 0x2d56_8769, 0x32b0_c43b, 0xd325_48ea]),
            ([0, 0, 0, 1], [0x8d9e_ffe2, 0xa833_f3dc, 0x8246_b1b2, 0x58ab_6650]),
            ([1, 2, 3, 4], [0x3622_cd16, 0xf114_71d8, 0xe110_9b3f, 0x02b9_4c2f]),
            ([u32::MAX; 4], [0x974e_d892, 0xc015_dc67, 0x9f95_5760, 0xa1bb_a208]),
        ] {
            assert_eq!(counter_hash(counter), words, "{counter:?}");
        }
    }

    #[test]
    fn neighbouring_counters_have_unrelated_words() {
        // 2^16 counters of two keys, small numbers in the other places. Each upper bit of each word is set in half of them, and
        // flips in half of the steps to the next counter: within 4.5 standard deviations of 1/512, for 2 · 2 · 64 shares.
        for key in [[0, 0], [0x9e37_79b9, 0x7f4a_7c15]] {
            let words: Vec<_> = (0..1 << 16).map(|at| counter_hash([key[0], key[1], at >> 10, at & 1023])).collect();
            let flips = words.windows(2).map(|pair| std::array::from_fn(|place| pair[0][place] ^ pair[1][place]));
            for words in [words.clone(), flips.collect()] {
                for bit in (0..128).filter(|bit| bit % 32 >= 16) {
                    let set = words.iter().filter(|words| words[bit / 32] >> (bit % 32) & 1 == 1).count();
                    let share = set as f64 / words.len() as f64;
                    assert!((share - 0.5).abs() <= 4.5 / 512.0, "bit {bit}: {share}");
                }
            }
        }
    }
}
