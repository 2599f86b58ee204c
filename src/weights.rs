//! Weights as safetensors, in PyTorch's names and layouts.
//!
//! `load_state_dict` of `fc1 = Linear(D, H)`, `fc2 = Linear(H, C)` takes a [`network`] file strictly. What happens to the
//! pixels before that is not part of such a module, so it has its own file, [`standardisation`].

use std::collections::HashMap;

use safetensors::tensor::{Dtype, TensorView};

use crate::data::Standardisation;
use crate::error::{Error, Result};
use crate::params::{Params, Tensor, tensors};

/// A named tensor: its shape and its values, row-major.
pub type Named = (&'static str, Vec<usize>, Vec<f32>);

/// `fc1.weight [H, D]`, `fc1.bias [H]`, `fc2.weight [C, H]`, `fc2.bias [C]`, each f32.
///
/// # Errors
///
/// [`Error::Internal`] if lengths and shapes disagree.
pub fn network(params: &Params) -> Result<Vec<u8>> {
    serialize(network_tensors(params))
}

/// `mean [D]` and `scale [D]`, f32: an input is `(pixel − mean) · scale`, the pixel being 0 to 255.
///
/// # Errors
///
/// As [`network`].
pub fn standardisation(standardisation: &Standardisation) -> Result<Vec<u8>> {
    serialize(standardisation_tensors(standardisation))
}

/// Both in one file, for a module that has `mean` and `scale` as buffers beside its two layers.
///
/// # Errors
///
/// As [`network`].
pub fn module(params: &Params, standardisation: &Standardisation) -> Result<Vec<u8>> {
    serialize(module_tensors(params, standardisation))
}

/// The tensors of a [`module`].
pub fn module_tensors(params: &Params, standardisation: &Standardisation) -> impl Iterator<Item = Named> {
    network_tensors(params).chain(standardisation_tensors(standardisation))
}

fn network_tensors(params: &Params) -> impl Iterator<Item = Named> {
    tensors(&params.spec).into_iter().zip(&params.values).map(|(tensor, values)| {
        if tensor.is_weight() {
            (tensor.name, vec![tensor.columns, tensor.rows], transposed(&tensor, values))
        } else {
            (tensor.name, vec![tensor.columns], values.clone())
        }
    })
}

fn standardisation_tensors(standardisation: &Standardisation) -> impl Iterator<Item = Named> {
    let Standardisation { mean, scale, .. } = standardisation;
    [("mean", vec![mean.len()], mean.clone()), ("scale", vec![scale.len()], scale.clone())].into_iter()
}

/// Numbers as a file has them.
pub fn little_endian(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

/// `[rows, columns]` as `[columns, rows]`.
fn transposed(tensor: &Tensor, values: &[f32]) -> Vec<f32> {
    (0..tensor.columns).flat_map(|column| values[column..].iter().step_by(tensor.columns).copied()).collect()
}

fn serialize(tensors: impl Iterator<Item = Named>) -> Result<Vec<u8>> {
    let internal = |error| Error::Internal(format!("safetensors: {error}"));
    let tensors: Vec<_> = tensors.map(|(name, shape, values)| (name, shape, little_endian(&values))).collect();
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
    use safetensors::SafeTensors;

    use super::*;
    use crate::params::{B2, W1};
    use crate::spec::ModelSpec;

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
    fn the_same_values_give_the_same_bytes() {
        let params = Params::init(&ModelSpec { inputs: 7, hidden: 4, classes: 3 }, 2);
        assert_eq!(network(&params).unwrap(), network(&params).unwrap());
    }
}
