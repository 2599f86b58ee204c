//! The training images of each step: shuffled every epoch, perhaps moved, and cut into mini-batches.

use rand::distr::Distribution;
use rand::seq::SliceRandom;
use rand_distr::Beta;

use super::moves::{ImageList, Mix};
use super::spec::Augment;
use crate::util::random::{Purpose, stream};

/// Mini-batches from `G` shuffles of the same training images.
pub struct Batches {
    images: Vec<u32>,
    batch_size: usize,
    seeds: Vec<u64>,
    augment: Augment,
    mixup: f32,
    epoch: Option<u64>,
    orders: Vec<Vec<u32>>,
}

impl Batches {
    /// Batches of `batch_size` rows from `images`, one shuffle for each of `seeds`.
    ///
    /// # Panics
    ///
    /// If there are no images or seeds, or the batch size is 0: the specs check that.
    pub fn new(images: Vec<u32>, batch_size: usize, seeds: Vec<u64>) -> Self {
        assert!(!images.is_empty() && batch_size > 0 && !seeds.is_empty(), "checked by the specs");
        let orders = vec![images.clone(); seeds.len()];
        Self { images, batch_size, seeds, augment: Augment::default(), mixup: 0.0, epoch: None, orders }
    }

    /// The same, the images of each shuffle moved by its own seed.
    #[must_use]
    pub fn augmented(self, augment: Augment) -> Self {
        Self { augment, ..self }
    }

    /// The same, each batch mixed with itself in the opposite order: of every image a share is another one's, in 256ths and one
    /// for the whole batch, from Beta(`alpha`, `alpha`) by the seed of the shuffle and the step. Of the two shares the other
    /// image's is the smaller; which of a pair has it makes no difference. Not at all if `alpha` is 0, which no Beta distribution
    /// has.
    #[must_use]
    pub fn mixed(self, alpha: f32) -> Self {
        Self { mixup: alpha, ..self }
    }

    /// `G`.
    pub fn shuffles(&self) -> usize {
        self.seeds.len()
    }

    /// Steps of an epoch; the last batch may be short.
    pub fn steps_per_epoch(&self) -> u64 {
        self.images.len().div_ceil(self.batch_size) as u64
    }

    /// Appends the images of `step`, shuffle by shuffle, and returns the size of its batch.
    pub fn append(&mut self, step: u64, images: &mut ImageList) -> u32 {
        let epoch = step / self.steps_per_epoch();
        if self.epoch != Some(epoch) {
            for (order, &seed) in self.orders.iter_mut().zip(&self.seeds) {
                order.copy_from_slice(&self.images);
                order.shuffle(&mut stream(seed, Purpose::Shuffle, epoch));
            }
            self.epoch = Some(epoch);
        }
        let first = (step % self.steps_per_epoch()) as usize * self.batch_size;
        let last = (first + self.batch_size).min(self.images.len());
        for (order, &seed) in self.orders.iter().zip(&self.seeds) {
            let rows = &order[first..last];
            let begin = images.rows.len();
            images.rows.extend_from_slice(rows);
            self.augment.append(seed, epoch, rows, &mut images.moves);
            if let Ok(beta) = Beta::new(f64::from(self.mixup), self.mixup.into()) {
                let share: f64 = beta.sample(&mut stream(seed, Purpose::Mixup, step));
                let share = (256.0 * share.min(1.0 - share)).round() as u8;
                let move_of = |at: usize| images.moves.get(at).copied().unwrap_or_default();
                let others = (begin..images.rows.len()).rev();
                images.mixes.extend(others.map(|at| Mix { row: images.rows[at], by: move_of(at), share }));
            }
        }
        (last - first) as u32
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::spec::Flip;
    use super::*;

    fn epoch(batches: &mut Batches, epoch: u64) -> Vec<Vec<u32>> {
        let steps = batches.steps_per_epoch();
        (epoch * steps..(epoch + 1) * steps)
            .map(|step| {
                let mut images = ImageList::default();
                let length = batches.append(step, &mut images);
                assert_eq!(images.rows.len(), length as usize * batches.seeds.len());
                images.rows
            })
            .collect()
    }

    #[test]
    fn an_epoch_has_every_image_once_and_ends_with_a_short_batch() {
        let mut batches = Batches::new((100..110).collect(), 4, vec![7]);
        let steps = epoch(&mut batches, 0);
        assert_eq!(steps.iter().map(Vec::len).collect::<Vec<_>>(), [4, 4, 2]);
        let mut rows = steps.concat();
        rows.sort_unstable();
        assert_eq!(rows, (100..110).collect::<Vec<_>>());
    }

    #[test]
    fn a_mixed_batch_is_one_with_itself_in_the_opposite_order() {
        let mut batches = Batches::new((0..10).collect(), 4, vec![7, 8]).mixed(0.4);
        let mut shares = BTreeSet::new();
        for step in 0..300 {
            let mut images = ImageList::default();
            let length = batches.append(step, &mut images) as usize;
            for (rows, mixes) in images.rows.chunks(length).zip(images.mixes.chunks(length)) {
                let others: Vec<_> = mixes.iter().rev().map(|mix| mix.row).collect();
                assert_eq!(others, rows);
                assert!(mixes.iter().all(|mix| mix.share == mixes[0].share && mix.share <= 128));
                shares.insert(mixes[0].share);
            }
            let mut again = ImageList::default();
            batches.append(step, &mut again);
            assert_eq!(again.mixes, images.mixes);
        }
        // Of 600 draws of 129 shares, many are 0.
        assert!(shares.len() > 60 && shares.contains(&0), "{shares:?}");
    }

    #[test]
    fn any_epoch_is_available_without_the_earlier_ones() {
        let mut in_order = Batches::new((0..50).collect(), 7, vec![3]);
        let first = epoch(&mut in_order, 0);
        epoch(&mut in_order, 1);
        let third = epoch(&mut in_order, 2);
        assert_ne!(first, third);
        assert_eq!(epoch(&mut Batches::new((0..50).collect(), 7, vec![3]), 2), third);
    }

    #[test]
    fn a_shuffle_among_others_is_the_shuffle_alone() {
        let alone = epoch(&mut Batches::new((0..20).collect(), 20, vec![5]), 1).concat();
        let together = epoch(&mut Batches::new((0..20).collect(), 20, vec![4, 5]), 1).concat();
        assert_eq!(together[20..], alone);
    }

    #[test]
    fn an_image_is_moved_alike_wherever_its_shuffle_puts_it() {
        let moves = |batch_size, seeds: Vec<u64>, steps: std::ops::Range<u64>| {
            let augment = Augment { flip: Flip::Random, shift: 3 };
            let mut batches = Batches::new((0..20).collect(), batch_size, seeds).augmented(augment);
            let mut images = ImageList::default();
            for step in steps {
                batches.append(step, &mut images);
            }
            images.images().iter().collect::<Vec<_>>()
        };
        // The second epoch, in one batch or in three, the seed alone or behind another.
        let (mut whole, mut cut) = (moves(20, vec![5], 1..2), moves(7, vec![5], 3..6));
        assert_eq!(moves(20, vec![4, 5], 1..2)[20..], whole);
        assert_eq!(whole, cut, "the order of a shuffle does not depend on the batches");
        whole.sort_unstable_by_key(|(row, ..)| *row);
        cut = moves(20, vec![6], 1..2);
        cut.sort_unstable_by_key(|(row, ..)| *row);
        assert_ne!(whole, cut, "another seed");
    }
}
