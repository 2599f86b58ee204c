//! What is to be trained: plain data, checked before anything is built from it.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::schedule::Triangle;

/// The shape of a network `D → H → C`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelSpec {
    /// `D`: inputs of an image, 3 × 32 × 32 = 3,072.
    pub inputs: usize,
    /// `H`: hidden units.
    pub hidden: usize,
    /// `C`: classes.
    pub classes: usize,
}

impl ModelSpec {
    /// Largest `H` accepted: weights of 2²⁴ units would take 192 GiB, more than any one device's memory. The device's
    /// own limits are checked later, in [`crate::gpu`].
    pub const MAX_HIDDEN: usize = 1 << 24;

    /// A checked shape: every size at least 1, `H` at most [`Self::MAX_HIDDEN`].
    pub fn new(inputs: usize, hidden: usize, classes: usize) -> Result<Self> {
        let most = grouped(Self::MAX_HIDDEN as u64);
        if hidden == 0 {
            return Err(Error::Usage(format!("--hidden 0: expected 1 to {most} hidden units")));
        }
        if hidden > Self::MAX_HIDDEN {
            return Err(Error::Usage(format!(
                "--hidden {hidden}: expected 1 to {most} hidden units; this many would need {} of weights",
                bytes((inputs as u128 + 1 + classes as u128) * hidden as u128 * 4),
            )));
        }
        if inputs == 0 || classes < 2 {
            return Err(Error::Usage(format!(
                "{inputs} inputs and {classes} classes: a classifier needs at least 1 input and 2 classes"
            )));
        }
        Ok(Self { inputs, hidden, classes })
    }

    /// Number of weights and biases.
    pub fn parameters(&self) -> usize {
        (self.inputs + 1) * self.hidden + (self.hidden + 1) * self.classes
    }
}

/// Which cost's gradient the weights follow. See the crate's page for why there are two.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Penalty {
    /// Cost `lambda/2 · ΣW²`, gradient `lambda · W`: what the report's numbers come from.
    #[default]
    Half,
    /// Cost `lambda · ΣW²`, gradient `2 · lambda · W`: what the assignment's text says.
    Full,
}

impl Penalty {
    /// The factor of `ΣW²` in the cost.
    pub fn cost(self, lambda: f64) -> f64 {
        match self {
            Self::Half => lambda / 2.0,
            Self::Full => lambda,
        }
    }

    /// The factor of `W` in the gradient: twice [`Self::cost`].
    pub fn gradient(self, lambda: f64) -> f64 {
        2.0 * self.cost(lambda)
    }
}

/// How long to train.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Length {
    /// So many cycles of the learning rate, `2 · half_cycle` steps each.
    Cycles(u64),
    /// So many passes over the training images.
    Epochs(u64),
}

impl Length {
    /// Number of steps of `batch_size` over `images` training images; the last, short batch of an epoch counts.
    pub fn steps(self, lr: &Triangle, images: usize, batch_size: usize) -> u64 {
        match self {
            Self::Cycles(cycles) => cycles.saturating_mul(lr.cycle()),
            Self::Epochs(epochs) => epochs.saturating_mul(images.div_ceil(batch_size) as u64),
        }
    }
}

/// Everything that decides the bits of a training but the images and the shape.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrainSpec {
    /// Strength of the L2 penalty over the weights (biases are free).
    pub lambda: f64,
    /// Which of the two penalties.
    pub penalty: Penalty,
    /// `B`: images of a mini-batch.
    pub batch_size: usize,
    /// The cyclical learning rate.
    pub lr: Triangle,
    /// How long.
    pub length: Length,
    /// Seed of the initial weights and of the shuffles.
    pub seed: u64,
    /// Evaluations on the whole training and validation sets in a cycle.
    pub evals_per_cycle: u64,
}

impl TrainSpec {
    /// Rejects values outside their range, naming the flag.
    pub fn check(&self) -> Result<()> {
        let usage = |what: String| Err(Error::Usage(what));
        if !(self.lambda.is_finite() && self.lambda >= 0.0) {
            return usage(format!("--lambda {}: expected a finite number, 0 or more", self.lambda));
        }
        if self.batch_size == 0 {
            return usage("--batch-size 0: expected 1 image or more".into());
        }
        match self.length {
            Length::Cycles(0) => return usage("--cycles 0: expected 1 or more".into()),
            Length::Epochs(0) => return usage("--epochs 0: expected 1 or more".into()),
            _ => {}
        }
        if self.evals_per_cycle == 0 {
            return usage("--evals-per-cycle 0: expected 1 or more".into());
        }
        self.lr.check()
    }
}

/// How images reach a GPU. No result depends on it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Feed {
    /// Resident on a real GPU if they take at most 512 MiB and its memory suffices, else streamed.
    #[default]
    Auto,
    /// Uploaded chunk by chunk, while the GPU works on the chunk before.
    Stream,
    /// All uploaded once; then only row numbers.
    Resident,
}

/// `n` bytes for people: `1.5 GiB`.
pub fn bytes(n: u128) -> String {
    const UNITS: [&str; 7] = ["bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    let mut value = n as f64;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    if unit == 0 { format!("{n} bytes") } else { format!("{value:.1} {}", UNITS[unit]) }
}

/// `text`, a file's name say, with its control characters escaped: one that would steer a terminal or begin a line of its
/// own is seen and does nothing.
pub fn escaped(text: impl fmt::Display) -> String {
    let mut shown = String::new();
    for character in text.to_string().chars() {
        if character.is_control() {
            shown.extend(character.escape_default());
        } else {
            shown.push(character);
        }
    }
    shown
}

/// A path as messages show it.
pub fn shown(path: &Path) -> String {
    escaped(path.display())
}

/// Where the images come from: `auto`, `synthetic`, or a path. A path of one of these names is written `./auto`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Source {
    /// The official files in the folder `data` if they are there, else the stand-in.
    #[default]
    Auto,
    /// The built-in stand-in, [`crate::data::stand_in`].
    Synthetic,
    /// A folder or an archive, see [`crate::data::Dataset::open`].
    Path(PathBuf),
}

impl FromStr for Source {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "" => Err(Error::Usage("--data: expected auto, synthetic or a path, found nothing".into())),
            "auto" => Ok(Self::Auto),
            "synthetic" => Ok(Self::Synthetic),
            path => Ok(Self::Path(path.into())),
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Synthetic => f.write_str("synthetic"),
            Self::Path(path) => path.display().fmt(f),
        }
    }
}

impl TryFrom<String> for Source {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<Source> for String {
    fn from(source: Source) -> Self {
        source.to_string()
    }
}

/// Which images are used for what. Checked against a data set by [`crate::data::split::Split::new`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataSpec {
    /// Where the images come from.
    pub source: Source,
    /// The training batches used, 1 to 5; [`Self::ALL_BATCHES`] for a set without batches.
    pub train_batches: Vec<usize>,
    /// The images kept out of training.
    pub validation: Validation,
}

impl DataSpec {
    /// Every training batch of the official files.
    pub const ALL_BATCHES: [usize; 5] = [1, 2, 3, 4, 5];
}

impl Default for DataSpec {
    /// All the training images but the last 1,000, which validate: the report's `best`.
    fn default() -> Self {
        Self {
            source: Source::Auto,
            train_batches: Self::ALL_BATCHES.to_vec(),
            validation: Validation::Images { count: 1_000, pick: Pick::Last },
        }
    }
}

/// Which images validate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum Validation {
    /// Some of the images of the training batches, which are then not trained on.
    Images {
        /// How many.
        count: usize,
        /// Which.
        pick: Pick,
    },
    /// Whole batches, none of them a training batch.
    Batches(Vec<usize>),
}

/// Which of the training images validate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Pick {
    /// The last ones.
    #[default]
    Last,
    /// The first ones.
    First,
    /// Some at random, the same ones whatever the run's seed.
    Random,
}

impl FromStr for Pick {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "last" => Ok(Self::Last),
            "first" => Ok(Self::First),
            "random" => Ok(Self::Random),
            _ => Err(Error::Usage(format!("--val-pick {text}: expected last, first or random"))),
        }
    }
}

impl fmt::Display for Pick {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Last => "last",
            Self::First => "first",
            Self::Random => "random",
        })
    }
}

/// `n` with a comma between thousands: `30,730,000`.
pub fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
