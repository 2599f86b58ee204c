//! What a profiled device writes down: when the host did what, how long every dispatch took on the GPU, which buffers
//! were made.
//!
//! When off, it costs one uncontended lock per host phase, and nothing per dispatch. When on, `pass` times the
//! dispatches.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::plan::Work;

/// What the host does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Collects the rows of a chunk.
    Gather,
    /// Hands them to the driver.
    Upload,
    /// Writes commands down.
    Encode,
    /// Hands commands to the driver.
    Submit,
    /// Waits for the GPU.
    Wait,
}

impl Phase {
    /// All of them, in the order in which a chunk goes through them.
    pub const ALL: [Self; 5] = [Self::Gather, Self::Upload, Self::Encode, Self::Submit, Self::Wait];

    /// Its name, for people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Gather => "gather",
            Self::Upload => "upload",
            Self::Encode => "encode",
            Self::Submit => "submit",
            Self::Wait => "wait",
        }
    }
}

/// Some time of the host's.
#[derive(Clone, Copy, Debug)]
pub struct Span {
    /// What it did.
    pub phase: Phase,
    /// From.
    pub start: Instant,
    /// To.
    pub end: Instant,
}

/// A dispatch on the GPU's clock.
#[derive(Clone, Copy, Debug)]
pub struct Dispatch {
    /// The kernel's name.
    pub kernel: &'static str,
    /// What it had to do.
    pub work: Work,
    /// Nanoseconds at the end of what ran before it.
    pub start: f64,
    /// Nanoseconds at its own end.
    pub end: f64,
}

/// What was written down.
#[derive(Clone, Debug, Default)]
pub struct Recording {
    /// Name and bytes of every buffer that was made.
    pub buffers: Vec<(String, u64)>,
    /// The host's phases, in the order of their ends.
    pub spans: Vec<Span>,
    /// The dispatches of every submission; none where they were not timed.
    pub submissions: Vec<Vec<Dispatch>>,
}

/// How the GPU's clock stands to the host's.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    /// A moment of the host's clock.
    pub host: Instant,
    /// Nanoseconds on the GPU's clock at that moment.
    pub gpu: f64,
    /// How many seconds the two may be apart, either way.
    pub uncertainty: f64,
}

/// What has been written down so far, if anything is.
#[derive(Debug, Default)]
pub(crate) struct Recorder(Mutex<Option<State>>);

#[derive(Debug, Default)]
pub(super) struct State {
    pub stamps: bool,
    /// But for the submissions, whose stamps are still on the GPU.
    pub recording: Recording,
    pub timed: Vec<Timed>,
}

/// Stamps of a submission, in GPU memory.
#[derive(Debug)]
pub(super) struct Timed {
    pub dispatches: Vec<(&'static str, Work)>,
    /// Whether each dispatch has a stamp before it and one after it; else the one after its predecessor is the one before.
    pub pairs: bool,
    pub stamps: usize,
    pub buffer: wgpu::Buffer,
}

impl Recorder {
    pub(super) fn state(&self) -> MutexGuard<'_, Option<State>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does `work`, and notes when.
    pub fn phase<T>(&self, phase: Phase, work: impl FnOnce() -> T) -> T {
        if self.state().is_none() {
            return work();
        }
        let start = Instant::now();
        let done = work();
        let span = Span { phase, start, end: Instant::now() };
        if let Some(state) = &mut *self.state() {
            state.recording.spans.push(span);
        }
        done
    }

    /// Notes a buffer.
    pub fn made(&self, label: &str, size: u64) {
        if let Some(state) = &mut *self.state() {
            state.recording.buffers.push((label.to_owned(), size));
        }
    }

    pub(super) fn stamps(&self) -> bool {
        self.state().as_ref().is_some_and(|state| state.stamps)
    }
}
