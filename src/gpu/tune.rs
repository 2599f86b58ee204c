//! Which tuning is fastest for a job on an adapter: measured once, then remembered.
//!
//! No result depends on it, so it may be measured on a busy machine, forgotten, or copied from another. One fixed choice
//! averages 59 % of each GPU's best in published comparisons, a tuned one 80 %.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};

use super::adapter::AdapterInfo;
use super::context::Gpu;
use super::kernels::Kernel;
use super::plan::{Plan, Tuning};
use super::{GpuEngine, Options};
use crate::config::spec::Feed;
use crate::data::batches::Batches;
use crate::data::{Dataset, Standardisation};
use crate::engine::{Chunks, Engine, Job};
use crate::error::Result;
use crate::model::params::{Init, Params};
use crate::model::regularise::Regularise;
use crate::util::digest::hex;
use crate::util::files;

/// Steps of a measurement.
const STEPS: u64 = 60;
/// Measurements of a tuning, of which the fastest counts: the others were disturbed.
const REPEATS: usize = 4;

/// The tuning for `job`: remembered, or measured now; none on a software adapter, where it would take minutes.
pub fn tuning(gpu: &Arc<Gpu>, job: &Job) -> Result<Option<Tuning>> {
    if gpu.is_software() {
        return Ok(None);
    }
    let path = dirs::cache_dir().map(|folder| folder.join("cyclone").join("tuning.json"));
    let key = key(gpu, job);
    let mut known = path.as_deref().map(read).unwrap_or_default();
    if let Some(tuning) = known.get(&key) {
        return Ok(Some(*tuning));
    }
    let best = measure(gpu, job)?;
    if let Some(path) = path {
        known.insert(key, best);
        // A file that cannot be written costs the same measurement at the next start, and is not worth a word.
        let _ = write(&path, &known);
    }
    Ok(Some(best))
}

/// Everything that a tuning may depend on, the shaders' text too: one measured with other kernels means nothing.
fn key(gpu: &Gpu, job: &Job) -> String {
    let files = Kernel::ALL.into_iter().flat_map(Kernel::files);
    let shaders = hex(&files.fold(Sha256::new(), |hash, (_, text)| hash.chain_update(text)).finalize()[..8]);
    let AdapterInfo { name, backend, driver, .. } = &gpu.info;
    let Job { model, batch_size, shuffles, .. } = job;
    let shape = [job.models(), *batch_size, *shuffles];
    format!("{} {shaders} {name} {backend} {driver} {model} {shape:?}", env!("CARGO_PKG_VERSION"))
}

/// A damaged or missing file knows nothing.
fn read(path: &Path) -> BTreeMap<String, Tuning> {
    fs::read(path).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default()
}

fn write(path: &Path, known: &BTreeMap<String, Tuning>) -> std::io::Result<()> {
    fs::create_dir_all(path.parent().unwrap_or(Path::new(".")))?;
    files::replace(&files::System, path, &serde_json::to_vec_pretty(known)?)
}

/// The fastest tuning that fits, of steps without mixup, which no kernel of a step knows of.
fn measure(gpu: &Arc<Gpu>, job: &Job) -> Result<Tuning> {
    let job = &Job { regularise: Regularise { mixup: 0.0, ..job.regularise }, ..job.clone() };
    let images = job.batch_size * job.shuffles;
    let inputs = job.model.inputs;
    let classes = (0..job.model.classes).map(|class| class.to_string()).collect();
    let pixels = (0..images * inputs).map(|i| (i * 2_654_435_761) as u8).collect();
    let labels = (0..images).map(|i| (i % job.model.classes) as u8).collect();
    let dataset = Arc::new(Dataset::in_memory("tuning", classes, inputs, pixels, labels, images));
    let standardisation = Standardisation { mean: vec![127.0; inputs], scale: vec![1.0 / 74.0; inputs] };

    let fitting = |tuning: &Tuning| Plan::new(job, &gpu.limits, gpu.is_software(), Some(*tuning)).is_ok();
    let mut best: Option<(Duration, Tuning)> = None;
    for tuning in Tuning::ALL.into_iter().filter(fitting) {
        let options = Options { feed: Feed::Resident, tuning: Some(tuning), ..Options::default() };
        let mut engine = GpuEngine::new(gpu.clone(), job, dataset.clone(), &standardisation, &options)?;
        engine.load(&vec![Params::init(&job.model, 0, Init::Report); job.models()])?;
        let batches = Batches::new((0..images as u32).collect(), job.batch_size, vec![0; job.shuffles]);
        let seeds = vec![0; job.models()];
        let mut chunks = Chunks::new(batches, job.models(), |_, _| 1e-3).regularised(job.regularise, &seeds);
        let chunk = chunks.steps(0..STEPS);
        for repeat in 0..=REPEATS {
            let start = Instant::now();
            engine.train(&chunk)?;
            engine.losses()?;
            // The first is the driver's: it still compiles and allocates.
            if repeat > 0 && best.is_none_or(|(fastest, _)| start.elapsed() < fastest) {
                best = Some((start.elapsed(), tuning));
            }
        }
    }
    // Nothing fits: let the plan say why.
    best.map_or_else(|| Plan::new(job, &gpu.limits, false, None).map(|plan| plan.tuning), |(_, tuning)| Ok(tuning))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::device::Adapter;
    use crate::model::{Hidden, ModelSpec};

    #[test]
    fn what_is_written_is_read_and_damage_is_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new").join("tuning.json");
        let known = BTreeMap::from([("a".to_owned(), Tuning::ALL[0]), ("b".to_owned(), Tuning::ALL[3])]);
        assert!(read(&path).is_empty());
        write(&path, &known).unwrap();
        assert_eq!(read(&path), known);
        fs::write(&path, "{\"a\": 1").unwrap();
        assert!(read(&path).is_empty());
    }

    #[test]
    fn the_fastest_of_those_that_fit_is_found() {
        let gpu = Gpu::open(&Adapter::Any).expect("a Vulkan driver: ./test installs a software one");
        let model = ModelSpec { inputs: 33, hidden: Hidden::new(&[5]), classes: 3 };
        let job = Job { decay: vec![0.0; 2], batch_size: 7, shuffles: 2, ..Job::new(model) };
        assert!(Tuning::ALL.contains(&measure(&gpu, &job).unwrap()));
    }
}
