//! Which images are used, and for what.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

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
