//! A search: many trainings that differ in the values searched, ranked by their accuracy on the validation images.
//!
//! `cyclone search` and `cyclone reproduce` run searches, `cyclone report` draws their records. A *trial* is one training.
//! A *stage* is a set of trials whose values are drawn at once: stage 0 from the ranges asked for, stage 1 (`--refine`)
//! from narrower ones around the best of stage 0. All trials share the seed of the weights and the shuffles, unless the
//! seed itself is searched: they differ only in the values, and read the same batches.
//!
//! # How the work is divided
//!
//! In three ways, and the records are the same bits in each. A [`shard::Shard`] is the part of the trials that a machine
//! trains which never hears of the others; `search merge` joins the parts. A [`wave::Wave`] is what trains together: trials
//! of the same shape and steps, as many as use the device well, and it is also what the ranks of an MPI job are dealt. A
//! wave that the machine's or the GPU's memory does not hold is halved. (A GPU whose *limits* are too small for a wave is
//! the engine's affair, which `train --repeats` needs as well: [`crate::gpu::waves`].)
//!
//! # Warm start
//!
//! A sound search starts every trial from fresh weights. With `--warm-start` one network is trained through the sorted
//! values, the learning rate's schedule starting over with each, as the reproduced report evidently did: its figures
//! depend on everything trained before. Trial `i` takes the shuffles of the seed plus `i`.
//!
//! # Successive halving
//!
//! With `--halving` a stage is trained in rungs: see [`halving`].
//!
//! # Records
//!
//! A search's folder has
//!
//! - `search.toml`: what is searched, and the images' digest. The same search in the same folder is resumed: trials with a
//!   record are skipped.
//! - `trials.jsonl`: a line a finished trial, with `--halving` a line a rung until they are sorted, in order of finishing, and in the order of their numbers once all are
//!   there. Keys: `trial` (its number), `stage`, `hidden`, `spec` (`lambda`, `penalty`, `batch_size`, `lr` with `policy`,
//!   `min`, `max`, `half_cycle`, `gamma`, `step_size` and `warmup`, `length`, `seed`, `init`, `evals_per_cycle`,
//!   `optimizer`, `augment`, `regularise`),
//!   and `evaluations`: a list of `step`, `epoch`, `lr`, `train` and, if images validate, `validation`, each with `loss`,
//!   `cost` and `accuracy` (0 to 1). A trial that ended well has `result`: the last `train` and `validation`, and `test` if
//!   the test images were asked for. One that diverged has `diverged` instead: `step` and `message`. With `--halving` there
//!   is a line for each rung that a trial has ended, of which the last one counts and stays; its `rungs` are the scores at
//!   the ends of these rungs, as `evaluations` has them, its `result` those of the last one, tested after the last rung
//!   alone. No line says anything of time or device, so that however the trials were dealt out, the lines are the same.
//! - `trial-N-rung-R.safetensors`: what trial `N` continues from after rung `R`, counted from 1, as a checkpoint; gone once
//!   it has, or once it is plain that it will not.
//! - `after-N.safetensors`, of a warm-started search: the network after trial `N`, the last one.
//! - `summary.json`, last: what was run and on what, `ranking` (trials' numbers, the best first), `rungs` (the same of those
//!   that ended each rung), `diverged`, seconds.

pub mod deal;
pub mod experiments;
pub mod folder;
pub mod halving;
pub mod parameter;
pub mod shard;
pub mod space;
pub mod summary;
pub mod trainer;
pub mod trial;
pub mod wave;

mod run;
mod spec;

pub use run::run;
pub use spec::Search;
