//! Settings of the data: its source, and how it is split.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::util::text::{as_text, plural};

/// Source of the images: `auto`, `synthetic`, or a path (a path called `auto` is written `./auto`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Source {
    /// The official files in `data/`, if they exist, else the stand-in images.
    #[default]
    Auto,
    /// The built-in stand-in images, [`crate::data::stand_in`].
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

as_text!(Source);

/// How training images are mirrored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Flip {
    /// Not at all.
    #[default]
    None,
    /// Half of them, others in each epoch.
    Random,
    /// Half of them in the first epoch, and from then on by turns (Jordan, *94% on CIFAR-10 in 3.29 Seconds on a Single GPU*,
    /// arXiv 2404.00498, 2024).
    Alternate,
}

/// How training images are moved, in each epoch anew; the default is not at all. No other images are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Augment {
    /// Mirrored, left to right.
    pub flip: Flip,
    /// Shifted by up to so many pixels to any side, with reflected borders.
    pub shift: usize,
}

impl Augment {
    /// The largest shift: half of a picture's side.
    pub const MAX_SHIFT: usize = 16;
}

impl fmt::Display for Augment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let flip = match self.flip {
            Flip::None => "",
            Flip::Random => "half of the images mirrored, others in each epoch",
            Flip::Alternate => "half of the images mirrored, by turns",
        };
        match (flip, self.shift) {
            ("", 0) => f.write_str("none"),
            (flip, 0) => f.write_str(flip),
            ("", shift) => write!(f, "shifted by up to {}", plural(shift, "pixel")),
            (flip, shift) => write!(f, "{flip}; shifted by up to {}", plural(shift, "pixel")),
        }
    }
}

/// What has a mean and a standard deviation of its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Standardise {
    /// Each input dimension: the report's.
    #[default]
    Dimension,
    /// Each colour channel.
    Channel,
}

/// The data and its split. [`crate::data::split::Split::new`] checks it against a data set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataSpec {
    /// Source of the images.
    pub source: Source,
    /// Training batches, 1 to 5; [`Self::ALL_BATCHES`] for a set without batches.
    pub train_batches: Vec<usize>,
    /// Validation images.
    pub validation: Validation,
}

impl DataSpec {
    /// All training batches of the official files.
    pub const ALL_BATCHES: [usize; 5] = [1, 2, 3, 4, 5];
}

impl Default for DataSpec {
    /// All training images but the last 1,000, which are for validation: the report's `best`.
    fn default() -> Self {
        Self {
            source: Source::Auto,
            train_batches: Self::ALL_BATCHES.to_vec(),
            validation: Validation::Images { count: 1_000, pick: Pick::Last },
        }
    }
}

/// The validation images.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Validation {
    /// Images held out from the training batches.
    Images {
        /// How many.
        count: usize,
        /// Which ones.
        pick: Pick,
    },
    /// Whole batches, which must not be training batches.
    Batches(Vec<usize>),
}

/// Which of the training images are held out for validation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Pick {
    /// The last ones.
    #[default]
    Last,
    /// The first ones.
    First,
    /// Random ones, the same for every seed.
    Random,
}
