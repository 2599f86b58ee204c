//! The published archive, and how it is recognised.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

use md5::{Digest, Md5};

use crate::util::digest::hex;
use crate::util::text::grouped;

/// A file to download, with its size and checksum.
#[derive(Clone, Copy, Debug)]
pub struct Published<'a> {
    /// Its name.
    pub name: &'a str,
    /// Where it is published.
    pub url: &'a str,
    /// Its size.
    pub bytes: u64,
    /// Its MD5, in hexadecimal.
    pub md5: &'a str,
}

/// The official archive, as <https://www.cs.toronto.edu/~kriz/cifar.html> publishes it.
pub const CIFAR_10: Published<'static> = Published {
    name: "cifar-10-binary.tar.gz",
    url: "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
    bytes: 170_052_171,
    md5: "c32a1d4ab5d03f1284b67883e8d87530",
};

impl Published<'_> {
    /// Fails unless the file at `path` has the published size and checksum.
    pub(super) fn check(&self, path: &Path) -> Result<(), String> {
        let mut hash = Md5::new();
        let mut length = 0;
        let read = (|| {
            if !fs::metadata(path)?.is_file() {
                return Err(io::Error::other("not a regular file"));
            }
            let mut file = File::open(path)?;
            let mut block = vec![0; 1 << 18];
            loop {
                let count = file.read(&mut block)?;
                if count == 0 {
                    return Ok(());
                }
                length += count as u64;
                hash.update(&block[..count]);
            }
        })();
        read.map_err(|fault: io::Error| fault.to_string())?;
        let found = hex(&hash.finalize());
        if length == self.bytes && found == self.md5 {
            return Ok(());
        }
        let [length, expected] = [length, self.bytes].map(grouped);
        Err(format!(
            "{length} bytes with MD5 {found}, expected {expected} with {}: this is not {}, or it is damaged",
            self.md5, self.name
        ))
    }
}
