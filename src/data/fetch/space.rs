//! Disk space for a download.

use std::io::{self, ErrorKind};
use std::path::Path;

use crate::error::{Error, Result};
use crate::util::text::bytes;

/// Fails if the disk has less than `needed` bytes free.
pub fn need_space(folder: &Path, needed: u64) -> Result<()> {
    // If the file system does not say, try.
    match fs4::available_space(folder) {
        Ok(free) if free < needed => Err(Error::output(folder, too_little(needed, free))),
        _ => Ok(()),
    }
}

/// Why `path` cannot be written; on a full disk, with the space that is `needed` and the space that is free.
pub fn unwritable(path: &Path, needed: u64, fault: &io::Error) -> Error {
    let is_full = matches!(fault.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded);
    let free = path.parent().filter(|_| is_full).and_then(|folder| fs4::available_space(folder).ok());
    let help = free.map_or("choose another folder with --dest".into(), |free| too_little(needed, free));
    Error::output(path, format!("cannot be written: {fault}; {help}"))
}

fn too_little(needed: u64, free: u64) -> String {
    let [needed, free] = [needed, free].map(bytes);
    format!("{needed} needed in all, {free} free here: free some, or choose another folder with --dest")
}
