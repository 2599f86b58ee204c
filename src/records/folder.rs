//! Where a run's records go: the folder that the user named, or a fresh one.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use jiff::Zoned;

use super::metrics;
use crate::error::{Error, Result, shown};
use crate::util::files::{failed, is_temporary};
use crate::util::lock;

/// The folder of default names.
const RUNS: &str = "runs";

/// Takes the folder that the user named: a new one, or an empty one.
pub fn claim(path: &Path) -> Result<()> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).map_err(failed(parent))?;
    }
    match fs::create_dir(path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists && path.is_dir() => {
            if !is_unused(path)? {
                lock::check(path)?;
                return Err(Error::Usage(format!(
                    "--out {0}: the folder is there and not empty, and a run is never overwritten: \
                     name another folder, or remove this one, or resume its run with --resume {0}",
                    shown(path)
                )));
            }
            Ok(())
        }
        made => made.map_err(failed(path)),
    }
}

/// Makes a folder in `runs/` named after `name` and the time.
pub fn fresh(name: &str) -> Result<PathBuf> {
    claim_fresh(&Path::new(RUNS).join(format!("{name}-{}", Zoned::now().strftime("%Y%m%d-%H%M%S"))))
}

/// Makes the folder `base`, or `base-2`, `base-3` … if another run has just taken that name.
fn claim_fresh(base: &Path) -> Result<PathBuf> {
    fs::create_dir_all(RUNS).map_err(failed(Path::new(RUNS)))?;
    let mut path = base.to_owned();
    for next in 2_u64.. {
        match fs::create_dir(&path) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                path = PathBuf::from(format!("{}-{next}", base.display()));
            }
            made => return made.map(|()| path.clone()).map_err(failed(&path)),
        }
    }
    Err(Error::output(base, "no free name"))
}

/// Whether a folder has nothing in it but what a process leaves that is killed before its run began.
fn is_unused(path: &Path) -> Result<bool> {
    for entry in fs::read_dir(path).map_err(failed(path))? {
        let entry = entry.map_err(failed(path))?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let is_empty = || entry.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.len() == 0);
        if name != lock::NAME && !is_temporary(&name) && !(name == metrics::FILE && is_empty()) {
            return Ok(false);
        }
    }
    Ok(true)
}
