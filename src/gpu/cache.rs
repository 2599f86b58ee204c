//! What is remembered between processes, in the user's cache folder: compiled pipelines here, tunings in
//! [`super::tune`].
//!
//! Nothing depends on it but the time to start. So a file that is missing, damaged, or of another version or driver is as
//! good as none, and one that cannot be written is not worth a word.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use sha2::{Digest, Sha256};

/// Most bytes of compiled pipelines: the cache only ever grows, and beyond this it starts anew. (llvmpipe keeps nothing in
/// it, its own cache on disk does the work: the first step takes 544 to 603 ms without that one, 49 with.)
const MOST: usize = 32 << 20;
/// Bytes of a SHA-256.
const DIGEST: usize = 32;

/// Where `name` is kept, if the user has a cache folder.
pub fn path(name: &str) -> Option<PathBuf> {
    dirs::cache_dir().map(|folder| folder.join("cyclone").join(name))
}

/// Writes a file so that no process ever reads a part of it; after a power cut it may be gone or empty.
pub fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    // Two processes may write at once: each a file of its own, and the last renaming counts.
    let temporary = PathBuf::from(format!("{}.{}", path.display(), std::process::id()));
    fs::write(&temporary, bytes).and_then(|()| fs::rename(&temporary, path)).inspect_err(|_| {
        // It may never have been made.
        let _ = fs::remove_file(&temporary);
    })
}

/// The driver's compiled pipelines. Most desktop drivers remember theirs by themselves; for those that do not, this does.
#[derive(Debug)]
pub struct Pipelines {
    cache: wgpu::PipelineCache,
    path: PathBuf,
    /// Bytes of what the file holds.
    known: Mutex<usize>,
}

impl Pipelines {
    /// Those remembered for this adapter, driver and version; none where wgpu has no such cache (only Vulkan has).
    pub fn load(device: &wgpu::Device, info: &wgpu::AdapterInfo) -> Option<Self> {
        let key = wgpu::util::pipeline_cache_key(info)?;
        let path = path(&format!("{key}-{}", env!("CARGO_PKG_VERSION")))?;
        device.features().contains(wgpu::Features::PIPELINE_CACHE).then(|| Self::at(device, path))
    }

    fn at(device: &wgpu::Device, path: PathBuf) -> Self {
        let data = fs::read(&path).ok().and_then(|bytes| unsealed(&bytes).map(<[u8]>::to_vec));
        let known = Mutex::new(data.as_ref().map_or(0, Vec::len));
        Self { cache: create(device, data.as_deref()), path, known }
    }

    /// To compile with.
    pub fn cache(&self) -> &wgpu::PipelineCache {
        &self.cache
    }

    /// Remembers what has been compiled since the last time, if anything was.
    pub fn save(&self) {
        let Some(data) = self.cache.get_data() else { return };
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if data.len() != *known {
            let kept = if data.len() <= MOST { write(&self.path, &sealed(&data)) } else { fs::remove_file(&self.path) };
            if kept.is_ok() {
                *known = data.len();
            }
        }
    }
}

#[expect(unsafe_code, reason = "wgpu cannot check what a driver reads: see SAFETY")]
fn create(device: &wgpu::Device, data: Option<&[u8]>) -> wgpu::PipelineCache {
    let label = Some("pipelines");
    // SAFETY: `data` has the digest that `Pipelines::save` gave to bytes from `PipelineCache::get_data`, so they are those
    // bytes; that they are of this adapter and driver, wgpu asks of their header, and begins anew if not.
    unsafe { device.create_pipeline_cache(&wgpu::PipelineCacheDescriptor { label, data, fallback: true }) }
}

/// A digest of `data`, then `data`.
fn sealed(data: &[u8]) -> Vec<u8> {
    [Sha256::digest(data).as_slice(), data].concat()
}

/// What was sealed, if it is undamaged.
fn unsealed(bytes: &[u8]) -> Option<&[u8]> {
    let (digest, data) = bytes.split_at_checked(DIGEST)?;
    (Sha256::digest(data).as_slice() == digest).then_some(data)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::device::Adapter;
    use crate::gpu::Gpu;
    use crate::gpu::kernel::Pipeline;
    use crate::gpu::kernels::{Kernel, Shaders};

    #[test]
    fn damage_is_noticed() {
        let bytes = sealed(b"compiled");
        assert_eq!(unsealed(&bytes), Some(&b"compiled"[..]));
        for place in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[place] ^= 1;
            assert_eq!(unsealed(&damaged), None, "byte {place}");
            assert_eq!(unsealed(&bytes[..place]), None, "cut to {place} bytes");
        }
    }

    #[test]
    fn pipelines_are_remembered_and_a_damaged_file_is_as_good_as_none() {
        let gpu = Gpu::open(&Adapter::Any).expect("a Vulkan driver: ./test installs a software one");
        if !gpu.device.features().contains(wgpu::Features::PIPELINE_CACHE) {
            println!("SKIPPED: {} has no pipeline cache", gpu.describe());
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new").join("pipelines");
        let compiled = |width: f64| {
            let pipelines = Pipelines::at(&gpu.device, path.clone());
            let known = *pipelines.known.lock().unwrap();
            let constants = [("WIDTH", width), ("HEIGHT", 3.0), ("STRIDE", 8.0), ("STEP", 8.0)];
            Pipeline::with(&gpu, &Shaders::default(), Kernel::Squares, &constants, Some(&pipelines)).unwrap();
            pipelines.save();
            let bytes = fs::read(&path).unwrap();
            assert_eq!(unsealed(&bytes).map(<[u8]>::len), pipelines.cache.get_data().map(|data| data.len()));
            (known, bytes)
        };
        let (known, first) = compiled(5.0);
        assert_eq!(known, 0);
        let (known, second) = compiled(7.0);
        assert_eq!(known, first.len() - DIGEST);
        assert!(second.len() >= first.len());

        fs::write(&path, &second[..second.len() - 1]).unwrap();
        assert_eq!(compiled(5.0).0, 0);
    }
}
