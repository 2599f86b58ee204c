//! Whether two runs are the same one.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use serde_json::{Map, Value};

use super::Run;

/// Settings that decide no bit of the weights, or whose part in them is told by the images' digest.
const FREE: [&str; 3] = ["data", "device", "checkpoint-every"];

/// Demands that a checkpoint's run be the run `now`, but for where its images are, its device and how often it saves.
/// Else a table of the differences.
pub fn compare(checkpoint: &Run, now: &Run) -> Result<(), String> {
    let [old, new] = [checkpoint, now].map(values);
    let keys: BTreeSet<_> = old.keys().chain(new.keys()).collect();
    let show = |value: Option<&Value>| value.map_or_else(|| "-".to_owned(), Value::to_string);
    let mut table = String::new();
    for key in keys.into_iter().filter(|key| old.get(*key) != new.get(*key)) {
        let _ = write!(table, "\n  {key:<20}  {:<20}  {}", show(old.get(key)), show(new.get(key)));
    }
    if table.is_empty() {
        return Ok(());
    }
    Err(format!(
        "the checkpoint is of another training than the one asked for:\n  {:<20}  {:<20}  asked for{table}\n\
         Resume with the run's own settings, or train a new run with --out",
        "setting", "checkpoint"
    ))
}

fn values(run: &Run) -> Map<String, Value> {
    let mut values = match serde_json::to_value(&run.settings) {
        Ok(Value::Object(values)) => values,
        _ => Map::new(),
    };
    values.retain(|key, _| !FREE.contains(&key.as_str()));
    // Sixteen digits tell sets apart as well as sixty-four do, and fit in a line.
    values.insert("images' SHA-256".into(), run.data.chars().take(16).collect::<String>().into());
    values
}
