//! `NumPy`'s `.npz`: an uncompressed zip archive of `.npy` arrays.
//!
//! Format: <https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html>, version 1.0.

use std::io::{Cursor, Write};

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

use crate::error::{Error, Result};
use crate::records::trained::Trained;
use crate::records::{tensors, weights};

/// The arrays `fc1.weight [H, D]`, `fc1.bias [H]`, `fc2.weight [C, H]`, `fc2.bias [C]`, `mean [D]` and `scale [D]` in f32,
/// and `classes [C]` as text.
pub fn encode(trained: &Trained) -> Result<Vec<u8>> {
    pack(trained).map_err(|error| Error::Internal(format!("npz: {error}")))
}

fn pack(trained: &Trained) -> zip::result::ZipResult<Vec<u8>> {
    // A constant time stamp, so that the same network gives the same bytes.
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Stored)
        .last_modified_time(DateTime::default());
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, shape, values) in weights::module_tensors(&trained.params, &trained.standardisation) {
        archive.start_file(format!("{name}.npy"), options)?;
        archive.write_all(&header("<f4", &shape))?;
        archive.write_all(&tensors::little_endian(&values))?;
    }
    let classes: Vec<Vec<char>> = trained.classes.iter().map(|name| name.chars().collect()).collect();
    let width = classes.iter().map(Vec::len).max().unwrap_or(1).max(1);
    archive.start_file("classes.npy", options)?;
    archive.write_all(&header(&format!("<U{width}"), &[classes.len()]))?;
    for name in classes {
        for place in 0..width {
            let letter = name.get(place).map_or(0, |&letter| u32::from(letter));
            archive.write_all(&letter.to_le_bytes())?;
        }
    }
    Ok(archive.finish()?.into_inner())
}

/// The header of an array, padded so that its values start at a multiple of 64 bytes.
fn header(kind: &str, shape: &[usize]) -> Vec<u8> {
    let shape: Vec<_> = shape.iter().map(usize::to_string).collect();
    // A Python tuple of one element needs the comma.
    let mut text = format!("{{'descr': '{kind}', 'fortran_order': False, 'shape': ({},), }}", shape.join(", "));
    let start = 10;
    let padded = (start + text.len() + 1).next_multiple_of(64) - start;
    text.extend(std::iter::repeat_n(' ', padded - 1 - text.len()));
    text.push('\n');
    [b"\x93NUMPY\x01\x00".as_slice(), &(padded as u16).to_le_bytes(), text.as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_a_python_dictionary_of_a_multiple_of_64_bytes() {
        let bytes = header("<f4", &[50, 3072]);
        assert_eq!((bytes.len() % 64, bytes[bytes.len() - 1]), (0, b'\n'));
        assert_eq!(usize::from(bytes[8]) + 10, bytes.len());
        let text = String::from_utf8_lossy(&bytes[10..]).into_owned();
        assert!(text.starts_with("{'descr': '<f4', 'fortran_order': False, 'shape': (50, 3072,), }"), "{text}");
        assert!(String::from_utf8_lossy(&header("<U4", &[3])).contains("(3,)"));
    }
}
