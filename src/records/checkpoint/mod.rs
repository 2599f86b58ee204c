//! A training's state as a file, and the folder of such files.
//!
//! A checkpoint is a safetensors file: the weights under the names and in the layouts of [`crate::records::weights`], and one
//! entry of metadata, `cyclone`: the SHA-256 of a JSON text, a space, and that text. The text says everything else that
//! a [`State`] needs, what run it is of, and the SHA-256 of the weights. So no bit of the file can change unnoticed.
//!
//! Nothing in a file is believed. Its parts are checked in the order in which they can be: lengths, the metadata's
//! digest, the format's version, whose run it is, the exact names, types, shapes and places of all tensors, the length
//! of the file, the weights' digest, and that every weight is a finite number. Memory is bounded by what the run itself
//! has, whatever the file says.

use std::io::Read;

use safetensors::tensor::{Dtype, Metadata};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::config::Settings;
use crate::error::Result;
use crate::model::ModelSpec;
use crate::model::params::{Params, tensors};
use crate::records::weights;
use crate::train::{BatchLosses, Best, State, Timing};
use crate::util::digest::{hex, sha256};
use crate::util::text::grouped;

pub use keep::Checkpoints;
pub use run::{compare, compare_settings};
pub use store::Store;

mod json;
mod keep;
mod run;
mod store;

/// The format written here, and the newest one read.
const VERSION: u32 = 1;
/// The metadata's one key.
const KEY: &str = "cyclone";
/// Longest header that is read: 64 KiB and 1 KiB a model, some four times what is written.
const HEADER: usize = 64 << 10;

/// What a checkpoint is of. Two runs of the same settings on the same images train to the same weights, on one device.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Run {
    /// All that the run's `config.toml` says.
    pub settings: Settings,
    /// SHA-256 of the images.
    pub data: String,
    /// What ran it, in the engine's words.
    pub device: String,
}

/// A state, and what it is a state of.
#[derive(Clone, Debug, PartialEq)]
pub struct Checkpoint {
    /// The run.
    pub run: Run,
    /// Its state.
    pub state: State,
}

/// The shapes that a checkpoint must have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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

/// The metadata.
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
        let State { step, params, losses, best, timing } = &self.state;
        let meta = Meta {
            version: VERSION,
            program: format!("cyclone {}", env!("CARGO_PKG_VERSION")),
            step: *step,
            best: best.map(|best| best.accuracy),
            best_step: best.map(|best| best.step),
            losses: losses.clone(),
            timing: *timing,
            run: self.run.clone(),
            weights: digest_of(params),
        };
        let text = json::text(&meta)?;
        weights::networks(params, (KEY, &format!("{} {text}", sha256(text.as_bytes()))))
    }

    /// Reads a file of `length` bytes that must have these shapes and be of this run, but for its device.
    pub fn decode(mut file: impl Read, length: u64, run: &Run, shapes: &Shapes) -> Result<Self, Fault> {
        let cap = HEADER + shapes.models * 1024;
        let header = read_header(&mut file, length, cap)?;
        let meta = read_meta(&header)?;
        compare(&meta.run, run).map_err(Fault::Mismatch)?;
        if meta.losses.sums.len() != shapes.models || meta.losses.steps > meta.step {
            return Err(Fault::Damaged("the sums of losses fit neither the models nor the step".into()));
        }

        let metadata: Metadata = serde_json::from_slice(&header).map_err(|error| Fault::Damaged(error.to_string()))?;
        let places = places(&metadata, shapes)?;
        let expected = 8 + header.len() as u64 + metadata.data_len() as u64;
        if length != expected {
            let [length, expected] = [length, expected].map(grouped);
            return Err(Fault::Damaged(format!("{length} bytes, expected {expected}")));
        }
        let mut data = vec![0; metadata.data_len()];
        file.read_exact(&mut data).map_err(|error| Fault::Damaged(error.to_string()))?;
        let params = read_params(&data, &places, shapes);
        if digest_of(&params) != meta.weights {
            return Err(Fault::Damaged("the weights do not have the SHA-256 that stands beside them".into()));
        }
        if !params.iter().all(Params::is_finite) {
            return Err(Fault::Damaged("a weight is no finite number".into()));
        }
        let Meta { step, best, best_step, losses, timing, run, .. } = meta;
        // A checkpoint of version 0.1 does not say when: patience counts from here.
        let best = best.map(|accuracy| Best { accuracy, step: best_step.unwrap_or(step) });
        Ok(Self { run, state: State { step, params, losses, best, timing } })
    }
}

/// The file's first part: the header's length as 8 bytes, the lowest first, and the header.
fn read_header(file: &mut impl Read, length: u64, cap: usize) -> Result<Vec<u8>, Fault> {
    let cut = |_| Fault::Damaged(format!("{} bytes, cut inside the header", grouped(length)));
    let mut size = [0; 8];
    file.read_exact(&mut size).map_err(cut)?;
    let size = u64::from_le_bytes(size);
    if size > cap as u64 {
        let [size, cap] = [size, cap as u64].map(grouped);
        return Err(Fault::Damaged(format!("a header of {size} bytes, expected {cap} at most")));
    }
    let mut header = vec![0; size as usize];
    file.read_exact(&mut header).map_err(cut)?;
    Ok(header)
}

/// The metadata, whole and of a version that is understood.
fn read_meta(header: &[u8]) -> Result<Meta, Fault> {
    let damaged = |error: serde_json::Error| Fault::Damaged(format!("header: {error}"));
    let header: json::Unique = serde_json::from_slice(header).map_err(damaged)?;
    let entry = header.text(&["__metadata__", KEY]);
    let entry = entry.ok_or_else(|| Fault::Damaged(format!("no metadata of the name {KEY:?}")))?;
    let (digest, text) = entry.split_once(' ').unwrap_or((entry, ""));
    if digest != sha256(text.as_bytes()) {
        return Err(Fault::Damaged("the metadata does not have the SHA-256 that stands before it".into()));
    }
    let Format { version, program } = serde_json::from_str(text).map_err(damaged)?;
    if version != VERSION {
        return Err(Fault::Mismatch(format!(
            "written by {program} in format {version}, and this program, cyclone {}, reads format {VERSION}",
            env!("CARGO_PKG_VERSION")
        )));
    }
    serde_json::from_str(text).map_err(damaged)
}

/// Where each tensor's bytes are: model after model, in the order of [`tensors`].
fn places(metadata: &Metadata, shapes: &Shapes) -> Result<Vec<(usize, usize)>, Fault> {
    let mut places = Vec::new();
    for model in 0..shapes.models {
        for tensor in tensors(&shapes.model) {
            let name = format!("{}{}", weights::prefix(model, shapes.models), tensor.name);
            let info = metadata.info(&name).ok_or_else(|| Fault::Damaged(format!("no tensor {name}")))?;
            let expected = weights::shape(&tensor);
            if info.dtype != Dtype::F32 || info.shape != expected {
                let found = format!("{:?} {:?}", info.dtype, info.shape);
                return Err(Fault::Damaged(format!("{name}: checkpoint {found}, expected F32 {expected:?}")));
            }
            places.push(info.data_offsets);
        }
    }
    match metadata.tensors().len() {
        found if found == places.len() => Ok(places),
        found => Err(Fault::Damaged(format!("{found} tensors, expected {}", places.len()))),
    }
}

/// The weights at `places` of `data`, which are as long as their shapes.
fn read_params(data: &[u8], places: &[(usize, usize)], shapes: &Shapes) -> Vec<Params> {
    let table = tensors(&shapes.model);
    places
        .chunks_exact(table.len())
        .map(|places| {
            let mut place = 0;
            let values = table.map(|tensor| {
                let (start, end) = places[place];
                place += 1;
                // Not a cast: the data may begin at any address.
                let floats: Vec<_> =
                    data[start..end].as_chunks().0.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect();
                weights::from_file(&tensor, &floats)
            });
            Params { spec: shapes.model, values }
        })
        .collect()
}

/// SHA-256 of the values as this program has them, model after model, each tensor in the order of [`tensors`].
fn digest_of(params: &[Params]) -> String {
    let mut hash = Sha256::new();
    for values in params.iter().flat_map(|params| &params.values) {
        values.chunks(1024).for_each(|values| {
            let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
            hash.update(&bytes);
        });
    }
    hex(&hash.finalize())
}

#[cfg(test)]
mod tests;
