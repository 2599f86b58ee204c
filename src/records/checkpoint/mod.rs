//! A training's state as a file, and the folder of such files.
//!
//! A checkpoint is a safetensors file: the weights under the names and in the layouts of [`super::weights`], and one
//! entry of metadata, `cyclone`: the SHA-256 of a JSON text, a space, and that text. The text says everything else that
//! a [`State`] needs, what run it is of, and the SHA-256 of the weights. So no bit of the file can change unnoticed.
//!
//! Nothing in a file is believed: beside what [`super::tensors`] checks, the metadata's digest, the format's version, whose
//! run it is, and the weights' digest.

use std::io::Read;

use serde::{Deserialize, Serialize};
use serde_json::json;
use sha2::{Digest, Sha256};

use super::tensors::{Reader, little_endian};
use super::weights;
use crate::engine::Checks;
use crate::error::{Error, Result};
use crate::model::ModelSpec;
use crate::model::optimizer::Optimizer;
use crate::model::params::Params;
use crate::train::{BatchLosses, Best, State, Timing};
use crate::util::digest::{hex, sha256};

pub use identity::{Run, compare, compare_settings};
pub use keeper::Checkpoints;
pub use store::{BEST, FOLDER, Store};

mod identity;
mod keeper;
mod store;

/// The format written here, and the newest one read.
const VERSION: u32 = 2;
/// The metadata's one key.
const KEY: &str = "cyclone";
/// Longest header that is read: 64 KiB and 1 KiB a model, some four times what is written.
const HEADER: usize = 64 << 10;

/// A state, and what it is a state of.
#[derive(Clone, Debug, PartialEq)]
pub struct Checkpoint {
    /// The run.
    pub run: Run,
    /// Its state.
    pub state: State,
}

/// The shapes that a checkpoint must have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shapes {
    /// Of each model.
    pub model: ModelSpec,
    /// `M`.
    pub models: usize,
}

/// Why a checkpoint cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Its bytes are not as they were written. An older checkpoint may serve.
    #[error("damaged: {0}")]
    Damaged(String),
    /// It is whole, and of another run or another format. An older one would be no better.
    #[error("{0}")]
    Mismatch(String),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Meta {
    version: u32,
    /// The program that wrote it.
    program: String,
    step: u64,
    /// The best validation accuracy, and the step of its evaluation.
    best: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    best_step: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    checks: Option<Checks>,
    losses: BatchLosses,
    timing: Timing,
    run: Run,
    /// SHA-256 of the weights.
    weights: String,
}

/// The part of the metadata that every version has.
#[derive(Deserialize)]
struct Format {
    version: u32,
    program: String,
}

impl Checkpoint {
    /// The file's bytes: the same ones for the same checkpoint.
    pub fn encode(&self) -> Result<Vec<u8>> {
        let State { step, params, losses, best, checks, timing } = &self.state;
        let meta = Meta {
            version: VERSION,
            program: format!("cyclone {}", env!("CARGO_PKG_VERSION")),
            step: *step,
            best: best.map(|best| best.accuracy),
            best_step: best.map(|best| best.step),
            checks: *checks,
            losses: losses.clone(),
            timing: *timing,
            run: self.run.clone(),
            weights: digest_of(params),
        };
        let text = serde_json::to_string(&meta).map_err(|error| Error::Internal(format!("checkpoint: {error}")))?;
        let moments = self.run.settings.optimizer().moments();
        weights::networks(params, moments, |_| json!({ KEY: format!("{} {text}", sha256(text.as_bytes())) }))
    }

    /// Reads a file of `length` bytes that must have these shapes and be of this run, but for its device.
    pub fn decode(file: impl Read, length: u64, run: &Run, shapes: &Shapes) -> Result<Self, Fault> {
        let (file, meta) = open(file, length, shapes.models)?;
        compare(&meta.run, run).map_err(Fault::Mismatch)?;
        if meta.losses.sums.len() != shapes.models || meta.losses.steps > meta.step {
            return Err(Fault::Damaged("the sums of losses fit neither the models nor the step".into()));
        }
        let params = read_params(file, &meta, shapes)?;
        let Meta { step, best, best_step, checks, losses, timing, run, .. } = meta;
        // A checkpoint of version 0.1 does not say when: patience counts from here.
        let best = best.map(|accuracy| Best { accuracy, step: best_step.unwrap_or(step) });
        Ok(Self { run, state: State { step, params, losses, best, checks, timing } })
    }
}

/// The networks of a checkpoint of any run, `models` of so many inputs and classes, without the optimizer's moments.
pub fn networks(
    file: impl Read,
    length: u64,
    inputs: usize,
    classes: usize,
    models: usize,
) -> Result<Vec<Params>, Fault> {
    let (file, meta) = open(file, length, models)?;
    let model = weights::shape_of(&file, models, inputs, classes).map_err(Fault::Damaged)?;
    let params = read_params(file, &meta, &Shapes { model, models })?;
    Ok(params.into_iter().map(|params| params.with_moments(Optimizer::default())).collect())
}

/// A file of `length` bytes, its header read.
fn open<R: Read>(file: R, length: u64, models: usize) -> Result<(Reader<R>, Meta), Fault> {
    let file = Reader::new(file, length, HEADER + models * 1024).map_err(Fault::Damaged)?;
    let meta = read_meta(&file)?;
    Ok((file, meta))
}

fn read_params(file: Reader<impl Read>, meta: &Meta, shapes: &Shapes) -> Result<Vec<Params>, Fault> {
    let moments = meta.run.settings.optimizer().moments();
    let mut params = weights::read_networks(file, &shapes.model, shapes.models, moments).map_err(Fault::Damaged)?;
    if !moments.is_empty() {
        for params in &mut params {
            params.steps = meta.step;
        }
    }
    if digest_of(&params) == meta.weights {
        Ok(params)
    } else {
        Err(Fault::Damaged("the weights do not have the SHA-256 that stands beside them".into()))
    }
}

/// The metadata, whole and of a version that is understood.
fn read_meta(file: &Reader<impl Read>) -> Result<Meta, Fault> {
    let damaged = |error: serde_json::Error| Fault::Damaged(format!("header: {error}"));
    let entry = file.metadata(KEY).ok_or_else(|| Fault::Damaged(format!("no metadata of the name {KEY:?}")))?;
    let (digest, text) = entry.split_once(' ').unwrap_or((entry, ""));
    if digest != sha256(text.as_bytes()) {
        return Err(Fault::Damaged("the metadata does not have the SHA-256 that stands before it".into()));
    }
    let Format { version, program } = serde_json::from_str(text).map_err(damaged)?;
    if !(1..=VERSION).contains(&version) {
        return Err(Fault::Mismatch(format!(
            "written by {program} in format {version}, and this program, cyclone {}, reads formats up to {VERSION}",
            env!("CARGO_PKG_VERSION")
        )));
    }
    serde_json::from_str(text).map_err(damaged)
}

/// SHA-256 of the values as this program has them, model after model, each tensor in the order of [`crate::model::params::tensors`].
fn digest_of(params: &[Params]) -> String {
    let mut hash = Sha256::new();
    for values in params.iter().flat_map(|params| &params.values) {
        values.chunks(1024).for_each(|values| hash.update(little_endian(values)));
    }
    hex(&hash.finalize())
}

#[cfg(test)]
mod tests;
