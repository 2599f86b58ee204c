//! Commands for the GPU, and how long they took on its own clock where the adapter has timestamps.
//!
//! A stamp is taken when everything before it has ended, so a dispatch's time runs from the end of the one before it to its
//! own end: launching it is included, two that overlap share the time that both run, and nothing is counted twice.

use std::time::Instant;

use wgpu::{BufferUsages, ComputePassDescriptor, ComputePassTimestampWrites, Features, SubmissionIndex};

use super::context::Gpu;
use super::kernels::Step;
use super::pipeline::Pipeline;
use super::plan::Work;
use super::recorder::{Clock, Dispatch, Phase, Recording, State, Timed};
use crate::error::{Error, Result};

/// Stamps of a query set: the most that wgpu allows.
const SET: usize = wgpu::QUERY_SET_MAX_QUERIES as usize;
const STAMP: u64 = wgpu::QUERY_SIZE as u64;

impl Gpu {
    /// Whether it can time dispatches.
    pub fn has_timestamps(&self) -> bool {
        self.device.features().contains(Features::TIMESTAMP_QUERY)
    }

    /// Starts to write down what happens; with `dispatches`, how long each takes as well, if it can be told.
    pub fn record(&self, dispatches: bool) {
        let stamps = dispatches && self.has_timestamps();
        *self.recorder.state() = Some(State { stamps, ..State::default() });
    }

    /// Stops, waits for the GPU and returns what was written down since [`Gpu::record`].
    pub fn recorded(&self) -> Result<Recording> {
        let state = self.recorder.state().take();
        let state = state.ok_or_else(|| Error::Internal("nothing was being recorded".into()))?;
        let submissions = state.timed.iter().map(|timed| self.dispatches(timed)).collect::<Result<_>>()?;
        Ok(Recording { submissions, ..state.recording })
    }

    fn dispatches(&self, timed: &Timed) -> Result<Vec<Dispatch>> {
        let stamps = self.nanoseconds(&timed.buffer, timed.stamps)?;
        let dispatches = timed.dispatches.iter().enumerate().map(|(i, &(kernel, work))| {
            let first = if timed.pairs { 2 * i } else { i };
            Dispatch { kernel, work, start: stamps[first], end: stamps[first + 1] }
        });
        Ok(dispatches.collect())
    }

    fn nanoseconds(&self, buffer: &wgpu::Buffer, stamps: usize) -> Result<Vec<f64>> {
        let ticks: Vec<u64> = self.read(buffer, stamps as u64 * STAMP)?;
        let period = f64::from(self.queue.get_timestamp_period());
        Ok(ticks.into_iter().map(|ticks| ticks as f64 * period).collect())
    }

    /// Compares the GPU's clock with the host's; `None` if the GPU has none.
    pub fn clock(&self) -> Result<Option<Clock>> {
        if !self.has_timestamps() {
            return Ok(None);
        }
        let mut best: Option<Clock> = None;
        for _ in 0..9 {
            let mut encoder = self.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
            let mut stamps = Stamps::new(self, true);
            stamps.pass(self, &mut encoder);
            stamps.dispatches.push(("clock", Work::default()));
            let timed = stamps.resolve(self, &mut encoder)?;
            let start = Instant::now();
            self.finish([encoder.finish()])?;
            let trip = start.elapsed();
            let gpu = self.nanoseconds(&timed.buffer, 1)?[0];
            let uncertainty = trip.as_secs_f64() / 2.0;
            if best.is_none_or(|best| uncertainty < best.uncertainty) {
                best = Some(Clock { host: start + trip / 2, gpu, uncertainty });
            }
        }
        Ok(best)
    }

    /// Encodes a compute pass and submits it.
    pub(crate) fn encode(&self, commands: impl FnOnce(&mut Pass<'_>)) -> Result<SubmissionIndex> {
        let (buffer, timed) = self.recorder.phase(Phase::Encode, || {
            let mut encoder = self.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
            let mut pass = Pass::begin(self, &mut encoder);
            commands(&mut pass);
            let stamps = pass.stamps.take();
            drop(pass);
            let timed = stamps.map(|stamps| stamps.resolve(self, &mut encoder)).transpose()?;
            Ok::<_, Error>((encoder.finish(), timed))
        })?;
        let submission = self.recorder.phase(Phase::Submit, || self.queue.submit([buffer]));
        if let (Some(state), Some(timed)) = (&mut *self.recorder.state(), timed) {
            state.timed.push(timed);
        }
        self.check()?;
        Ok(submission)
    }
}

/// A compute pass whose dispatches are timed if the device records.
pub(crate) struct Pass<'a> {
    gpu: &'a Gpu,
    encoder: &'a mut wgpu::CommandEncoder,
    /// The one pass of all dispatches; none where stamps can only be taken at the ends of passes, a pass a dispatch.
    open: Option<wgpu::ComputePass<'static>>,
    stamps: Option<Stamps>,
}

impl<'a> Pass<'a> {
    fn begin(gpu: &'a Gpu, encoder: &'a mut wgpu::CommandEncoder) -> Self {
        let inside = gpu.device.features().contains(Features::TIMESTAMP_QUERY_INSIDE_PASSES);
        let mut stamps = gpu.recorder.stamps().then(|| Stamps::new(gpu, !inside));
        let mut open = (stamps.is_none() || inside)
            .then(|| encoder.begin_compute_pass(&ComputePassDescriptor::default()).forget_lifetime());
        if let (Some(stamps), Some(pass)) = (&mut stamps, &mut open) {
            stamps.inside(gpu, pass);
        }
        Self { gpu, encoder, open, stamps }
    }

    /// Encodes one dispatch of `grid` workgroups; `work` is asked for if it is timed.
    pub fn dispatch(
        &mut self,
        pipeline: &Pipeline,
        bindings: &wgpu::BindGroup,
        step: &Step,
        grid: [u32; 3],
        work: impl FnOnce() -> Work,
    ) {
        if let Some(pass) = &mut self.open {
            pipeline.dispatch(pass, bindings, step, grid);
        }
        let Some(stamps) = &mut self.stamps else { return };
        match &mut self.open {
            Some(pass) => stamps.inside(self.gpu, pass),
            None => pipeline.dispatch(&mut stamps.pass(self.gpu, self.encoder), bindings, step, grid),
        }
        stamps.dispatches.push((pipeline.name(), work()));
    }
}

/// Stamps of a submission that is being encoded.
struct Stamps {
    sets: Vec<wgpu::QuerySet>,
    taken: usize,
    pairs: bool,
    dispatches: Vec<(&'static str, Work)>,
}

impl Stamps {
    fn new(gpu: &Gpu, pairs: bool) -> Self {
        Self { sets: vec![set(gpu)], taken: 0, pairs, dispatches: vec![] }
    }

    /// The places of `count` further stamps, a divisor of a set's size, so that they are in one set.
    fn take(&mut self, gpu: &Gpu, count: usize) -> (&wgpu::QuerySet, u32) {
        let (which, place) = (self.taken / SET, self.taken % SET);
        if which == self.sets.len() {
            self.sets.push(set(gpu));
        }
        self.taken += count;
        (&self.sets[which], place as u32)
    }

    fn inside(&mut self, gpu: &Gpu, pass: &mut wgpu::ComputePass<'_>) {
        let (set, place) = self.take(gpu, 1);
        pass.write_timestamp(set, place);
    }

    /// A pass with a stamp at each end.
    fn pass(&mut self, gpu: &Gpu, encoder: &mut wgpu::CommandEncoder) -> wgpu::ComputePass<'static> {
        let (query_set, place) = self.take(gpu, 2);
        let timestamp_writes = Some(ComputePassTimestampWrites {
            query_set,
            beginning_of_pass_write_index: Some(place),
            end_of_pass_write_index: Some(place + 1),
        });
        encoder.begin_compute_pass(&ComputePassDescriptor { label: None, timestamp_writes }).forget_lifetime()
    }

    fn resolve(self, gpu: &Gpu, encoder: &mut wgpu::CommandEncoder) -> Result<Timed> {
        let size = self.taken.max(1) as u64 * STAMP;
        let buffer = gpu.create("timestamps", size, BufferUsages::QUERY_RESOLVE | BufferUsages::COPY_SRC)?;
        for (i, set) in self.sets.iter().enumerate() {
            let stamps = (self.taken - i * SET).min(SET) as u32;
            encoder.resolve_query_set(set, 0..stamps, &buffer, (i * SET) as u64 * STAMP);
        }
        Ok(Timed { dispatches: self.dispatches, pairs: self.pairs, stamps: self.taken, buffer })
    }
}

fn set(gpu: &Gpu) -> wgpu::QuerySet {
    gpu.device.create_query_set(&wgpu::QuerySetDescriptor {
        label: Some("timestamps"),
        ty: wgpu::QueryType::Timestamp,
        count: SET as u32,
    })
}
