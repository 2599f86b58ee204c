//! Counts, sizes and shares as people read them, and values that records keep as text.

use indicatif::{HumanBytes, HumanCount};

/// `n` bytes: `1.50 GiB`; more than a `u64` holds are as many as that.
pub fn bytes(n: impl TryInto<u64>) -> String {
    HumanBytes(n.try_into().unwrap_or(u64::MAX)).to_string()
}

/// `n` with thousands separators: `30,730,000`.
pub fn grouped(n: impl TryInto<u64>) -> String {
    HumanCount(n.try_into().unwrap_or(u64::MAX)).to_string()
}

/// A share in points, hundredths of all: `12.34`.
pub fn points(share: f64) -> String {
    format!("{:.2}", share * 100.0)
}

/// A share as a percentage: `12.34%`.
pub fn percent(share: f64) -> String {
    format!("{:.2}%", share * 100.0)
}

/// The same where tenths are enough: `12.3 %`.
pub fn tenths(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}

/// `1 model`, `1,000 models`.
pub fn plural(count: usize, unit: &str) -> String {
    format!("{} {unit}{}", grouped(count), if count == 1 { "" } else { "s" })
}

/// Implements what `#[serde(try_from = "String", into = "String")]` asks for, by `FromStr` and `Display`.
macro_rules! as_text {
    ($type:ty) => {
        impl TryFrom<String> for $type {
            type Error = $crate::error::Error;

            fn try_from(text: String) -> $crate::error::Result<Self> {
                text.parse()
            }
        }

        impl From<$type> for String {
            fn from(value: $type) -> Self {
                value.to_string()
            }
        }
    };
}

pub(crate) use as_text;
