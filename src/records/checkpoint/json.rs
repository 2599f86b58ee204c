//! JSON in which every name of an object is there once. `serde_json` takes the last of two, and so does safetensors.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// A value as JSON in one line.
pub fn text(value: &impl Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(|error| Error::Internal(format!("checkpoint: {error}")))
}

/// A value in which no object has two entries of one name. Only objects and texts are kept.
pub enum Unique {
    Object(BTreeMap<String, Unique>),
    Text(String),
    Other,
}

impl Unique {
    /// The text at the end of a path of names.
    pub fn text(&self, path: &[&str]) -> Option<&str> {
        match (self, path) {
            (Self::Text(text), []) => Some(text),
            (Self::Object(entries), [name, path @ ..]) => entries.get(*name)?.text(path),
            _ => None,
        }
    }
}

impl<'de> Deserialize<'de> for Unique {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyValue)
    }
}

struct AnyValue;

impl<'de> Visitor<'de> for AnyValue {
    type Value = Unique;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Unique, A::Error> {
        let mut entries = BTreeMap::new();
        while let Some((name, value)) = map.next_entry::<String, Unique>()? {
            if entries.contains_key(&name) {
                return Err(A::Error::custom(format!("{name:?} is there twice")));
            }
            entries.insert(name, value);
        }
        Ok(Unique::Object(entries))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Unique, A::Error> {
        while seq.next_element::<Unique>()?.is_some() {}
        Ok(Unique::Other)
    }

    fn visit_str<E>(self, text: &str) -> Result<Unique, E> {
        Ok(Unique::Text(text.to_owned()))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Unique, E> {
        Ok(Unique::Other)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Unique, E> {
        Ok(Unique::Other)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Unique, E> {
        Ok(Unique::Other)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Unique, E> {
        Ok(Unique::Other)
    }

    fn visit_unit<E>(self) -> Result<Unique, E> {
        Ok(Unique::Other)
    }
}
