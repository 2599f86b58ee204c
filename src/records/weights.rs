//! Weights as safetensors, in PyTorch's names and layouts.
//!
//! `load_state_dict` of `fc1 = Linear(D, H)`, `fc2 = Linear(H, C)` takes a [`network`] file strictly. What happens to the
//! pixels before that is not part of such a module, so it has its own file, [`standardisation`].
//!
//! Each file's metadata has the SHA-256 of all that follows the header, so a bit that flips in the values is noticed.

use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};
use serde_json::{Value, json};

use crate::data::Standardisation;
use crate::error::{Error, Result};
use crate::model::ModelSpec;
use crate::model::params::{Params, Tensor, tensors};
use crate::util::digest::sha256;

/// A named tensor: its shape and its values, row-major.
pub type Named = (String, Vec<usize>, Vec<f32>);

/// `fc1.weight [H, D]`, `fc1.bias [H]`, `fc2.weight [C, H]`, `fc2.bias [C]`, each f32.
pub fn network(params: &Params) -> Result<Vec<u8>> {
    serialize(named("", params), digest)
}

/// As [`network`] for several models, the names of model 3 beginning with `3.`, with one entry of metadata.
pub(crate) fn networks(params: &[Params], metadata: (&str, &str)) -> Result<Vec<u8>> {
    let prefixes: Vec<_> = (0..params.len()).map(|model| prefix(model, params.len())).collect();
    let metadata = |_: &[u8]| json!({ metadata.0: metadata.1 });
    serialize(prefixes.iter().zip(params).flat_map(|(prefix, params)| named(prefix, params)), metadata)
}

/// What the names of a model's tensors begin with in [`networks`].
pub(crate) fn prefix(model: usize, models: usize) -> String {
    if models == 1 { String::new() } else { format!("{model}.") }
}

/// A tensor's shape in the file.
pub(crate) fn shape(tensor: &Tensor) -> Vec<usize> {
    if tensor.is_weight { vec![tensor.columns, tensor.rows] } else { vec![tensor.columns] }
}

/// A tensor's values in this program's layout, from those in the file.
pub(crate) fn from_file(tensor: &Tensor, values: &[f32]) -> Vec<f32> {
    transposed(&Tensor { rows: tensor.columns, columns: tensor.rows, ..*tensor }, values)
}

/// A model's tensors as the file has them: name, shape, values.
fn named<'a>(prefix: &'a str, params: &'a Params) -> impl Iterator<Item = Named> + 'a {
    tensors(&params.spec)
        .into_iter()
        .zip(&params.values)
        .map(move |(tensor, values)| (format!("{prefix}{}", tensor.name), shape(&tensor), transposed(&tensor, values)))
}

/// What [`network`] wrote of a network of this shape, bit for bit. An error is a sentence without the file's name.
///
/// # Errors
///
/// When it is no such file, or of another shape, or has a value that is not finite.
pub fn read_network(bytes: &[u8], spec: &ModelSpec) -> Result<Params, String> {
    let file = parse(bytes).map_err(|what| format!("not a network: {what}"))?;
    let mut params = Params { spec: *spec, values: Default::default() };
    for (tensor, values) in tensors(spec).iter().zip(&mut params.values) {
        let found = file.tensor(tensor.name).map_err(|error| format!("{}: {error}", tensor.name))?;
        let expected = shape(tensor);
        if found.dtype() != Dtype::F32 || found.shape() != expected {
            let (dtype, found) = (found.dtype(), found.shape());
            return Err(format!("{}: expected F32 {expected:?}, found {dtype:?} {found:?}", tensor.name));
        }
        let flat: Vec<f32> = found.data().as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
        *values = from_file(tensor, &flat);
    }
    if params.is_finite() { Ok(params) } else { Err("a weight is not a finite number".into()) }
}

/// The tensors of a file written here, or of one without a digest. An error is a sentence without the file's name.
///
/// # Errors
///
/// When it is no safetensors file, or its values are not those that its digest was taken of.
pub fn parse(bytes: &[u8]) -> Result<SafeTensors<'_>, String> {
    let (header, metadata) = SafeTensors::read_metadata(bytes).map_err(|error| error.to_string())?;
    let expected = metadata.metadata().as_ref().and_then(|entries| entries.get(DIGEST));
    if expected.is_some_and(|expected| *expected != sha256(&bytes[LENGTH + header..])) {
        return Err("damaged: the values do not have the SHA-256 that stands beside them".into());
    }
    SafeTensors::deserialize(bytes).map_err(|error| error.to_string())
}

/// `mean [D]` and `scale [D]`, f32: an input is `(pixel − mean) · scale`, the pixel being 0 to 255.
pub fn standardisation(standardisation: &Standardisation) -> Result<Vec<u8>> {
    serialize(standardisation_tensors(standardisation), digest)
}

/// Both in one file, for a module that has `mean` and `scale` as buffers beside its two layers.
pub fn module(params: &Params, standardisation: &Standardisation) -> Result<Vec<u8>> {
    serialize(module_tensors(params, standardisation), digest)
}

/// The tensors of a [`module`].
pub fn module_tensors(params: &Params, standardisation: &Standardisation) -> impl Iterator<Item = Named> {
    named("", params).chain(standardisation_tensors(standardisation))
}

fn standardisation_tensors(standardisation: &Standardisation) -> impl Iterator<Item = Named> {
    let Standardisation { mean, scale, .. } = standardisation;
    [("mean", mean), ("scale", scale)]
        .into_iter()
        .map(|(name, values)| (name.to_owned(), vec![values.len()], values.clone()))
}

/// Numbers as a file has them.
pub fn little_endian(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

/// Bytes before a file's header: its length, the lowest first.
const LENGTH: usize = 8;
/// The key of the digest.
const DIGEST: &str = "sha256";

/// The metadata of a file of such values. Readers of the field ask for `format`.
fn digest(values: &[u8]) -> Value {
    json!({ "format": "pt", DIGEST: sha256(values) })
}

/// `[rows, columns]` as `[columns, rows]`; of a bias, one row, the same values.
fn transposed(tensor: &Tensor, values: &[f32]) -> Vec<f32> {
    (0..tensor.columns).flat_map(|column| values[column..].iter().step_by(tensor.columns).copied()).collect()
}

/// A file of these tensors, and of what `metadata` says of their bytes.
fn serialize(tensors: impl Iterator<Item = Named>, metadata: impl FnOnce(&[u8]) -> Value) -> Result<Vec<u8>> {
    let internal = |error| Error::Internal(format!("safetensors: {error}"));
    let tensors: Vec<_> = tensors.map(|(name, shape, values)| (name, shape, little_endian(&values))).collect();
    let views = tensors
        .iter()
        .map(|(name, shape, bytes)| Ok((name.as_str(), TensorView::new(Dtype::F32, shape.clone(), bytes)?)))
        .collect::<Result<Vec<_>, _>>()
        .map_err(internal)?;
    let mut file = safetensors::serialize(views, None).map_err(internal)?;
    drop(tensors);
    // Put in here, because the library writes several entries in another order every time.
    let (header, _) = SafeTensors::read_metadata(&file).map_err(internal)?;
    let (header, values) = file.split_at(LENGTH + header);
    let text = String::from_utf8_lossy(&header[LENGTH + 1..]);
    let mut text = format!("{{\"__metadata__\":{},{}", metadata(values), text.trim_end()).into_bytes();
    // So that the values begin at a multiple of 8.
    text.resize(text.len().next_multiple_of(8), b' ');
    let begin = (text.len() as u64).to_le_bytes().into_iter().chain(text);
    file.splice(..header.len(), begin);
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::params::{B2, W1};

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
    fn a_bit_that_flips_is_noticed_or_changes_no_value() {
        let params = Params::init(&ModelSpec { inputs: 7, hidden: 4, classes: 3 }, 2);
        let bytes = network(&params).unwrap();
        let mut noticed = 0;
        for bit in 0..8 * bytes.len() {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            match read_network(&flipped, &params.spec) {
                // In the metadata's names, or in a space.
                Ok(read) => assert_eq!(read, params, "bit {bit}"),
                Err(what) => noticed += usize::from(what.contains("the SHA-256 that stands beside them")),
            }
        }
        // Each bit of the values, and of the digest where it stays text.
        assert!(noticed >= 8 * 4 * (7 * 4 + 4 + 4 * 3 + 3), "{noticed}");
    }

    #[test]
    fn a_file_without_a_digest_is_read() {
        let params = Params::init(&ModelSpec { inputs: 7, hidden: 4, classes: 3 }, 2);
        let bytes = serialize(named("", &params), |_| json!({ "format": "pt" })).unwrap();
        assert_eq!(read_network(&bytes, &params.spec), Ok(params));
    }

    #[test]
    fn a_header_of_any_length_is_written_and_values_begin_at_a_multiple_of_8() {
        for models in [1, 2, 300] {
            let params = vec![Params::init(&ModelSpec { inputs: 2, hidden: 1, classes: 2 }, 1); models];
            let bytes = networks(&params, ("some", "words")).unwrap();
            let (header, metadata) = SafeTensors::read_metadata(&bytes).unwrap();
            assert!(header.is_multiple_of(8) && (models < 300 || header > 1 << 16), "{header}");
            assert_eq!(metadata.metadata().as_ref().unwrap()["some"], "words");
            assert_eq!(SafeTensors::deserialize(&bytes).unwrap().len(), 4 * models);
        }
    }

    #[test]
    fn the_same_values_give_the_same_bytes() {
        let params = Params::init(&ModelSpec { inputs: 7, hidden: 4, classes: 3 }, 2);
        assert_eq!(network(&params).unwrap(), network(&params).unwrap());
    }
}
