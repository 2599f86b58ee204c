//! Numbers and names as messages show them.

use std::fmt;
use std::path::Path;

use indicatif::{HumanBytes, HumanCount};

/// `n` bytes for people: `1.50 GiB`.
pub fn bytes(n: u128) -> String {
    HumanBytes(u64::try_from(n).unwrap_or(u64::MAX)).to_string()
}

/// `text`, a file's name say, with its control characters escaped: one that would steer a terminal or begin a line of its
/// own is seen and does nothing.
pub fn escaped(text: impl fmt::Display) -> String {
    let mut shown = String::new();
    for character in text.to_string().chars() {
        if character.is_control() {
            shown.extend(character.escape_default());
        } else {
            shown.push(character);
        }
    }
    shown
}

/// A path as messages show it.
pub fn shown(path: &Path) -> String {
    escaped(path.display())
}

/// `n` with a comma between thousands: `30,730,000`.
pub fn grouped(n: u64) -> String {
    HumanCount(n).to_string()
}
