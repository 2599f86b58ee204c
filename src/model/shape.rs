//! The shape of a network, checked before anything is built from it.

use std::borrow::Cow;
use std::fmt::{self, Display, Formatter};
use std::ops::Deref;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::util::text::{bytes, grouped};

/// The units of each hidden layer, from the inputs on; of softmax regression there is none. Written as `512,256`, or `none`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub struct Hidden(Cow<'static, [usize]>);

impl Hidden {
    /// Layers of these units.
    pub const fn new(layers: &'static [usize]) -> Self {
        Self(Cow::Borrowed(layers))
    }

    /// One layer.
    pub fn one(units: usize) -> Self {
        vec![units].into()
    }
}

impl Deref for Hidden {
    type Target = [usize];

    fn deref(&self) -> &[usize] {
        &self.0
    }
}

impl From<Vec<usize>> for Hidden {
    fn from(layers: Vec<usize>) -> Self {
        Self(layers.into())
    }
}

impl FromStr for Hidden {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "none" {
            return Ok(Self::new(&[]));
        }
        let layers = text.split(',').map(|units| units.trim().parse().ok());
        layers
            .collect::<Option<Vec<_>>>()
            .map(Self::from)
            .ok_or_else(|| "expected units like 50 or 512,256, or none".into())
    }
}

impl Display for Hidden {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return f.write_str("none");
        }
        f.write_str(&self.iter().map(ToString::to_string).collect::<Vec<_>>().join(","))
    }
}

/// In files: a number for one layer, as before there were more, else a list; text as on the command line is read too.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Written {
    One(usize),
    List(Vec<usize>),
    Text(String),
}

impl TryFrom<Written> for Hidden {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        match written {
            Written::One(units) => Ok(Self::one(units)),
            Written::List(layers) => Ok(layers.into()),
            Written::Text(text) => text.parse(),
        }
    }
}

impl From<Hidden> for Written {
    fn from(hidden: Hidden) -> Self {
        match hidden.0[..] {
            [units] => Self::One(units),
            _ => Self::List(hidden.0.into_owned()),
        }
    }
}

/// The shape of a network `D → H₁ → … → C`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ModelSpec {
    /// `D`: inputs of an image, 3 × 32 × 32 = 3,072.
    pub inputs: usize,
    /// `H`: units of each hidden layer.
    pub hidden: Hidden,
    /// `C`: classes.
    pub classes: usize,
}

impl ModelSpec {
    /// Most units of a layer: 2²⁴ take 192 GiB of weights of the first layer alone, more than the memory of any device. The
    /// limits of the device itself are checked in [`crate::gpu`].
    pub const MAX_HIDDEN: usize = 1 << 24;

    /// A checked shape: every size at least 1, layers of at most [`Self::MAX_HIDDEN`] units.
    pub fn new(inputs: usize, hidden: Hidden, classes: usize) -> Result<Self> {
        let most = grouped(Self::MAX_HIDDEN);
        let spec = Self { inputs, hidden, classes };
        if let Some(wrong) = spec.hidden.iter().find(|units| !(1..=Self::MAX_HIDDEN).contains(*units)) {
            let weights = spec.layers().map(|[from, to]| from as u128 * to as u128).fold(0, u128::saturating_add);
            let of =
                if *wrong == 0 { String::new() } else { format!("; the weights would take {}", bytes(4 * weights)) };
            return Err(Error::Usage(format!("--hidden {}: expected layers of 1 to {most} units{of}", spec.hidden)));
        }
        if inputs == 0 || classes < 2 {
            return Err(Error::Usage(format!(
                "{inputs} inputs and {classes} classes: expected at least 1 input and 2 classes"
            )));
        }
        Ok(spec)
    }

    /// Fan-in and units of each layer, the output layer last.
    pub fn layers(&self) -> impl ExactSizeIterator<Item = [usize; 2]> + Clone {
        let count = self.hidden.len() + 1;
        let size = move |place: usize| match place {
            0 => self.inputs,
            _ => self.hidden.get(place - 1).copied().unwrap_or(self.classes),
        };
        (0..count).map(move |layer| [size(layer), size(layer + 1)])
    }

    /// What enters the output layer: units of the last hidden layer, or the inputs.
    pub fn last(&self) -> usize {
        self.hidden.last().copied().unwrap_or(self.inputs)
    }

    /// Operations of a training step for one image: each layer's product forward, its weights' gradient, and but for the first
    /// the gradient of what enters it.
    pub fn step_flops(&self) -> usize {
        let products = self.layers().enumerate().map(|(layer, [from, to])| if layer == 0 { 2 } else { 3 } * from * to);
        2 * products.sum::<usize>()
    }

    /// Number of weights and biases.
    pub fn parameters(&self) -> usize {
        self.layers().map(|[from, to]| (from + 1) * to).sum()
    }
}

impl Display for ModelSpec {
    /// `3072-50-10`.
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.inputs)?;
        self.layers().try_for_each(|[_, to]| write!(f, "-{to}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(hidden: &str) -> ModelSpec {
        ModelSpec::new(3072, hidden.parse().unwrap(), 10).unwrap()
    }

    #[test]
    fn a_shape_reads_and_writes_as_people_write_it() {
        for (text, shape) in [("50", "3072-50-10"), ("512,256,128", "3072-512-256-128-10"), ("none", "3072-10")] {
            assert_eq!((spec(text).hidden.to_string(), spec(text).to_string()), (text.to_owned(), shape.to_owned()));
        }
        assert_eq!("512, 256".parse(), Ok(Hidden::new(&[512, 256])));
        for wrong in ["", "5,", "-1", "1.5", "5;6"] {
            assert!(wrong.parse::<Hidden>().is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn one_layer_is_a_number_in_files_and_more_are_a_list() {
        for (text, json) in [("50", "50"), ("512,256", "[512,256]"), ("none", "[]")] {
            let hidden = spec(text).hidden;
            assert_eq!(serde_json::to_string(&hidden).unwrap(), json);
            assert_eq!(serde_json::from_str::<Hidden>(json).unwrap(), hidden);
            assert_eq!(serde_json::from_str::<Hidden>(&format!("\"{text}\"")).unwrap(), hidden);
        }
    }

    #[test]
    fn layers_parameters_and_operations_are_counted() {
        let deep = spec("7,5");
        assert_eq!(deep.layers().collect::<Vec<_>>(), [[3072, 7], [7, 5], [5, 10]]);
        assert_eq!((deep.last(), spec("none").last()), (5, 3072));
        assert_eq!(deep.parameters(), 3073 * 7 + 8 * 5 + 6 * 10);
        assert_eq!(deep.step_flops(), 4 * 3072 * 7 + 6 * 7 * 5 + 6 * 5 * 10);
        assert_eq!(spec("none").step_flops(), 4 * 3072 * 10);
    }

    #[test]
    fn a_layer_without_units_and_one_too_wide_are_refused() {
        let error = |hidden: Vec<usize>| ModelSpec::new(3072, hidden.into(), 10).unwrap_err().to_string();
        assert_eq!(error(vec![5, 0]), "--hidden 5,0: expected layers of 1 to 16,777,216 units");
        assert!(error(vec![ModelSpec::MAX_HIDDEN + 1]).contains("the weights would take 192"));
    }
}
