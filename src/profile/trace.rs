//! A run as a timeline in the Trace Event Format, for Perfetto (<https://ui.perfetto.dev>) or Chrome (`chrome://tracing`):
//! one process for each device, with a track for the host and one for the GPU.
//!
//! The GPU has its own clock. Its times are shifted to the host's by the clocks' difference just before the run, which is
//! known to half the shortest of nine round trips; the name of the track says how much that is.

use std::time::Instant;

use serde::Serialize;
use serde_json::{Value, json};

use super::workload::Run;
use crate::error::{Error, Result};
use crate::gpu::recorder::{Clock, Recording};

const HOST: u32 = 1;
const GPU: u32 = 2;

/// A timeline.
pub struct Trace {
    origin: Instant,
    processes: u32,
    events: Vec<Event>,
}

/// An event of the format: `ph` is X for a span and M for the name of a process or track; times in µs.
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
    /// An empty timeline that starts at `origin`.
    pub fn new(origin: Instant) -> Self {
        Self { origin, processes: 0, events: Vec::new() }
    }

    /// Adds a run on a GPU: the host's phases and, if timed, the dispatches.
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

    /// The contents of a trace file.
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
