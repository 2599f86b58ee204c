//! TensorBoard's event files: the numbers of `metrics.jsonl` under the same names.
//!
//! A file is a row of records: the length, its checksum, an `Event` as a protocol buffer, its checksum. The messages are
//! those of <https://github.com/tensorflow/tensorboard/tree/master/tensorboard/compat/proto>, `event.proto` and
//! `summary.proto`, as far as they are used here.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use prost::Message;

use super::files::write;
use super::metrics::{self, Line};
use crate::error::{Error, Result};
use crate::train::{Evaluation, Observer};
use crate::util::files::failed;

/// The keys of `metrics.jsonl` that are curves.
const TAGS: [&str; 8] =
    ["lr", "batch/loss", "train/loss", "train/cost", "train/accuracy", "val/loss", "val/cost", "val/accuracy"];

/// What the names of event files begin with; ten digits of seconds follow.
/// The beginning of its files' names.
pub const PREFIX: &str = "events.out.tfevents.";

/// An event file that grows at every evaluation.
pub struct TensorBoard {
    path: PathBuf,
    file: File,
}

impl TensorBoard {
    /// Whether a run's folder has an event file.
    pub fn is_in(run: &Path) -> Result<bool> {
        Ok(last_second(run)?.is_some())
    }

    /// Begins an event file in the run's folder, so that `tensorboard --logdir runs` finds it there. The first one there
    /// begins with what `metrics.jsonl` has already. When a run resumes after step `resumed`, an earlier file may have
    /// that step and later ones already: TensorBoard is told to forget those, as `purge_step` of other writers does.
    pub fn create(run: &Path, resumed: Option<u64>) -> Result<Self> {
        let now = Timestamp::now();
        // TensorBoard looks for "tfevents" and reads the files of a folder in the order of their names, so this one's must
        // come after those that are there, whatever the clock says.
        let earlier = last_second(run)?;
        let second = now.as_second().max(earlier.map_or(0, |last| last + 1));
        let name = format!("{PREFIX}{second:010}.{}.cyclone", std::process::id());
        let path = run.join(&name);
        let event = |step: u64, what| Event { wall_time: seconds(now), step: step.cast_signed(), what: Some(what) };
        let mut events = vec![event(0, What::FileVersion("brain.Event:2".into()))];
        if earlier.is_none() {
            events.extend(summaries(&metrics::read(run)?.0, now)?);
        } else if let Some(step) = resumed {
            events.push(event(step, What::Session(Session { status: START })));
        }
        // Whole or not at all: a file that exists is trusted to have these.
        write(run, &name, &records(&events))?;
        let file = OpenOptions::new().append(true).open(&path).map_err(failed(&path))?;
        Ok(Self { path, file })
    }
}

fn records(events: &[Event]) -> Vec<u8> {
    events.iter().flat_map(|event| record(&event.encode_to_vec())).collect()
}

impl Observer for TensorBoard {
    fn stepped(&mut self, _step: u64) -> Result<()> {
        Ok(())
    }

    fn evaluated(&mut self, evaluation: &Evaluation) -> Result<()> {
        let events = summaries(&metrics::lines(evaluation).collect::<Vec<_>>(), Timestamp::now())?;
        // One unbuffered write, so that a reader never sees half an evaluation.
        self.file.write_all(&records(&events)).map_err(failed(&self.path))
    }
}

/// An event for each line of whole evaluations.
fn summaries(lines: &[Line], now: Timestamp) -> Result<Vec<Event>> {
    let single = lines.iter().all(|line| line.model == 0);
    let event = |line: &Line| {
        let json = serde_json::to_value(line).map_err(|error| Error::Internal(format!("TensorBoard: {error}")))?;
        let value = TAGS
            .into_iter()
            .filter_map(|key| Some((key, json.get(key)?.as_f64()?)))
            .map(|(key, number)| Value {
                tag: if single { key.into() } else { format!("model {}/{key}", line.model) },
                simple_value: Some(number as f32),
            })
            .collect();
        let what = Some(What::Summary(Summary { value }));
        Ok(Event { wall_time: seconds(now), step: line.step.cast_signed(), what })
    };
    lines.iter().map(event).collect()
}

/// The second in the name of the last event file of a folder.
fn last_second(run: &Path) -> Result<Option<i64>> {
    let mut last = None;
    for entry in fs::read_dir(run).map_err(failed(run))? {
        let name = entry.map_err(failed(run))?.file_name();
        let second = name.to_str().and_then(|name| name.strip_prefix(PREFIX)?.get(..10)?.parse().ok());
        last = last.max(second);
    }
    Ok(last)
}

fn seconds(time: Timestamp) -> f64 {
    time.as_duration().as_secs_f64()
}

/// A record around `data`.
fn record(data: &[u8]) -> Vec<u8> {
    let length = (data.len() as u64).to_le_bytes();
    [&length[..], &masked(&length), data, &masked(data)].concat()
}

/// TensorFlow's checksum: CRC-32C, turned by 15 bits and shifted by a constant, because the checksum of data that holds
/// its own checksum is weak.
fn masked(data: &[u8]) -> [u8; 4] {
    crc32c::crc32c(data).rotate_right(15).wrapping_add(0xa282_ead8).to_le_bytes()
}

#[derive(Clone, PartialEq, Message)]
struct Event {
    /// Seconds since 1970.
    #[prost(double, tag = "1")]
    wall_time: f64,
    #[prost(int64, tag = "2")]
    step: i64,
    #[prost(oneof = "What", tags = "3, 5, 7")]
    what: Option<What>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
enum What {
    #[prost(string, tag = "3")]
    FileVersion(String),
    #[prost(message, tag = "5")]
    Summary(Summary),
    #[prost(message, tag = "7")]
    Session(Session),
}

/// `SessionLog`. At its [`START`] a reader forgets the event's step and all later ones of the files before.
#[derive(Clone, PartialEq, Message)]
struct Session {
    #[prost(int32, tag = "1")]
    status: i32,
}

/// `SessionLog.SessionStatus.START`.
const START: i32 = 1;

#[derive(Clone, PartialEq, Message)]
struct Summary {
    #[prost(message, repeated, tag = "1")]
    value: Vec<Value>,
}

#[derive(Clone, PartialEq, Message)]
struct Value {
    #[prost(string, tag = "1")]
    tag: String,
    /// Optional in the sense of protocol buffers: a 0 must be written too, as it is one of several kinds of value.
    #[prost(float, optional, tag = "2")]
    simple_value: Option<f32>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_framed_as_tensorflow_frames_it() {
        // Of data with a published checksum: CRC-32C of "123456789" is e3069283.
        let bytes = record(b"123456789");
        assert_eq!(bytes[..8], 9u64.to_le_bytes());
        let expected = 0xe306_9283_u32.rotate_right(15).wrapping_add(0xa282_ead8);
        assert_eq!(bytes[bytes.len() - 4..], expected.to_le_bytes());
        assert_eq!(bytes.len(), 8 + 4 + 9 + 4);
    }

    #[test]
    fn a_value_of_zero_is_written() {
        let value = Value { tag: "lr".into(), simple_value: Some(0.0) };
        assert_eq!(value.encode_to_vec(), [&b"\x0a\x02lr\x15"[..], &[0; 4]].concat());
    }
}
