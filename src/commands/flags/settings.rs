//! Settings as flags of the commands that take them.

use std::path::Path;

use toml::{Table, Value};

use crate::config::settings::{Taker, key};
use crate::config::{Config, Settings};
use crate::error::{Error, Result, shown};

/// `below`, with the file's keys over it, with the flags over those.
pub fn resolve(below: Config, file: Option<&Path>, flags: &Settings, taker: Taker) -> Result<Config> {
    if let Some((name, _)) = flags.foreign(taker).find(|(_, named)| *named) {
        let taker = match taker {
            Taker::Train => "train",
            Taker::Search => {
                "search, which trains many networks once each (several seeds: --sample list --range seed=0,1,2)"
            }
            Taker::LrFind => {
                "lr-find, which trains one network while the rate rises and keeps nothing: see --from, --to, --steps"
            }
        };
        return Err(Error::Usage(format!("--{}: not for {taker}", key(name))));
    }
    let file = match file {
        Some(path) => {
            Settings::read(path).map_err(|error| Error::Usage(format!("--config {}: {error}", shown(path))))?
        }
        None => Settings::default(),
    };
    let config = below.with(file).with(flags.clone());
    config.check()?;
    Ok(config)
}

/// `command` with the settings' defaults in its help, and without those that it does not take.
pub fn documented(command: clap::Command, taker: Taker, defaults: &Config) -> clap::Command {
    let defaults = Settings::from(defaults);
    let foreign: Vec<_> = defaults.foreign(taker).map(|(name, _)| name).collect();
    let defaults = Table::try_from(&defaults).unwrap_or_default();
    command.mut_args(|arg| {
        let hidden = arg.is_hide_set() || foreign.contains(&arg.get_id().as_str());
        let help = match (defaults.get(&key(arg.get_id().as_str())), arg.get_help()) {
            (Some(default), Some(help)) if !default.is_bool() => format!("{help} [default: {}]", plain(default)),
            _ => return arg.hide(hidden),
        };
        arg.hide(hidden).help(help)
    })
}

/// A value as it is typed after a flag.
fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(values) => values.iter().map(plain).collect::<Vec<_>>().join(","),
        other => other.to_string(),
    }
}
