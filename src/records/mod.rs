//! Every file that a training leaves, one struct a file, which writes it and reads it: for the training itself, for a resume,
//! for reports and for tools.
//!
//! | file | written and read by |
//! |---|---|
//! | `config.toml` | [`crate::config`] |
//! | `metrics.jsonl`, `metrics.csv`, TensorBoard's | [`metrics`], [`csv`], [`tensorboard`] |
//! | `starts.json` | [`processes`] |
//! | `initial.safetensors` | [`initial`], over [`weights`] |
//! | `weights.safetensors`, `standardisation.safetensors` | [`weights`], over [`tensors`] |
//! | `checkpoints/*.safetensors` | [`checkpoint`], over the same |
//! | `answers.json` | [`answers`] |
//! | `summary.json` | [`summary`] |
//! | what `profile --json` prints | [`profile`] |
//! | what `evaluate --json` prints | [`evaluation`] |
//!
//! [`run`] has them together as a run's folder, which [`folder`] finds a place for; [`trained`] is what is left of them to
//! classify images. The files of searches are in [`crate::search`].

pub mod answers;
pub mod checkpoint;
pub mod csv;
pub mod evaluation;
pub mod files;
pub mod folder;
pub mod initial;
pub mod metrics;
pub mod processes;
pub mod profile;
pub mod run;
pub mod summary;
pub mod tensorboard;
pub mod tensors;
pub mod trained;
pub mod weights;
