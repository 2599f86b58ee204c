//! A kernel's check that failed, as a safetensors file: what went in, what came out, what was expected.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use safetensors::tensor::{Dtype, TensorView};

use super::launch::{Launch, Launched, Scalar};
use crate::error::{Error, Result};

/// Writes `in/NAME` for every buffer as it was before the dispatch, and for everything compared `got/NAME` (f32) and
/// `expected/NAME` (f64); all flat, in the layouts of the shader. The kernel's constants, step and grid are metadata.
pub fn save(folder: &Path, case: &str, launch: &Launch, launched: &Launched) -> Result<PathBuf> {
    let mut tensors: Vec<(String, Dtype, usize, Vec<u8>)> = Vec::new();
    let bytes = |words: &[u32]| words.iter().flat_map(|word| word.to_le_bytes()).collect::<Vec<u8>>();
    for tensor in &launch.tensors {
        let (dtype, per_word) = match tensor.scalar {
            Scalar::F32 => (Dtype::F32, 1),
            Scalar::U32 => (Dtype::U32, 1),
            Scalar::U8 => (Dtype::U8, 4),
        };
        tensors.push((format!("in/{}", tensor.name), dtype, tensor.words.len() * per_word, bytes(&tensor.words)));
    }
    for (expected, got) in launch.expected.iter().zip(&launched.got) {
        tensors.push((format!("got/{}", expected.name), Dtype::F32, got.len(), bytes(got)));
        let values = expected.values.iter().flat_map(|value| value.to_le_bytes()).collect();
        tensors.push((format!("expected/{}", expected.name), Dtype::F64, expected.values.len(), values));
    }
    let metadata = HashMap::from([
        ("case".to_owned(), case.to_owned()),
        ("constants".to_owned(), format!("{:?}", launch.constants)),
        ("step".to_owned(), format!("{:?}", launch.step)),
        ("grid".to_owned(), format!("{:?}", launch.grid)),
    ]);
    let internal = |error| Error::Internal(format!("safetensors: {error}"));
    let views = tensors
        .iter()
        .map(|(name, dtype, len, bytes)| Ok((name, TensorView::new(*dtype, vec![*len], bytes)?)))
        .collect::<Result<Vec<_>, _>>()
        .map_err(internal)?;
    let bytes = safetensors::serialize(views, Some(metadata)).map_err(internal)?;

    let path = folder.join(format!("{}.safetensors", case.replace('/', "_")));
    let failed = |error| Error::output(&path, format!("{error}; name another folder with --out"));
    fs::create_dir_all(folder).map_err(failed)?;
    fs::write(&path, bytes).map_err(failed)?;
    Ok(path)
}
