//! A run as a timeline, in the Trace Event Format that Perfetto (<https://ui.perfetto.dev>) and Chrome (`chrome://tracing`)
//! show: a process a device, a track for the host and one for the GPU.
//!
//! The GPU's times are on its own clock. They are moved to the host's by the two clocks' difference just before the run,
//! known to half the shortest of nine round trips; the track's name says how much that is.

use std::time::Instant;

use serde::Serialize;
use serde_json::{Value, json};

use super::workload::Run;
use crate::error::{Error, Result};
use crate::gpu::recorder::{Clock, Recording};

/// The host's track of a device.
const HOST: u32 = 1;
/// The GPU's track.
const GPU: u32 = 2;

/// A timeline.
pub struct Trace {
    origin: Instant,
    processes: u32,
    events: Vec<Event>,
}

/// Of the format: `ph` X is a span, M says what a process or a track is called; times in µs.
#[derive(Serialize)]
struct Event {
    name: &'static str,
    ph: char,
    pid: u32,
    tid: u32,
    ts: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    dur: Option<f64>,
    args: Value,
}

impl Trace {
    /// An empty one, whose time 0 is `origin`.
    pub fn new(origin: Instant) -> Self {
        Self { origin, processes: 0, events: Vec::new() }
    }

    /// Adds a run on a GPU: the host's phases and, if they were timed, the dispatches.
    pub fn gpu(&mut self, name: &str, recording: &Recording, run: &Run, clock: Option<Clock>) {
        self.process(name);
        self.track(HOST, "host");
        for span in recording.spans.iter().filter(|span| span.end <= run.end) {
            self.span(HOST, span.phase.name(), self.at(span.start), self.at(span.end), json!({}));
        }
        let Some(clock) = clock.filter(|_| !recording.submissions.is_empty()) else { return };
        self.track(GPU, &format!("GPU (±{:.0} µs)", clock.uncertainty * 1e6));
        let host = self.at(clock.host);
        let at = |nanoseconds: f64| host + (nanoseconds - clock.gpu) * 1e-3;
        for (submission, dispatches) in recording.submissions.iter().enumerate() {
            for dispatch in dispatches {
                let args = json!({
                    "submission": submission, "flops": dispatch.work.flops, "bytes": dispatch.work.bytes
                });
                self.span(GPU, dispatch.kernel, at(dispatch.start), at(dispatch.end), args);
            }
        }
    }

    /// Adds a run on the CPU engine: its chunks.
    pub fn cpu(&mut self, name: &str, run: &Run) {
        self.process(name);
        self.track(HOST, "CPU engine");
        for &(start, end) in &run.chunks {
            self.span(HOST, "chunk", self.at(start), self.at(end), json!({}));
        }
    }

    /// The text of a trace file.
    pub fn to_json(&self) -> Result<String> {
        let events = json!({ "displayTimeUnit": "ns", "traceEvents": self.events });
        serde_json::to_string(&events).map_err(|error| Error::Internal(format!("trace: {error}")))
    }

    /// Microseconds since the origin.
    fn at(&self, moment: Instant) -> f64 {
        moment.saturating_duration_since(self.origin).as_secs_f64() * 1e6
    }

    fn process(&mut self, name: &str) {
        self.processes += 1;
        self.named("process_name", 0, name);
    }

    fn track(&mut self, tid: u32, name: &str) {
        self.named("thread_name", tid, name);
    }

    fn named(&mut self, what: &'static str, tid: u32, name: &str) {
        let pid = self.processes;
        self.events.push(Event { name: what, ph: 'M', pid, tid, ts: 0.0, dur: None, args: json!({ "name": name }) });
    }

    fn span(&mut self, tid: u32, name: &'static str, start: f64, end: f64, args: Value) {
        let pid = self.processes;
        self.events.push(Event { name, ph: 'X', pid, tid, ts: start, dur: Some(end - start), args });
    }
}
