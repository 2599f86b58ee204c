//! The report's experiments, repeated with its exact settings, and its published numbers beside ours.
//!
//! Each experiment is one or two [`experiment::Part`]s: a single training, ten seeds of one, or a table's lambdas. A part
//! is a [`crate::search`] of listed values, with a search's records in a folder of its own. Tables 1 and 2 come both ways:
//! warm-started, as the report evidently made them, and fresh, as a search should be made. The fresh tables stand beside
//! the same published numbers, and are counted apart: that they differ is the finding.
//!
//! # Bands
//!
//! A number is *inside* when it differs from the published one by no more than its band, in points (hundredths).
//!
//! - Training and test accuracy: [`comparison::POINTS`]. Ten runs of one setting differ by a standard deviation of .2 to .3,
//!   the difference of two runs by 1.4 times as much; the rest is for what the report does not say (its shuffles, how
//!   it read its images).
//! - Validation accuracy: two standard deviations of the difference between two sets of as many images,
//!   `2·√(2·¼/n)`: 2.0 points of 5,000 images, 4.5 of 1,000. The report does not say which images validated.
//! - Gradient: at least the published share must agree.
//!
//! A run on a share of the images and steps (`--scale`), or on the built-in images, has no verdicts.
//!
//! # Records
//!
//! The folder has a search's folder for each part, with `weights.safetensors`, `standardisation.safetensors` and
//! `answers.json` of a part that trains one network, as a run's folder has them; `comparison.jsonl`, a line a number with
//! the keys `part`, `faithful` (whether the part is as the report made it), `lambda`, `images` (`train`, `validation`,
//! `test`, or `gradient-5` and `gradient-6` for decimals), `published`, `ours` (missing where the trial diverged),
//! `deviation` (of ours, where it is a mean), `band`, `verdict` (`inside`, `outside`, `none`) and `scale`;
//! `comparison.txt`, the tables as printed; and `summary.json` with what was run, on what, the counts and the seconds.

pub mod comparison;
pub mod experiment;
pub mod published;
