//! Weights and standardisation as files, in PyTorch's names and layouts.
//!
//! `load_state_dict` of `fc1 = Linear(D, H)`, `fc2 = Linear(H, C)` takes a [`network`] file strictly. What happens to the
//! pixels before that is not part of such a module, so it has its own file, [`standardisation`].
//!
//! Each file's metadata has the SHA-256 of all that follows the header, so a bit that flips in the values is noticed.

use std::io::Read;

use serde_json::{Value, json};

use super::tensors::{DIGEST, Named, Reader, serialize};
use crate::data::Standardisation;
use crate::error::Result;
use crate::model::ModelSpec;
use crate::model::params::{Params, Tensor, tensors};
use crate::util::digest::sha256;

/// The file of what must be done to a pixel.
pub const STANDARDISATION: &str = "standardisation.safetensors";
/// Longest header that is read of a file that other programs may have written, 1 MiB.
const HEADER: usize = 1 << 20;
/// What each of a file's models may add to that.
const MODEL_HEADER: usize = 1 << 10;

/// The file of one of a run's networks.
pub fn file_name(model: usize, models: usize) -> String {
    if models == 1 { "weights.safetensors".to_owned() } else { format!("weights-{model}.safetensors") }
}

/// `fc1.weight [H, D]`, `fc1.bias [H]`, `fc2.weight [C, H]`, `fc2.bias [C]`, or more layers, each f32.
pub fn network(params: &Params) -> Result<Vec<u8>> {
    serialize(named("", params), digest)
}

/// As [`network`] for several models, the names of model 3 beginning with `3.`.
pub(super) fn several(params: &[Params]) -> Result<Vec<u8>> {
    networks(params, &[], digest)
}

/// As [`several`], then their optimizer's `moments`, such as `3.exp_avg.fc1.weight`, with other metadata.
pub(super) fn networks(params: &[Params], moments: &[&str], metadata: impl FnOnce(&[u8]) -> Value) -> Result<Vec<u8>> {
    let prefixes: Vec<_> = (0..params.len()).map(|model| prefix(model, params.len())).collect();
    let weights = prefixes.iter().zip(params).flat_map(|(prefix, params)| named(prefix, params));
    let moments = prefixes.iter().zip(params).flat_map(|(prefix, params)| {
        let kinds = params.moments().zip(moments);
        kinds.flat_map(move |(values, kind)| named_values(format!("{prefix}{kind}."), &params.spec, values))
    });
    serialize(weights.chain(moments), metadata)
}

/// What [`networks`] wrote of so many models of this shape.
pub(super) fn read_networks<R: Read>(
    file: Reader<R>,
    spec: &ModelSpec,
    models: usize,
    moments: &[&str],
) -> Result<Vec<Params>, String> {
    let table = tensors(spec);
    let names = |prefix: String| table.iter().map(move |tensor| (format!("{prefix}{}", tensor.name), shape(tensor)));
    let weights = (0..models).flat_map(|model| names(prefix(model, models)));
    let kinds = |model| moments.iter().map(move |kind| format!("{}{kind}.", prefix(model, models)));
    let all: Vec<_> = weights.chain((0..models).flat_map(kinds).flat_map(names)).collect();
    let values = file.values(&all)?;
    let mut tensors = table.iter().cycle().zip(&values).map(|(tensor, all)| from_file(tensor, all));
    let mut take = |count: usize| tensors.by_ref().take(count).collect::<Vec<_>>();
    let mut params: Vec<_> =
        (0..models).map(|_| Params { spec: spec.clone(), steps: 0, values: take(table.len()) }).collect();
    for params in &mut params {
        params.values.extend(take(moments.len() * table.len()));
    }
    Ok(params)
}

/// What [`network`] wrote of a network of this shape, bit for bit. An error is a sentence without the file's name.
pub fn read_network(bytes: &[u8], spec: &ModelSpec) -> Result<Params, String> {
    let file = Reader::new(bytes, bytes.len() as u64, HEADER).map_err(|what| format!("not a network: {what}"))?;
    let mut params = read_networks(file, spec, 1, &[])?;
    params.pop().ok_or_else(|| "not a network".into())
}

/// What [`several`] wrote of so many models, of any hidden layers.
pub(super) fn read_several(bytes: &[u8], models: usize, inputs: usize, classes: usize) -> Result<Vec<Params>, String> {
    let file = Reader::new(bytes, bytes.len() as u64, HEADER + models * MODEL_HEADER)?;
    let spec = shape_of(&file, models, inputs, classes)?;
    read_networks(file, &spec, models, &[])
}

/// The network in a state dict of PyTorch's, and the standardisation that a [`module`] has beside it: linear layers under
/// any names, `NAME.weight [out, in]` and `NAME.bias [out]`, in the order of these names, in which 2 precedes 10.
pub(super) fn read_state_dict(bytes: &[u8]) -> Result<(Params, Option<Standardisation>), String> {
    let file = Reader::new(bytes, bytes.len() as u64, HEADER)?;
    let all = file.shapes();
    let mut layers: Vec<_> =
        all.iter().filter_map(|(name, shape)| Some((name.strip_suffix(".weight")?, shape))).collect();
    layers.sort_by_key(|(name, _)| name.split('.').map(|part| (part.len(), part)).collect::<Vec<_>>());
    let sizes = layers.iter().map(|(_, shape)| <[usize; 2]>::try_from(&shape[..]).ok()).collect::<Option<Vec<_>>>();
    let follow = |sizes: &Vec<[usize; 2]>| sizes.windows(2).all(|pair| pair[0][0] == pair[1][1]);
    let sizes = sizes.filter(follow).unwrap_or_default();
    let units: Vec<_> = sizes.iter().map(|[out, _]| *out).collect();
    let ([[_, inputs], ..], Some((classes, hidden))) = (&sizes[..], units.split_last()) else {
        let found: Vec<_> = all.iter().map(|(name, shape)| format!("{name} {shape:?}")).collect();
        return Err(if found.is_empty() { "no tensors".into() } else { found.join(", ") });
    };
    let spec = ModelSpec::new(*inputs, hidden.to_vec().into(), *classes).map_err(|error| error.to_string())?;
    let table = tensors(&spec);
    let names = layers.iter().flat_map(|(layer, _)| ["weight", "bias"].map(|kind| format!("{layer}.{kind}")));
    let mut expected: Vec<_> = names.zip(&table).map(|(name, tensor)| (name, shape(tensor))).collect();
    if ["mean", "scale"].iter().all(|name| file.rows(name) > 0) {
        expected.extend(["mean", "scale"].map(|name| (name.to_owned(), vec![spec.inputs])));
    }
    let values = file.values(&expected)?;
    let (network, buffers) = values.split_at(table.len());
    let network = table.iter().zip(network).map(|(tensor, values)| from_file(tensor, values)).collect();
    let standardisation = match buffers {
        [mean, scale] => Some(Standardisation { mean: mean.clone(), scale: scale.clone() }),
        _ => None,
    };
    Ok((Params { spec, steps: 0, values: network }, standardisation))
}

/// The shape of each of a file's `models` networks, which have so many inputs and classes.
pub(super) fn shape_of<R: Read>(
    file: &Reader<R>,
    models: usize,
    inputs: usize,
    classes: usize,
) -> Result<ModelSpec, String> {
    let name = |layer: usize| format!("{}fc{layer}.bias", prefix(0, models));
    let units = (1..=file.count()).map(|layer| file.rows(&name(layer)));
    let units: Vec<_> = units.take_while(|&units| units > 0).collect();
    let Some((_, hidden)) = units.split_last() else { return Err(format!("no tensor {}", name(1))) };
    ModelSpec::new(inputs, hidden.to_vec().into(), classes).map_err(|error| error.to_string())
}

/// What [`standardisation`] wrote.
pub(super) fn read_standardisation(bytes: &[u8]) -> Result<Standardisation, String> {
    let file = Reader::new(bytes, bytes.len() as u64, HEADER)?;
    let inputs = file.rows("mean");
    let values = file.values(&["mean", "scale"].map(|name| (name.to_owned(), vec![inputs])))?;
    let [mean, scale] = <[_; 2]>::try_from(values).map_err(|_| "no standardisation")?;
    Ok(Standardisation { mean, scale })
}

/// What the names of a model's tensors begin with in [`networks`].
fn prefix(model: usize, models: usize) -> String {
    if models == 1 { String::new() } else { format!("{model}.") }
}

fn shape(tensor: &Tensor) -> Vec<usize> {
    if tensor.is_weight { vec![tensor.columns, tensor.rows] } else { vec![tensor.columns] }
}

/// A tensor's values in this program's layout, from those in the file.
fn from_file(tensor: &Tensor, values: &[f32]) -> Vec<f32> {
    transposed(values, tensor.rows)
}

/// A model's tensors as the file has them: name, shape, values.
fn named<'a>(prefix: &'a str, params: &'a Params) -> impl Iterator<Item = Named> + 'a {
    named_values(prefix.to_owned(), &params.spec, &params.values)
}

fn named_values<'a>(prefix: String, spec: &ModelSpec, values: &'a [Vec<f32>]) -> impl Iterator<Item = Named> + use<'a> {
    tensors(spec).into_iter().zip(values).map(move |(tensor, values)| {
        (format!("{prefix}{}", tensor.name), shape(&tensor), transposed(values, tensor.columns))
    })
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

/// The metadata of a file of such values. Readers of the field ask for `format`.
fn digest(values: &[u8]) -> Value {
    json!({ "format": "pt", DIGEST: sha256(values) })
}

/// `[rows, columns]` as `[columns, rows]`; of a bias, one row or one column, the same values.
fn transposed(values: &[f32], columns: usize) -> Vec<f32> {
    (0..columns).flat_map(|column| values[column..].iter().step_by(columns).copied()).collect()
}

#[cfg(test)]
mod tests {
    use safetensors::SafeTensors;

    use super::*;
    use crate::model::Hidden;
    use crate::model::params::{Init, bias, weight};

    fn floats(file: &SafeTensors<'_>, name: &str) -> Vec<f32> {
        let bytes = file.tensor(name).unwrap().data().as_chunks::<4>().0.to_vec();
        bytes.into_iter().map(f32::from_le_bytes).collect()
    }

    #[test]
    fn a_network_has_pytorchs_names_and_layouts() {
        let spec = ModelSpec { inputs: 5, hidden: Hidden::new(&[3]), classes: 2 };
        let mut params = Params::init(&spec, 1, Init::Report);
        params.values[bias(1)] = vec![0.5, -0.25];
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
            assert_eq!(weight[output * 5 + input].to_bits(), params.values[0][input * 3 + output].to_bits());
        }
    }

    #[test]
    fn a_network_that_was_written_is_read_back() {
        let params = Params::init(&ModelSpec { inputs: 7, hidden: Hidden::new(&[4]), classes: 3 }, 2, Init::Report);
        let bytes = network(&params).unwrap();
        assert_eq!(read_network(&bytes, &params.spec), Ok(params.clone()));
        let other = ModelSpec { hidden: Hidden::new(&[5]), ..params.spec.clone() };
        let error = read_network(&bytes, &other).unwrap_err();
        assert_eq!(error, "fc1.weight: F32 [4, 7], expected F32 [5, 7]");
        assert!(read_network(&bytes[..9], &params.spec).unwrap_err().starts_with("not a network"));
        assert!(read_network(&bytes[..bytes.len() - 1], &params.spec).unwrap_err().contains(" bytes, expected "));
    }

    /// Tensors by their names and shapes, `[out, in]` or `[out]`; a value says its place: 100 · out + in, and 0.5 more in a
    /// bias.
    fn state_dict(shapes: &[(&str, &[usize])]) -> Vec<u8> {
        let values = |shape: &[usize]| match *shape {
            [out, inputs] => (0..out * inputs).map(|at| (100 * (at / inputs) + at % inputs) as f32).collect(),
            _ => (0..shape.iter().product()).map(|at| at as f32 + 0.5).collect::<Vec<_>>(),
        };
        let tensors = shapes.iter().map(|&(name, shape)| (name.to_owned(), shape.to_vec(), values(shape)));
        serialize(tensors, |_| json!({ "format": "pt" })).unwrap()
    }

    #[test]
    fn a_state_dict_of_pytorchs_gives_the_transposed_weights_whatever_its_layers_are_called() {
        for [first, second] in [["fc1", "fc2"], ["0", "2"], ["net.2", "net.10"], ["a.layer", "b.layer"]] {
            let name = |layer: &str, kind: &str| format!("{layer}.{kind}");
            let names = [first, second].map(|layer| [name(layer, "weight"), name(layer, "bias")]).concat();
            let shapes: [&[usize]; 4] = [&[3, 5], &[3], &[2, 3], &[2]];
            let tensors: Vec<_> = names.iter().map(String::as_str).zip(shapes).collect();
            let (params, none) = read_state_dict(&state_dict(&tensors)).unwrap();
            assert_eq!((params.spec.to_string().as_str(), none), ("5-3-2", None), "{first}");
            for (out, input) in [(0, 0), (2, 0), (1, 4)] {
                assert_eq!(
                    params.values[weight(0)][input * 3 + out],
                    (100 * out + input) as f32,
                    "{first} {out} {input}"
                );
            }
            assert_eq!(params.values[weight(1)], [0.0, 100.0, 1.0, 101.0, 2.0, 102.0]);
            assert_eq!(params.values[bias(1)], [0.5, 1.5]);
        }
        let one = read_state_dict(&state_dict(&[("0.weight", &[4, 7]), ("0.bias", &[4])]));
        assert_eq!(one.unwrap().0.spec.to_string(), "7-4", "softmax regression");
    }

    #[test]
    fn a_state_dict_of_another_network_is_refused_with_what_it_has() {
        let refused = |tensors: &[(&str, &[usize])], part: &str| {
            let what = read_state_dict(&state_dict(tensors)).unwrap_err();
            assert!(what.contains(part), "{part} in {what}");
        };
        let layers: [(&str, &[usize]); 4] =
            [("0.weight", &[3, 5]), ("0.bias", &[3]), ("2.weight", &[2, 3]), ("2.bias", &[2])];
        let empty = [&2_u64.to_le_bytes()[..], b"{}"].concat();
        assert_eq!(read_state_dict(&empty), Err("no tensors".into()));
        refused(&layers[1..2], "0.bias [3]");
        refused(&[layers[0], ("2.weight", &[2, 4])], "0.weight [3, 5], 2.weight [2, 4]");
        refused(&[layers[0], ("2.weight", &[2, 3, 1, 1])], "2.weight [2, 3, 1, 1]");
        refused(&[layers[0], layers[2], layers[3]], "no tensor 0.bias");
        refused(&[&layers[..], &[("steps", &[1])]].concat(), "5 tensors, expected 4");
        refused(&[&layers[..], &[("mean", &[3]), ("scale", &[3])]].concat(), "mean: F32 [3], expected F32 [5]");
    }

    #[test]
    fn an_exported_module_is_read_back_with_its_standardisation() {
        let params = Params::init(&ModelSpec { inputs: 7, hidden: Hidden::new(&[4, 6]), classes: 3 }, 2, Init::Report);
        let standardisation = Standardisation { mean: vec![1.5; 7], scale: vec![0.25; 7] };
        let read = read_state_dict(&module(&params, &standardisation).unwrap());
        assert_eq!(read, Ok((params, Some(standardisation))));
    }

    #[test]
    fn a_bit_that_flips_is_noticed_or_changes_no_value() {
        let params = Params::init(&ModelSpec { inputs: 7, hidden: Hidden::new(&[4]), classes: 3 }, 2, Init::Report);
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
        let params = Params::init(&ModelSpec { inputs: 7, hidden: Hidden::new(&[4]), classes: 3 }, 2, Init::Report);
        let bytes = serialize(named("", &params), |_| json!({ "format": "pt" })).unwrap();
        assert_eq!(read_network(&bytes, &params.spec), Ok(params));
    }

    #[test]
    fn a_header_of_any_length_is_written_and_values_begin_at_a_multiple_of_8() {
        for models in [1, 2, 300] {
            let params =
                vec![
                    Params::init(&ModelSpec { inputs: 2, hidden: Hidden::new(&[1]), classes: 2 }, 1, Init::Report);
                    models
                ];
            let bytes = networks(&params, &[], |_| json!({ "some": "words" })).unwrap();
            let (header, metadata) = SafeTensors::read_metadata(&bytes).unwrap();
            assert!(header.is_multiple_of(8) && (models < 300 || header > 1 << 16), "{header}");
            assert_eq!(metadata.metadata().as_ref().unwrap()["some"], "words");
            assert_eq!(SafeTensors::deserialize(&bytes).unwrap().len(), 4 * models);
        }
    }

    #[test]
    fn the_same_values_give_the_same_bytes() {
        let params = Params::init(&ModelSpec { inputs: 7, hidden: Hidden::new(&[4]), classes: 3 }, 2, Init::Report);
        assert_eq!(network(&params).unwrap(), network(&params).unwrap());
    }
}
