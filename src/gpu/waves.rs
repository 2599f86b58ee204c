//! More models than an adapter's limits allow side by side: engines of fewer models each, which take turns chunk by chunk.
//!
//! No result of a model depends on the others, so it has the same bits in any wave.

use std::ops::Range;

use wgpu::Limits;

use super::GpuEngine;
use super::plan::Plan;
use crate::data::{ImageList, Images};
use crate::engine::{Chunk, Engine, Job, Later, Tally, Witness};
use crate::error::{Error, Result};
use crate::model::params::Params;
use crate::model::regularise::Key;

/// `job` in as few jobs as the adapter's limits allow, each with about as many models.
pub fn fitting(job: &Job, limits: &Limits, software: bool) -> Result<Vec<Job>> {
    let jobs = |waves| {
        let jobs = split(job, waves);
        Plan::new(&jobs[0], limits, software, None).map(|_| jobs)
    };
    let models = job.models();
    (1..models).find_map(|waves| jobs(waves).ok()).map_or_else(|| jobs(models), Ok)
}

/// `job` in `waves` jobs or fewer, all with the same number of models but the last.
pub fn split(job: &Job, waves: usize) -> Vec<Job> {
    let parts = job.decay.chunks(job.models().div_ceil(waves));
    let part = |decay: &[f32]| {
        let shuffles = if job.shuffles == 1 { 1 } else { decay.len() };
        Job { decay: decay.to_vec(), shuffles, ..job.clone() }
    };
    parts.map(part).collect()
}

/// The engines of a split job, as one.
pub struct Waves {
    job: Job,
    engines: Vec<GpuEngine>,
}

impl Waves {
    /// `engines` are those of [`split`]'s jobs, in their order; there is at least one.
    pub fn new(job: Job, engines: Vec<GpuEngine>) -> Self {
        Self { job, engines }
    }

    /// Each engine with the places of its models.
    fn parts(&mut self) -> impl Iterator<Item = (Range<usize>, &mut GpuEngine)> {
        let mut end = 0;
        self.engines.iter_mut().map(move |engine| {
            let start = end;
            end += engine.job().models();
            (start..end, engine)
        })
    }

    /// Hands each engine its part of a chunk.
    fn each(
        &mut self,
        chunk: &Chunk<'_>,
        mut hand: impl FnMut(Range<usize>, &mut GpuEngine, &Chunk<'_>) -> Result<()>,
    ) -> Result<()> {
        let (all, shared) = (self.job.models(), self.job.shuffles == 1);
        self.parts().try_for_each(|(models, engine)| {
            let own = if shared { ImageList::default() } else { own_images(chunk, all, &models) };
            let images = if shared { chunk.images } else { own.images() };
            let rates = chunk.rates.chunks_exact(all).flat_map(|rates| &rates[models.clone()]).copied();
            let rates: Vec<f32> = rates.collect();
            let keys: Vec<Key> = chunk.keys.chunks_exact(all).flat_map(|keys| &keys[models.clone()]).copied().collect();
            hand(models, engine, &Chunk { images, lengths: chunk.lengths, rates: &rates, keys: &keys })
        })
    }

    /// What each engine says of its models, in the models' order.
    fn all<T>(&mut self, ask: impl FnMut(&mut GpuEngine) -> Result<Vec<T>>) -> Result<Vec<T>> {
        let answers = self.engines.iter_mut().map(ask).collect::<Result<Vec<_>>>()?;
        Ok(answers.into_iter().flatten().collect())
    }
}

impl Engine for Waves {
    fn describe(&self) -> String {
        let engine = self.engines.first().map_or_else(String::new, Engine::describe);
        format!("{engine}, {} waves", self.engines.len())
    }

    fn job(&self) -> &Job {
        &self.job
    }

    fn chunk_steps(&self) -> usize {
        self.engines.iter().map(Engine::chunk_steps).min().unwrap_or(1)
    }

    fn load(&mut self, params: &[Params]) -> Result<()> {
        self.parts().try_for_each(|(models, engine)| engine.load(&params[models]))
    }

    fn params(&mut self) -> Result<Vec<Params>> {
        self.all(GpuEngine::params)
    }

    fn train(&mut self, chunk: &Chunk<'_>) -> Result<()> {
        self.each(chunk, |_, engine, chunk| engine.train(chunk))
    }

    fn witness(&mut self, step: &Chunk<'_>, model: usize, images: Images<'_>) -> Result<Later<Witness>> {
        let mut witness = None;
        self.each(step, |models, engine, step| {
            if models.contains(&model) {
                witness = Some(engine.witness(step, model - models.start, images)?);
                return Ok(());
            }
            engine.train(step)
        })?;
        witness.ok_or_else(|| Error::Internal(format!("no wave has model {model}")))
    }

    fn losses(&mut self) -> Result<Vec<f32>> {
        // `[steps, m]` of each engine, side by side.
        let parts = self.parts().map(|(models, engine)| Ok((models.len(), engine.losses()?)));
        let parts = parts.collect::<Result<Vec<_>>>()?;
        let steps = parts.first().map_or(0, |(models, losses)| losses.len() / models);
        let step = |step| parts.iter().flat_map(move |(models, losses)| &losses[step * models..][..*models]);
        Ok((0..steps).flat_map(step).copied().collect())
    }

    fn evaluate(&mut self, rows: &[u32]) -> Result<Vec<Tally>> {
        self.all(|engine| engine.evaluate(rows))
    }

    fn logits(&mut self, rows: &[u32]) -> Result<Vec<Vec<f32>>> {
        self.all(|engine| engine.logits(rows))
    }

    fn squares(&mut self) -> Result<Vec<f64>> {
        self.all(GpuEngine::squares)
    }
}

/// The images of `models` among `all`, when each has its own: `[steps][G][length]` of fewer models.
fn own_images(chunk: &Chunk<'_>, all: usize, models: &Range<usize>) -> ImageList {
    let mut later = chunk.images;
    let steps = chunk.lengths.iter().map(|&length| {
        let length = length as usize;
        let (now, rest) = later.split_at(all * length);
        later = rest;
        now.part(models.start * length..models.end * length)
    });
    steps.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Hidden, ModelSpec};

    fn job(models: usize, shuffles: usize) -> Job {
        let model = ModelSpec { inputs: 3072, hidden: Hidden::new(&[50]), classes: 10 };
        let decay = (0..models).map(|m| m as f32).collect();
        Job { decay, shuffles, ..Job::new(model) }
    }

    #[test]
    fn as_few_waves_as_the_limits_allow() {
        // W1 takes 3,072 · 52 · 4 = 638,976 bytes a model: 210 models in 128 MiB.
        let limits = Limits { max_storage_buffer_binding_size: 128 << 20, ..Limits::default() };
        let models = |count| {
            let jobs = fitting(&job(count, 1), &limits, false).unwrap();
            jobs.iter().map(Job::models).collect::<Vec<_>>()
        };
        assert_eq!(models(1), [1]);
        assert_eq!(models(210), [210]);
        assert_eq!(models(211), [106, 105]);
        assert_eq!(models(421), [141, 141, 139]);

        let small = Limits { max_storage_buffer_binding_size: 600_000, ..limits };
        let error = fitting(&job(3, 3), &small, false).unwrap_err();
        assert_eq!(error.exit_code(), 2, "{error}");
    }

    #[test]
    fn every_model_keeps_its_place_and_its_batches() {
        let jobs = split(&job(5, 5), 2);
        assert_eq!(jobs.iter().map(|job| job.shuffles).collect::<Vec<_>>(), [3, 2]);
        assert_eq!(jobs[1].decay, [3.0, 4.0]);
        assert!(split(&job(5, 1), 3).iter().all(|job| job.shuffles == 1));

        let rows: Vec<u32> = (0..9).collect();
        let chunk = Chunk { images: (&rows).into(), lengths: &[2, 1], rates: &[0.0; 6], ..Chunk::default() };
        assert_eq!(own_images(&chunk, 3, &(0..2)).images().rows, [0, 1, 2, 3, 6, 7]);
        assert_eq!(own_images(&chunk, 3, &(2..3)).images().rows, [4, 5, 8]);
    }
}
