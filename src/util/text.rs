//! Counts and sizes as people read them.

use indicatif::{HumanBytes, HumanCount};

/// `n` bytes: `1.50 GiB`.
pub fn bytes(n: u128) -> String {
    HumanBytes(u64::try_from(n).unwrap_or(u64::MAX)).to_string()
}

/// `n` with thousands separators: `30,730,000`.
pub fn grouped(n: u64) -> String {
    HumanCount(n).to_string()
}
