//! Counts and sizes for people.

use indicatif::{HumanBytes, HumanCount};

/// `n` bytes for people: `1.50 GiB`.
pub fn bytes(n: u128) -> String {
    HumanBytes(u64::try_from(n).unwrap_or(u64::MAX)).to_string()
}

/// `n` with a comma between thousands: `30,730,000`.
pub fn grouped(n: u64) -> String {
    HumanCount(n).to_string()
}
