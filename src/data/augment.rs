//! How training images are moved in each epoch.
//!
//! A counter of (seed, epoch, row) decides, so that neither chunks nor a resumed run change it. Images are moved where a batch
//! is gathered; whatever is scored stays as it is.

use rand::Rng;

use super::dataset::Dataset;
use super::moves::Move;
use super::spec::{Augment, Flip};
use crate::error::{Error, Result};
use crate::util::random::{Purpose, counter_hash, stream};

impl Augment {
    /// Fails, naming the flag, unless the images of `dataset` can be moved so.
    pub fn check(&self, dataset: &Dataset) -> Result<()> {
        let flag = match self {
            Self { shift: 0, flip: Flip::None } => return Ok(()),
            Self { shift: 0, .. } => "--flip".to_owned(),
            Self { shift, .. } => format!("--shift {shift}"),
        };
        let planes = dataset.planes_for(&flag)?;
        let most = planes.width.min(planes.height) - 1;
        if self.shift > most {
            let (width, height) = (planes.width, planes.height);
            return Err(Error::Usage(format!("{flag}: images of {width} x {height} pixels: expected 0 to {most}")));
        }
        Ok(())
    }

    /// How the images of `rows` are moved in an epoch of the shuffle of `seed`, appended to `moves`; nothing if none ever is.
    pub(super) fn append(&self, seed: u64, epoch: u64, rows: &[u32], moves: &mut Vec<Move>) {
        if *self != Self::default() {
            let key = stream(seed, Purpose::Augment, 0).next_u64();
            moves.extend(rows.iter().map(|&row| self.at(key, epoch, row)));
        }
    }

    fn at(&self, key: u64, epoch: u64, row: u32) -> Move {
        let words = |epoch: u64| counter_hash([key as u32, (key >> 32) as u32, epoch as u32, row]);
        let [flip, dx, dy, _] = words(epoch);
        let heads = |word: u32| word >> 31 == 1;
        let flip = match self.flip {
            Flip::None => false,
            Flip::Random => heads(flip),
            Flip::Alternate => heads(words(0)[0]) != (epoch % 2 == 1),
        };
        // Uniform over −shift..=shift up to a bias below 2⁻²⁷.
        let offset = |word: u32| ((u64::from(word) * (2 * self.shift as u64 + 1)) >> 32) as i8 - self.shift as i8;
        Move { flip, dx: offset(dx), dy: offset(dy) }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn moves(augment: Augment, seed: u64, epoch: u64) -> Vec<Move> {
        let mut moves = Vec::new();
        augment.append(seed, epoch, &(0..10_000).collect::<Vec<_>>(), &mut moves);
        moves
    }

    #[test]
    fn shifts_are_uniform_and_flips_even() {
        let moves = moves(Augment { flip: Flip::Random, shift: 2 }, 0, 3);
        let mut counts = BTreeMap::new();
        for by in &moves {
            *counts.entry((by.flip, by.dx, by.dy)).or_insert(0) += 1;
        }
        // 50 equal shares of 10,000: 200 each, with a standard deviation of 14.
        assert_eq!(counts.len(), 50);
        assert!(counts.values().all(|count| (137..263).contains(count)), "{counts:?}");
        assert!(counts.keys().all(|(_, dx, dy)| dx.abs() <= 2 && dy.abs() <= 2));
    }

    #[test]
    fn the_largest_shift_reaches_both_ends() {
        let moves = moves(Augment { flip: Flip::None, shift: Augment::MAX_SHIFT }, 0, 0);
        let most = Augment::MAX_SHIFT as i8;
        let ends = |of: fn(&Move) -> i8| (moves.iter().map(of).min().unwrap(), moves.iter().map(of).max().unwrap());
        assert_eq!((ends(|by| by.dx), ends(|by| by.dy)), ((-most, most), (-most, most)));
        assert!(!moves.iter().any(|by| by.flip));
    }

    #[test]
    fn seeds_and_epochs_have_moves_of_their_own_but_alternate_flips_go_by_turns() {
        let random = Augment { flip: Flip::Random, shift: 1 };
        assert_eq!(moves(random, 1, 5), moves(random, 1, 5));
        assert_ne!(moves(random, 1, 5), moves(random, 1, 6));
        assert_ne!(moves(random, 1, 5), moves(random, 2, 5));
        let flips = |epoch| -> Vec<bool> {
            moves(Augment { flip: Flip::Alternate, shift: 1 }, 1, epoch).iter().map(|by| by.flip).collect()
        };
        let (even, odd) = (flips(0), flips(1));
        assert!(even.iter().zip(&odd).all(|(even, odd)| even != odd));
        assert_eq!((flips(2), flips(3)), (even.clone(), odd));
        let flipped = even.iter().filter(|flip| **flip).count();
        assert!((4_800..5_200).contains(&flipped), "{flipped}");
    }

    #[test]
    fn without_augmentation_there_are_no_moves() {
        assert!(moves(Augment::default(), 0, 0).is_empty());
    }

    #[test]
    fn images_that_cannot_be_moved_are_refused_by_the_flags_name() {
        let dataset = |inputs| Dataset::in_memory("tiny", vec!["a".into()], inputs, vec![0; inputs], vec![0], 1);
        let [pictures, numbers] = [dataset(3072), dataset(3071)];
        let shift = |shift| Augment { shift, ..Augment::default() };
        shift(Augment::MAX_SHIFT).check(&pictures).unwrap();
        Augment::default().check(&numbers).unwrap();
        let no_pictures = ": the images of tiny are not pictures of known width, height and colours: omit the flag";
        for (augment, dataset, expected) in [
            (shift(4), &numbers, format!("--shift 4{no_pictures}")),
            (Augment { flip: Flip::Random, shift: 0 }, &numbers, format!("--flip{no_pictures}")),
            (shift(32), &pictures, "--shift 32: images of 32 x 32 pixels: expected 0 to 31".into()),
        ] {
            let error = augment.check(dataset).unwrap_err();
            assert_eq!((error.exit_code(), error.to_string()), (2, expected));
        }
    }
}
