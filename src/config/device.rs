//! What `--device` asks for.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::util::text::as_text;

/// What `--device` asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Choice {
    /// `auto`: a real GPU, else the CPU engine.
    #[default]
    Auto,
    /// `cpu`: the CPU engine.
    Cpu,
    /// `gpu`, `gpu:N` or a part of an adapter's name: the GPU engine, on a software adapter if need be.
    Gpu(Adapter),
}

impl FromStr for Choice {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let usage =
            || Error::Usage(format!("\"{text}\": expected auto, cpu, gpu, gpu:N or a part of an adapter's name"));
        match text {
            "" => Err(usage()),
            "auto" => Ok(Self::Auto),
            "cpu" => Ok(Self::Cpu),
            "gpu" => Ok(Self::Gpu(Adapter::Any)),
            _ => Ok(Self::Gpu(match text.strip_prefix("gpu:") {
                Some(index) => Adapter::Index(index.parse().map_err(|_| usage())?),
                None => Adapter::Name(text.into()),
            })),
        }
    }
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Cpu => f.write_str("cpu"),
            Self::Gpu(Adapter::Any | Adapter::Next(_)) => f.write_str("gpu"),
            Self::Gpu(Adapter::Index(index)) => write!(f, "gpu:{index}"),
            Self::Gpu(Adapter::Name(name)) => f.write_str(name),
        }
    }
}

as_text!(Choice);

/// Which adapter to open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Adapter {
    /// The best: discrete before integrated before others before software.
    Any,
    /// Of those as good as the best, the next one for each process of a machine, and again from the first.
    Next(usize),
    /// By its place in the list of `cyclone devices`.
    Index(usize),
    /// By a part of its name, in any case.
    Name(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_choice_is_written_as_it_is_typed() {
        for text in ["auto", "cpu", "gpu", "gpu:3", "llvmpipe", "NVIDIA H100"] {
            assert_eq!(text.parse::<Choice>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn a_number_is_expected_after_the_colon() {
        for text in ["", "gpu:", "gpu:x", "gpu:-1"] {
            let error = text.parse::<Choice>().unwrap_err();
            assert!(error.to_string().contains("gpu:N"), "{error}");
        }
    }
}
