//! Safetensors: the one writer and the one reader of every file of tensors, all of them f32.
//!
//! Nothing in a file is believed. Its header is no longer than a reader allows and has every name once; the tensors are those
//! that are expected, by name, type and shape, and fill the file to its end, so memory is bounded by what is expected;
//! the values have the SHA-256 that the metadata names, where it names one, and each of them is a finite number.

use std::collections::BTreeMap;
use std::fmt;
use std::io::Read;
use std::marker::PhantomData;

use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, Metadata, TensorInfo, TensorView};
use serde::Deserialize;
use serde::de::{Deserializer, Error as _, MapAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::error::{Error, Result};
use crate::util::digest::sha256;
use crate::util::text::grouped;

/// A named tensor: its shape and its values, row-major.
pub type Named = (String, Vec<usize>, Vec<f32>);

/// Bytes before a file's header: its length, the lowest first.
const LENGTH: usize = 8;
const METADATA: &str = "__metadata__";
/// The metadata's entry for the SHA-256 of all values.
pub const DIGEST: &str = "sha256";

/// Numbers as a file has them.
pub fn little_endian(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

/// A file of these tensors, and of what `metadata` says of their bytes.
pub fn serialize(tensors: impl Iterator<Item = Named>, metadata: impl FnOnce(&[u8]) -> Value) -> Result<Vec<u8>> {
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
    let mut text = format!("{{\"{METADATA}\":{},{}", metadata(values), text.trim_end()).into_bytes();
    // So that the values begin at a multiple of 8.
    text.resize(text.len().next_multiple_of(8), b' ');
    let begin = (text.len() as u64).to_le_bytes().into_iter().chain(text);
    file.splice(..header.len(), begin);
    Ok(file)
}

/// A file whose header has been read. An error is a sentence without the file's name.
pub struct Reader<R> {
    file: R,
    /// Bytes of the file, and of its header.
    lengths: [u64; 2],
    metadata: BTreeMap<String, String>,
    tensors: Metadata,
}

impl<R: Read> Reader<R> {
    /// Reads the header, of `cap` bytes at most, of a file of `length` bytes.
    pub fn new(mut file: R, length: u64, cap: usize) -> Result<Self, String> {
        let cut = |_| format!("{} bytes, cut inside the header", grouped(length));
        let mut size = [0; LENGTH];
        file.read_exact(&mut size).map_err(cut)?;
        let size = u64::from_le_bytes(size);
        if size > cap as u64 {
            return Err(format!("a header of {} bytes, expected {} at most", grouped(size), grouped(cap)));
        }
        let mut header = vec![0; size as usize];
        file.read_exact(&mut header).map_err(cut)?;
        let (metadata, tensors) = parse(&header).map_err(|what| format!("header: {what}"))?;
        Ok(Self { file, lengths: [length, size], metadata, tensors })
    }

    /// An entry of the metadata.
    pub fn metadata(&self, key: &str) -> Option<&str> {
        self.metadata.get(key).map(String::as_str)
    }

    /// The names and shapes of all tensors, sorted by names.
    pub fn shapes(&self) -> Vec<(String, Vec<usize>)> {
        let tensors = self.tensors.tensors().into_iter();
        let shapes: BTreeMap<_, _> = tensors.map(|(name, info)| (name, info.shape.clone())).collect();
        shapes.into_iter().collect()
    }

    /// How many tensors.
    pub fn count(&self) -> usize {
        self.tensors.tensors().len()
    }

    /// Values in the first dimension of a tensor; 0 if it is not there.
    pub fn rows(&self, name: &str) -> usize {
        self.tensors.info(name).and_then(|info| info.shape.first().copied()).unwrap_or(0)
    }

    /// The values of these tensors, which are all that the file has, in this order.
    pub fn values(mut self, expected: &[(String, Vec<usize>)]) -> Result<Vec<Vec<f32>>, String> {
        let mut places = Vec::new();
        for (name, shape) in expected {
            let info = self.tensors.info(name).ok_or_else(|| format!("no tensor {name}"))?;
            if info.dtype != Dtype::F32 || info.shape != *shape {
                return Err(format!("{name}: {:?} {:?}, expected F32 {shape:?}", info.dtype, info.shape));
            }
            places.push(info.data_offsets);
        }
        let found = self.count();
        if found != expected.len() {
            return Err(format!("{found} tensors, expected {}", expected.len()));
        }
        let [length, header] = self.lengths;
        let whole = LENGTH as u64 + header + self.tensors.data_len() as u64;
        if length != whole {
            return Err(format!("{} bytes, expected {}", grouped(length), grouped(whole)));
        }
        let mut data = vec![0; self.tensors.data_len()];
        self.file.read_exact(&mut data).map_err(|error| error.to_string())?;
        if self.metadata(DIGEST).is_some_and(|digest| digest != sha256(&data)) {
            return Err("damaged: the values do not have the SHA-256 that stands beside them".into());
        }
        let mut all = Vec::new();
        for ((name, _), (start, end)) in expected.iter().zip(places) {
            // Not a cast: the data may begin at any address.
            let values: Vec<_> =
                data[start..end].as_chunks().0.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect();
            if let Some(place) = values.iter().position(|value| !value.is_finite()) {
                return Err(format!("{name}: value {place} is {}, expected a finite number", values[place]));
            }
            all.push(values);
        }
        Ok(all)
    }
}

/// A header's metadata, and its tensors, which follow each other without gaps.
fn parse(header: &[u8]) -> Result<(BTreeMap<String, String>, Metadata), String> {
    let text = |error: serde_json::Error| error.to_string();
    let mut tensors: Unique<&RawValue> = serde_json::from_slice(header).map_err(text)?;
    let metadata = tensors.0.remove(METADATA).map(|raw| serde_json::from_str::<Unique<String>>(raw.get())).transpose();
    let tensors = tensors.0.into_iter().map(|(name, raw)| Ok((name, serde_json::from_str::<TensorInfo>(raw.get())?)));
    let mut tensors = tensors.collect::<Result<Vec<_>, _>>().map_err(text)?;
    tensors.sort_by_key(|(_, info)| info.data_offsets);
    let tensors = Metadata::new(None, tensors).map_err(|error| error.to_string())?;
    Ok((metadata.map_err(text)?.map_or_else(BTreeMap::new, |metadata| metadata.0), tensors))
}

/// An object in which every name is there once: of two a map of serde's would have the last.
struct Unique<V>(BTreeMap<String, V>);

impl<'de, V: Deserialize<'de>> Deserialize<'de> for Unique<V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries<V>(PhantomData<V>);

        impl<'de, V: Deserialize<'de>> Visitor<'de> for Entries<V> {
            type Value = Unique<V>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Unique<V>, A::Error> {
                let mut entries = BTreeMap::new();
                while let Some((name, value)) = map.next_entry::<String, V>()? {
                    if entries.contains_key(&name) {
                        return Err(A::Error::custom(format!("{name:?} is there twice")));
                    }
                    entries.insert(name, value);
                }
                Ok(Unique(entries))
            }
        }

        deserializer.deserialize_map(Entries(PhantomData))
    }
}
