//! What a training does to its images and units and their labels so that it does not learn them by heart. Nothing of it touches
//! what is scored.

use std::fmt::{self, Display, Formatter};

use rand::Rng;
use serde::{Deserialize, Serialize};

use crate::util::random::{Purpose, counter_hash, stream};

/// The same for all models of a job; the default is nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Regularise {
    /// `E`: the share of an image's target that all classes have alike (Szegedy et al. 2016; `PyTorch`'s `label_smoothing`).
    pub label_smoothing: f32,
    /// `A`: images and targets are mixed by shares from Beta(A, A) (Zhang et al., *mixup*, 2018).
    pub mixup: f32,
    /// `P`: the share of hidden units that a step leaves out, others for each image (Srivastava et al. 2014; `PyTorch`'s
    /// `Dropout`, so those that stay count `1/(1 − P)` times).
    pub dropout: f32,
    /// The same of inputs, once they are standardised.
    pub input_dropout: f32,
}

impl Regularise {
    /// Whether a step has masks.
    pub fn drops(&self) -> bool {
        self.dropout > 0.0 || self.input_dropout > 0.0
    }
}

impl Display for Regularise {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self { label_smoothing, mixup, dropout, input_dropout } = self;
        let all = [
            ("label smoothing", label_smoothing),
            ("mixup", mixup),
            ("dropout", dropout),
            ("input dropout", input_dropout),
        ];
        let some: Vec<_> =
            all.iter().filter(|(_, value)| **value > 0.0).map(|(name, value)| format!("{name} {value}")).collect();
        f.write_str(if some.is_empty() { "none".into() } else { some.join(", ") }.as_str())
    }
}

/// Decides, with [`Dropout::factors`], which units a step of a model leaves out.
pub type Key = [u32; 2];

/// The keys of a seed's steps.
pub fn keys(seed: u64) -> impl Fn(u64) -> Key + Send {
    let key = stream(seed, Purpose::Dropout, 0).next_u64();
    move |step| {
        let [one, two, ..] = counter_hash([key as u32, (key >> 32) as u32, step as u32, (step >> 32) as u32]);
        [one, two]
    }
}

/// The dropout of a layer in a step: a pure function of its place, with the same bits on both engines. The shader's twin:
/// `shaders/dropout.wgsl`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Dropout {
    /// Of the step and the model.
    pub key: Key,
    /// 0 of the inputs, 1 of the first hidden layer, and so on.
    pub layer: u32,
    /// A unit is left out if its word is below.
    pub below: u32,
    /// What the others are multiplied with.
    pub scale: f32,
}

impl Dropout {
    /// A share `p` below 1 of a layer's units; `None` if that is 0.
    pub fn new(p: f32, key: Key, layer: usize) -> Option<Self> {
        let (below, scale) = Self::constants(p);
        (p > 0.0).then_some(Self { key, layer: layer as u32, below, scale })
    }

    /// How many of 2³² words leave a unit out, and the factor of the others.
    pub fn constants(p: f32) -> (u32, f32) {
        let p = f64::from(p);
        ((p * 2f64.powi(32)) as u32, (1.0 / (1.0 - p)) as f32)
    }

    /// The factors of units `4·quad` to `4·quad + 3` of an image of the batch: 0 or the scale.
    pub fn factors(&self, image: usize, quad: usize) -> [f32; 4] {
        let [one, two] = self.key;
        let words = counter_hash([one, two.wrapping_add(self.layer), image as u32, quad as u32]);
        words.map(|word| if word < self.below { 0.0 } else { self.scale })
    }

    /// The factor of one unit.
    pub fn factor(&self, image: usize, unit: usize) -> f32 {
        self.factors(image, unit / 4)[unit % 4]
    }
}

/// What a step of a model does that scoring does not; the default is nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Training {
    /// Of the job.
    pub regularise: Regularise,
    /// Of the step and the model.
    pub key: Key,
}

impl Training {
    /// The dropout of hidden layer `l`, counted from 0.
    pub fn dropout(&self, l: usize) -> Option<Dropout> {
        Dropout::new(self.regularise.dropout, self.key, l + 1)
    }

    /// The dropout of the inputs. Models that share their batches share its key, that of the first of them.
    pub fn input_dropout(&self) -> Option<Dropout> {
        Dropout::new(self.regularise.input_dropout, self.key, 0)
    }
}

/// What a step teaches of an image: its label, and under mixup also another image's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Target {
    /// The class of the image.
    pub label: u8,
    /// That of the image which it is mixed with.
    pub other: u8,
    /// The share of that image, in 256ths.
    pub share: u8,
}

impl From<u8> for Target {
    fn from(label: u8) -> Self {
        Self { label, other: 0, share: 0 }
    }
}

impl Target {
    /// As shaders read it: byte 0 is the label, byte 1 the other, byte 2 the share.
    pub fn word(self) -> u32 {
        u32::from_le_bytes([self.label, self.other, self.share, 0])
    }

    /// Whether, with this smoothing, more than its label has a probability.
    pub fn is_shared(self, smoothing: f32) -> bool {
        smoothing > 0.0 || self.share > 0
    }

    /// The probability that the target gives `class`, one of `classes`.
    pub fn probability(self, class: usize, classes: usize, smoothing: f32) -> f64 {
        let (smoothing, share) = (f64::from(smoothing), f64::from(self.share) / 256.0);
        let of = |label: u8, share: f64| if usize::from(label) == class { share } else { 0.0 };
        smoothing / classes as f64 + (1.0 - smoothing) * (of(self.label, 1.0 - share) + of(self.other, share))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_units_are_left_out_as_asked_for_whatever_the_layer_step_and_seed() {
        for p in [0.1, 0.5, 0.9] {
            for (seed, step, layer) in [(0, 0, 0), (0, 0, 1), (0, 1, 1), (1, 1 << 40, 1)] {
                let dropout = Dropout::new(p, keys(seed)(step), layer).unwrap();
                let factors = (0..100).flat_map(|image| (0..250).flat_map(move |quad| dropout.factors(image, quad)));
                let dropped = factors.filter(|factor| *factor == 0.0).count();
                // 100,000 units: a standard deviation of at most 158, of which four are allowed.
                let expected = 100_000.0 * f64::from(p);
                assert!((dropped as f64 - expected).abs() <= 632.0, "{p} {seed} {step} {layer}: {dropped}");
            }
        }
    }

    #[test]
    fn masks_of_other_seeds_steps_layers_images_and_units_are_unrelated() {
        let of = |seed, step, layer, image: usize| {
            let dropout = Dropout::new(0.5, keys(seed)(step), layer).unwrap();
            (0..10_000).map(|unit| dropout.factor(image, unit) == 0.0).collect::<Vec<_>>()
        };
        let mask = of(0, 0, 1, 0);
        for other in [of(1, 0, 1, 0), of(0, 1, 1, 0), of(0, 1 << 32, 1, 0), of(0, 0, 2, 0), of(0, 0, 1, 1)] {
            let same = mask.iter().zip(&other).filter(|(one, other)| one == other).count();
            // Half of 10,000, with a standard deviation of 50.
            assert!((4_800..5_200).contains(&same), "{same}");
        }
        let again = mask.iter().zip(&mask[1..]).filter(|(one, next)| one == next).count();
        assert!((4_800..5_200).contains(&again), "{again}");
    }

    #[test]
    fn those_that_stay_keep_the_mean() {
        let dropout = Dropout::new(0.2, [1, 2], 1).unwrap();
        assert_eq!((dropout.below, dropout.scale), (858_993_472, 1.25));
        assert_eq!(Dropout::new(0.0, [1, 2], 1), None);
    }

    #[test]
    fn a_targets_probabilities_are_pytorchs() {
        let probabilities =
            |target: Target, smoothing| (0..4).map(|class| target.probability(class, 4, smoothing)).collect::<Vec<_>>();
        assert_eq!(probabilities(2.into(), 0.0), [0.0, 0.0, 1.0, 0.0]);
        // torch.nn.CrossEntropyLoss: (1 − ε)·onehot + ε/C.
        assert_eq!(probabilities(2.into(), 0.5), [0.125, 0.125, 0.625, 0.125]);
        let mixed = Target { label: 2, other: 0, share: 64 };
        assert_eq!(probabilities(mixed, 0.0), [0.25, 0.0, 0.75, 0.0]);
        assert_eq!(mixed.word(), 2 | 64 << 16);
    }
}
