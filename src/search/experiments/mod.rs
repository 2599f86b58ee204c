//! The reproduced report: its experiments as searches, its published numbers, and how ours compare. For
//! `cyclone reproduce` and `cyclone report`.
//!
//! [`experiment`] turns each experiment into one or two [`experiment::Part`]s: a single training, ten seeds of one, or a
//! table's lambdas. A part is a [`crate::search`] of listed values, with a search's records in its own folder.
//! [`published`] has the report's numbers, [`comparison`] puts ours beside them. Tables 1 and 2 come both ways:
//! warm-started, as the report evidently made them, and fresh, as a search should be made. The fresh tables are compared
//! with the same published numbers but counted apart: that they differ is the finding.
//!
//! # Bands
//!
//! A number is *inside* if it differs from the published one by no more than its band, in percentage points.
//!
//! - Training and test accuracy: [`comparison::POINTS`]. Ten runs of one setting have a standard deviation of .2 to .3, the
//!   difference of two runs 1.4 times that; the rest covers what the report leaves open (its shuffles, how it read its
//!   images).
//! - Validation accuracy: two standard deviations of the difference between two sets of as many images,
//!   `2·√(2·¼/n)`: 2.0 points of 5,000 images, 4.5 of 1,000. The report does not say which images validated.
//! - Gradient: at least the published share must agree.
//!
//! A run on a share of the images and steps (`--scale`), or on the built-in images, has no verdicts.
//!
//! # Records
//!
//! The folder has a search's folder for each part, with `weights.safetensors`, `standardisation.safetensors` and
//! `answers.json` if the part trains one network, as in a run's folder; `comparison.jsonl`, one number a line with the
//! keys `part`, `faithful` (whether the part is as in the report), `lambda`, `images` (`train`, `validation`, `test`, or
//! `gradient-5` and `gradient-6` for decimals), `published`, `ours` (missing if the trial diverged), `deviation` (of ours,
//! if it is a mean), `band`, `verdict` (`inside`, `outside`, `none`) and `scale`; `comparison.txt`, the tables as printed;
//! and `summary.json`: what was run, on what, the counts and the seconds.

pub mod comparison;
pub mod experiment;
pub mod published;
