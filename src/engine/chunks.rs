//! The one source of steps: mini-batches in their order, with their learning rates.

use std::ops::Range;

use crate::data::batches::Batches;
use crate::data::{ImageList, Images};
use crate::model::regularise::{Key, Regularise, keys};

/// Some steps of mini-batch SGD.
#[derive(Clone, Copy, Debug, Default)]
pub struct Chunk<'a> {
    /// Images of the data set, step after step, within a step shuffle after shuffle: `[steps][G][length of the step]`.
    pub images: Images<'a>,
    /// How many images each step averages over: `B`, or fewer at an epoch's end.
    pub lengths: &'a [u32],
    /// Learning rates `[steps, M]`.
    pub rates: &'a [f32],
    /// What decides the masks of dropout, `[steps, M]`; empty without. Models that share their batches have the same one in a
    /// step: they share the masks of their inputs.
    pub keys: &'a [Key],
}

impl<'a> Chunk<'a> {
    /// Its first `steps` steps, or all if it has fewer, and the rest; `shuffles` is `G`.
    pub fn split(&self, steps: usize, shuffles: usize) -> (Self, Self) {
        let steps = steps.min(self.lengths.len());
        let models = self.rates.len() / self.lengths.len().max(1);
        let (lengths, later) = self.lengths.split_at(steps);
        let (images, later_images) = self.images.split_at(lengths.iter().sum::<u32>() as usize * shuffles);
        let (rates, later_rates) = self.rates.split_at(steps * models);
        let (keys, later_keys) = self.keys.split_at(self.keys.len().min(steps * models));
        let later = Self { images: later_images, lengths: later, rates: later_rates, keys: later_keys };
        (Self { images, lengths, rates, keys }, later)
    }

    /// The images of the first step that `model` sees; all images where there is no step.
    pub fn batch(&self, model: usize, shuffles: usize) -> Images<'a> {
        let length = self.lengths.first().map_or(self.images.len(), |&length| length as usize);
        let first = model % shuffles * length;
        self.images.part(first..first + length)
    }

    /// What decides the masks at a place of `[steps, M]`, in the first step that of a model; of no use without dropout.
    pub fn key(&self, place: usize) -> Key {
        self.keys.get(place).copied().unwrap_or_default()
    }
}

/// Makes the chunks of a training, whatever steps are asked for.
pub struct Chunks {
    batches: Batches,
    models: usize,
    rate: Box<dyn Fn(u64, usize) -> f32 + Send>,
    key: Vec<Box<dyn Fn(u64) -> Key + Send>>,
    images: ImageList,
    lengths: Vec<u32>,
    rates: Vec<f32>,
    keys: Vec<Key>,
}

impl Chunks {
    /// Chunks of `batches` for `models` models; `rate` gives the learning rate of a step and a model.
    pub fn new(batches: Batches, models: usize, rate: impl Fn(u64, usize) -> f32 + Send + 'static) -> Self {
        let (key, images, lengths, rates, keys) = Default::default();
        Self { batches, models, rate: Box::new(rate), key, images, lengths, rates, keys }
    }

    /// The same for a training with `regularise`, the masks of each model by its seed of `seeds`.
    #[must_use]
    pub fn regularised(self, regularise: Regularise, seeds: &[u64]) -> Self {
        let seeds = if regularise.drops() { seeds } else { &[] };
        debug_assert!(self.batches.shuffles() > 1 || seeds.iter().all(|seed| *seed == seeds[0]), "shared batches");
        Self { key: seeds.iter().map(|&seed| Box::new(keys(seed)) as Box<_>).collect(), ..self }
    }

    /// The chunk of these steps.
    pub fn steps(&mut self, steps: Range<u64>) -> Chunk<'_> {
        let Self { batches, models, rate, key, images, lengths, rates, keys } = self;
        images.clear();
        lengths.clear();
        rates.clear();
        keys.clear();
        for step in steps {
            lengths.push(batches.append(step, images));
            rates.extend((0..*models).map(|model| rate(step, model)));
            keys.extend(key.iter().map(|key| key(step)));
        }
        Chunk { images: images.images(), lengths, rates, keys }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chunk_has_its_steps_rows_and_each_models_rates() {
        let mut chunks = Chunks::new(Batches::new((10..15).collect(), 2, vec![1, 2]), 2, |step, model| {
            step as f32 + model as f32 / 2.0
        });
        let whole = chunks.steps(0..4);
        // Three steps an epoch, of 2, 2 and 1 images of each shuffle.
        assert_eq!(whole.lengths, [2, 2, 1, 2]);
        assert_eq!(whole.rates, [0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5]);
        let rows = whole.images.rows.to_vec();
        assert_eq!(rows.len(), 14);
        assert_eq!([chunks.steps(0..1).images.rows, &[]].concat(), rows[..4]);
        let rest = chunks.steps(1..4);
        assert_eq!((rest.images.rows, rest.lengths), (&rows[4..], &[2, 1, 2][..]));
        assert_eq!(rest.rates, [1.0, 1.5, 2.0, 2.5, 3.0, 3.5]);
    }
}
