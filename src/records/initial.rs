//! `initial.safetensors`: the weights that a run began with, if it was given some (`train --from`).
//!
//! The run's folder has its own copy, so that nothing that repeats or resumes the run needs the place where they came from.

use std::path::Path;

use super::files::{optional, write};
use super::processes::Given;
use super::trained::{self, Networks, Weights};
use super::weights;
use crate::data::Standardisation;
use crate::error::{Error, Result, shown};
use crate::model::ModelSpec;
use crate::model::params::Params;
use crate::util::digest::sha256;

/// The file's name.
pub const FILE: &str = "initial.safetensors";

/// Weights to begin with.
pub struct Initial {
    /// Where they came from.
    pub given: Given,
    /// What the inputs were standardised with that they were trained on, if that is known.
    pub standardisation: Option<Standardisation>,
    file: Vec<u8>,
}

impl Initial {
    /// The weights that `--from` names, for `models` models of a shape: the last ones of a finished run's folder, or those
    /// of a safetensors file, which this program or PyTorch wrote.
    ///
    /// # Errors
    ///
    /// [`Error::Usage`] for a place where nothing is, another shape or another number of networks, [`Error::Checkpoint`]
    /// for a run or a file that is damaged or has no such network.
    pub fn open(path: &Path, spec: &ModelSpec, models: usize) -> Result<Self> {
        let usage = |what: String| Error::Usage(format!("--from {}: {what}", shown(path)));
        if !path.exists() {
            return Err(usage("not there; expected the folder of a finished run, or a safetensors file".into()));
        }
        let (mut params, standardisation) = if path.is_dir() {
            let Networks { params, standardisation, .. } = Networks::open(path, Weights::Last)?;
            (params, Some(standardisation))
        } else {
            let read = weights::read_state_dict(&trained::read(path)?);
            let refused = |what| {
                let layers = "the weight [out, in] and the bias [out] of each linear layer";
                Error::checkpoint(
                    path,
                    format!("{what}; expected a finished run's folder, or a safetensors file with {layers}"),
                )
            };
            let (params, standardisation) = read.map_err(refused)?;
            (vec![params], standardisation)
        };
        let (found, networks) = (&params[0].spec, params.len());
        if found != spec {
            return Err(usage(format!(
                "weights of a network {found}, expected {spec}, the shape that --hidden and the images give"
            )));
        }
        if networks == 1 {
            params.resize(models, params[0].clone());
        } else if networks != models {
            let one = weights::file_name(0, networks);
            return Err(usage(format!("{networks} networks: give --repeats {networks}, or the file of one, as {one}")));
        }
        let file = weights::several(&params)?;
        let given = Given { path: path.display().to_string(), sha256: sha256(&file) };
        Ok(Self { given, standardisation, file })
    }

    /// Writes the copy in a run's folder.
    pub fn write(&self, run: &Path) -> Result<()> {
        write(run, FILE, &self.file)
    }
}

/// The weights in a run's folder that its `models` models of this shape began with; none if it was given none.
///
/// # Errors
///
/// [`Error::Checkpoint`] for a file that is damaged, or gone though `given` says that it was there.
pub fn read(run: &Path, given: Option<&Given>, spec: &ModelSpec, models: usize) -> Result<Option<Vec<Params>>> {
    let path = run.join(FILE);
    let damaged = |what: String| Error::checkpoint(&path, format!("{what}; train anew with --from"));
    let Some(bytes) = optional(&path)? else {
        return given.map_or(Ok(None), |given| Err(damaged(format!("gone; the weights were those of {}", given.path))));
    };
    let params = weights::read_several(&bytes, models, spec.inputs, spec.classes).map_err(damaged)?;
    let found = &params[0].spec;
    if found == spec { Ok(Some(params)) } else { Err(damaged(format!("of a network {found}, expected {spec}"))) }
}
