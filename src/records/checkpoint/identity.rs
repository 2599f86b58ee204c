//! Which run a checkpoint is of, and whether that is the one asked for.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::config::Settings;

/// What a checkpoint is of. Two runs of the same settings on the same images train to the same weights, on one device.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Run {
    /// All that the run's `config.toml` says.
    pub settings: Settings,
    /// SHA-256 of the images.
    pub data: String,
    /// What ran it, in the engine's words.
    pub device: String,
}

/// Demands that the run of a record be the run `now`, but for where its images are, its device, how they reach that, and
/// how often it saves. Else a table of the differences.
pub fn compare(recorded: &Run, now: &Run) -> Result<(), String> {
    let [recorded, now] = [recorded, now].map(|run| {
        let mut values = values(&run.settings);
        // Sixteen digits tell sets apart as well as sixty-four do, and fit in a line.
        values.insert("images' SHA-256".into(), run.data.chars().take(16).collect::<String>().into());
        values
    });
    same(&recorded, &now)
}

/// As [`compare`], before the images are open.
pub fn compare_settings(recorded: &Settings, now: &Settings) -> Result<(), String> {
    same(&values(recorded), &values(now))
}

fn same(recorded: &Map<String, Value>, now: &Map<String, Value>) -> Result<(), String> {
    let keys: BTreeSet<_> = recorded.keys().chain(now.keys()).collect();
    let show = |value: Option<&Value>| value.map_or_else(|| "-".to_owned(), Value::to_string);
    let mut table = String::new();
    for key in keys.into_iter().filter(|key| recorded.get(*key) != now.get(*key)) {
        let _ = write!(table, "\n  {key:<20}  {:<20}  {}", show(recorded.get(key)), show(now.get(key)));
    }
    if table.is_empty() {
        return Ok(());
    }
    Err(format!(
        "of another training than the one asked for:\n  {:<20}  {:<20}  asked for{table}\n\
         Resume with the run's own settings, or train a new run with --out",
        "setting", "recorded"
    ))
}

fn values(settings: &Settings) -> Map<String, Value> {
    match serde_json::to_value(settings.clone().deciding()) {
        Ok(Value::Object(values)) => values,
        _ => Map::new(),
    }
}
