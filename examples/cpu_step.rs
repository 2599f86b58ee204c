//! Times a step of the CPU engine on the report's network, from bytes to new weights:
//! `cargo run --release --example cpu_step [THREADS]`.

use std::sync::Arc;
use std::time::Instant;

use cyclone::cpu::CpuEngine;
use cyclone::cpu::real::Real;
use cyclone::data::batches::Batches;
use cyclone::data::{Dataset, Standardisation};
use cyclone::engine::{Chunks, Engine, Job};
use cyclone::error::Result;
use cyclone::model::params::{Init, Params};
use cyclone::model::{Hidden, ModelSpec};
use cyclone::util::random::{Purpose, stream};
use rand::{Rng, RngExt};

const SPEC: ModelSpec = ModelSpec { inputs: 3072, hidden: Hidden::new(&[50]), classes: 10 };
const IMAGES: usize = 10_000;
const BATCH_SIZE: usize = 100;

/// Prints the median over `repetitions` epochs, after a warm-up.
fn time<T: Real>(models: usize, threads: usize, repetitions: usize, data: &Arc<Dataset>) -> Result<()> {
    let statistics = Standardisation { mean: vec![127.5; SPEC.inputs], scale: vec![1.0 / 73.6; SPEC.inputs] };
    let job = Job { decay: vec![0.01; models], batch_size: BATCH_SIZE, ..Job::new(SPEC) };
    let mut engine = CpuEngine::<T>::new(job, Arc::clone(data), Arc::new(statistics), threads)?;
    engine.load(&(0..models as u64).map(|seed| Params::init(&SPEC, seed, Init::Report)).collect::<Vec<_>>())?;
    let batches = Batches::new((0..IMAGES as u32).collect(), BATCH_SIZE, vec![0]);
    let steps = batches.steps_per_epoch();
    let mut chunks = Chunks::new(batches, models, |_, _| 0.01);
    let mut milliseconds = Vec::new();
    for epoch in 0..=repetitions as u64 {
        let chunk = chunks.steps(epoch * steps..(epoch + 1) * steps);
        let start = Instant::now();
        engine.train(&chunk)?;
        milliseconds.push(start.elapsed().as_secs_f64() * 1e3 / steps as f64);
    }
    let warm = &mut milliseconds[1..];
    warm.sort_by(f64::total_cmp);
    let (median, best) = (warm[warm.len() / 2], warm[0]);
    let gigaflop = (4 * BATCH_SIZE * SPEC.inputs * SPEC.hidden[0] * models) as f64 / 1e9;
    println!(
        "{}, M = {models}: {median:.3} ms/step (best {best:.3}), {:.0} GFLOP/s of large products",
        engine.describe(),
        gigaflop / median * 1e3
    );
    Ok(())
}

fn main() -> Result<()> {
    let threads = std::env::args().nth(1).and_then(|threads| threads.parse().ok()).unwrap_or(2);
    let mut generator = stream(0, Purpose::Check, 0);
    let mut pixels = vec![0; IMAGES * SPEC.inputs];
    generator.fill_bytes(&mut pixels);
    let labels = (0..IMAGES).map(|_| generator.random_range(0..SPEC.classes as u8)).collect();
    let classes = (0..SPEC.classes).map(|class| class.to_string()).collect();
    let data = Arc::new(Dataset::in_memory("random bytes", classes, SPEC.inputs, pixels, labels, IMAGES));
    time::<f32>(1, threads, 9, &data)?;
    time::<f32>(10, threads, 3, &data)?;
    time::<f64>(1, threads, 3, &data)
}
