//! Weights as safetensors, in PyTorch's names and layouts.
//!
//! `load_state_dict` of `fc1 = Linear(D, H)`, `fc2 = Linear(H, C)` takes a [`network`] file strictly. What happens to the
//! pixels before that is not part of such a module, so it has its own file, [`standardisation`].

use std::collections::HashMap;

use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};

use crate::data::Standardisation;
use crate::error::{Error, Result};
use crate::params::{Params, Tensor, tensors};
use crate::spec::ModelSpec;

/// `fc1.weight [H, D]`, `fc1.bias [H]`, `fc2.weight [C, H]`, `fc2.bias [C]`, each f32.
///
/// # Errors
///
/// [`Error::Internal`] if lengths and shapes disagree.
pub fn network(params: &Params) -> Result<Vec<u8>> {
    let tensors = tensors(&params.spec);
    serialize(tensors.iter().zip(&params.values).map(|(tensor, values)| {
        if tensor.is_weight() {
            (tensor.name, vec![tensor.columns, tensor.rows], transposed(tensor, values))
        } else {
            (tensor.name, vec![tensor.columns], values.clone())
        }
    }))
}

/// What [`network`] wrote of a network of this shape, bit for bit. An error is a sentence without the file's name.
///
/// # Errors
///
/// When it is no such file, or of another shape, or has a value that is not finite.
pub fn read_network(bytes: &[u8], spec: &ModelSpec) -> Result<Params, String> {
    let file = SafeTensors::deserialize(bytes).map_err(|error| format!("not a network: {error}"))?;
    let mut params = Params { spec: *spec, values: Default::default() };
    for (tensor, values) in tensors(spec).iter().zip(&mut params.values) {
        let found = file.tensor(tensor.name).map_err(|error| format!("{}: {error}", tensor.name))?;
        let shape = if tensor.is_weight() { vec![tensor.columns, tensor.rows] } else { vec![tensor.columns] };
        if found.dtype() != Dtype::F32 || found.shape() != shape {
            let (dtype, found) = (found.dtype(), found.shape());
            return Err(format!("{}: expected F32 {shape:?}, found {dtype:?} {found:?}", tensor.name));
        }
        let flat: Vec<f32> = found.data().as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
        *values = transposed(&Tensor { rows: tensor.columns, columns: tensor.rows, ..*tensor }, &flat);
    }
    if params.is_finite() { Ok(params) } else { Err("a weight is not a finite number".into()) }
}

/// `mean [D]` and `scale [D]`, f32: an input is `(pixel − mean) · scale`, the pixel being 0 to 255.
///
/// # Errors
///
/// As [`network`].
pub fn standardisation(standardisation: &Standardisation) -> Result<Vec<u8>> {
    let Standardisation { mean, scale, .. } = standardisation;
    serialize([("mean", vec![mean.len()], mean.clone()), ("scale", vec![scale.len()], scale.clone())].into_iter())
}

/// `[rows, columns]` as `[columns, rows]`.
fn transposed(tensor: &Tensor, values: &[f32]) -> Vec<f32> {
    (0..tensor.columns).flat_map(|column| values[column..].iter().step_by(tensor.columns).copied()).collect()
}

fn serialize<'a>(tensors: impl Iterator<Item = (&'a str, Vec<usize>, Vec<f32>)>) -> Result<Vec<u8>> {
    let internal = |error| Error::Internal(format!("safetensors: {error}"));
    let tensors: Vec<_> = tensors
        .map(|(name, shape, values)| {
            (name, shape, values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>())
        })
        .collect();
    let views = tensors
        .iter()
        .map(|(name, shape, bytes)| Ok((*name, TensorView::new(Dtype::F32, shape.clone(), bytes)?)))
        .collect::<Result<Vec<_>, _>>()
        .map_err(internal)?;
    // Readers of the field ask for this key; with one key only, the file's bytes are the same every time.
    let metadata = HashMap::from([("format".to_owned(), "pt".to_owned())]);
    safetensors::serialize(views, Some(metadata)).map_err(internal)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::params::{B2, W1};

    fn floats(file: &SafeTensors<'_>, name: &str) -> Vec<f32> {
        let bytes = file.tensor(name).unwrap().data().as_chunks::<4>().0.to_vec();
        bytes.into_iter().map(f32::from_le_bytes).collect()
    }

    #[test]
    fn a_network_has_pytorchs_names_and_layouts() {
        let spec = ModelSpec { inputs: 5, hidden: 3, classes: 2 };
        let mut params = Params::init(&spec, 1);
        params.values[B2] = vec![0.5, -0.25];
        let bytes = network(&params).unwrap();
        let file = SafeTensors::deserialize(&bytes).unwrap();
        let mut names = file.names();
        names.sort_unstable();
        assert_eq!(names, ["fc1.bias", "fc1.weight", "fc2.bias", "fc2.weight"]);
        assert_eq!(file.tensor("fc1.weight").unwrap().shape(), [3, 5]);
        assert_eq!(file.tensor("fc1.bias").unwrap().shape(), [3]);
        assert_eq!(file.tensor("fc2.weight").unwrap().shape(), [2, 3]);
        assert_eq!(floats(&file, "fc2.bias"), [0.5, -0.25]);
        let weight = floats(&file, "fc1.weight");
        for (input, output) in [(0, 0), (4, 0), (1, 2), (4, 2)] {
            // Stored here as [in, out], there as [out, in].
            assert_eq!(weight[output * 5 + input].to_bits(), params.values[W1][input * 3 + output].to_bits());
        }
    }

    #[test]
    fn a_network_that_was_written_is_read_back() {
        let params = Params::init(&ModelSpec { inputs: 7, hidden: 4, classes: 3 }, 2);
        let bytes = network(&params).unwrap();
        assert_eq!(read_network(&bytes, &params.spec), Ok(params.clone()));
        let other = ModelSpec { hidden: 5, ..params.spec };
        let error = read_network(&bytes, &other).unwrap_err();
        assert_eq!(error, "fc1.weight: expected F32 [5, 7], found F32 [4, 7]");
        assert!(read_network(&bytes[..bytes.len() - 1], &params.spec).unwrap_err().starts_with("not a network"));
    }

    #[test]
    fn the_same_values_give_the_same_bytes() {
        let params = Params::init(&ModelSpec { inputs: 7, hidden: 4, classes: 3 }, 2);
        assert_eq!(network(&params).unwrap(), network(&params).unwrap());
    }
}
