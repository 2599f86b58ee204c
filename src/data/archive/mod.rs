//! The official archive `cifar-10-binary.tar.gz`, read without unpacking it anywhere.
//!
//! An archive is not trusted: only regular files with the expected names and exact sizes are read, each once, into
//! memory of a size known in advance. Nothing is written.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek};
use std::path::Path;

use flate2::bufread::GzDecoder;

use super::cifar::{self, CLASSES, FILES, FOLDER, Images, RECORD};
use super::dataset::Dataset;
use crate::error::{Error, Result};
use crate::util::text::grouped;

/// Members of the official archive without images, which are skipped.
const OTHERS: [&str; 2] = ["batches.meta.txt", "readme.html"];
/// Largest size of a skipped member, and of everything but the images together.
const SLACK: u64 = 1 << 20;

/// Reads the archive. Exit code 7 if it is damaged or is not the official one, 3 if it cannot be opened.
pub fn open(path: &Path) -> Result<Dataset> {
    open_with(path, cifar::BATCH)
}

/// [`open`] with `records` images a file.
pub fn open_with(path: &Path, records: usize) -> Result<Dataset> {
    let unreadable = Error::unreadable(path);
    let file = File::open(path).map_err(&unreadable)?;
    let length = file.metadata().map_err(&unreadable)?.len();
    let mut packed = BufReader::with_capacity(1 << 16, file);
    let mut images = Images::new(records)?;
    if let Err(fault) = unpack(&mut packed, &mut images, records) {
        let [at, length] = [packed.stream_position().map_err(unreadable)?, length].map(grouped);
        return Err(Error::archive(
            path,
            format!("{} (at byte {at} of {length}); data/README.md says how to get the official archive", fault.0),
        ));
    }
    images.into_dataset(path)
}

struct Fault(String);

impl From<io::Error> for Fault {
    fn from(fault: io::Error) -> Self {
        Self(format!("damaged archive: {fault}"))
    }
}

/// Reads all of `packed`, with the checksum at its end.
fn unpack(packed: &mut impl BufRead, images: &mut Images, records: usize) -> Result<(), Fault> {
    let cap = (FILES.len() * records * RECORD) as u64 + SLACK;
    let mut unpacked = GzDecoder::new(&mut *packed).take(cap);
    // The checksum is verified at the end of the stream, after the last member.
    let outcome = read_members(&mut unpacked, images, records)
        .and_then(|()| io::copy(&mut unpacked, &mut io::sink()).map_err(Fault::from));
    if unpacked.limit() == 0 {
        return Err(Fault(format!("unpacks to {} bytes or more, far more than the official archive", grouped(cap))));
    }
    outcome?;
    if !packed.fill_buf()?.is_empty() {
        return Err(Fault("more bytes follow the end of the gzip stream".into()));
    }
    Ok(())
}

/// Reads the members of a tar stream up to its end marker.
fn read_members(stream: &mut impl Read, images: &mut Images, records: usize) -> Result<(), Fault> {
    let mut files = images.files_mut();
    let mut seen = HashSet::new();
    // Raw: headers are taken literally, so an extension cannot change a name or a size.
    for member in tar::Archive::new(stream).entries()?.raw(true) {
        let mut member = member?;
        let name = String::from_utf8_lossy(&member.path_bytes()).into_owned();
        let (kind, size) = (member.header().entry_type(), member.size());
        let refuse = |what: String| Err(Fault(format!("member {name:?}: {what}")));

        // Some programs write an extension with a finer time stamp before each member.
        let is_extension = kind.is_pax_local_extensions() || kind.is_pax_global_extensions();
        if size <= SLACK && (is_extension || kind.is_dir() && name.trim_end_matches('/') == FOLDER) {
            continue;
        }
        let Some(short) = name.strip_prefix(FOLDER).and_then(|rest| rest.strip_prefix('/')) else {
            return refuse(format!("not in the official archive, whose members are in {FOLDER}/"));
        };
        if !kind.is_file() {
            return refuse(format!("{kind:?}, expected a regular file"));
        }
        let place = FILES.iter().position(|file| *file == short);
        if place.is_none() && !OTHERS.contains(&short) {
            return refuse("not in the official archive".into());
        }
        if !seen.insert(short.to_owned()) {
            return refuse("is repeated".into());
        }
        let Some(place) = place else {
            if size > SLACK {
                return refuse(format!("{} bytes, expected {} at most", grouped(size), grouped(SLACK)));
            }
            continue;
        };
        if size != (records * RECORD) as u64 {
            return refuse(format!("{} bytes, expected {}", grouped(size), cifar::length(records)));
        }
        match files[place].read(&mut member, CLASSES.len()) {
            Ok(()) => {}
            Err(cifar::Fault::Io(fault)) => return Err(fault.into()),
            Err(label) => return refuse(label.to_string()),
        }
    }
    let missing: Vec<_> = FILES.into_iter().filter(|file| !seen.contains(*file)).collect();
    if !missing.is_empty() {
        return Err(Fault(format!("of the six files of CIFAR-10, {} missing", cifar::list(&missing))));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
