//! What each command does, from its flags to its last line.

use std::time::Instant;

use clap::FromArgMatches;

use crate::cli::{self, Cli, Command};
use crate::display;
use crate::error::Result;

mod data;
mod devices;
mod export;
mod lr_find;
mod open;
mod output;
mod predict;
mod profile;
mod report;
mod reproduce;
mod search;
mod train;
mod verify;

/// Runs the process's command line and returns its exit code.
pub fn run() -> u8 {
    let started = Instant::now();
    let parsed = cli::command().try_get_matches().and_then(|matches| Cli::from_arg_matches(&matches));
    match parsed {
        Ok(cli) => match dispatch(cli, started) {
            Ok(()) => 0,
            Err(error) => {
                display::error(&error);
                error.exit_code()
            }
        },
        Err(help) => {
            // Help, the version, or a usage error. A reader that has gone away changes nothing.
            let _ = help.print();
            help.exit_code() as u8
        }
    }
}

fn dispatch(cli: Cli, started: Instant) -> Result<()> {
    match cli.command {
        Command::Train(args) => train::run(&args),
        Command::LrFind(args) => lr_find::run(&args),
        Command::Predict(args) => predict::run(&args),
        Command::Export(args) => export::run(&args),
        Command::Data(command) => data::run(&command),
        Command::Search(args) => search::run(&args),
        Command::Reproduce(args) => reproduce::run(&args),
        Command::Report(args) => report::run(&args),
        Command::Verify(args) => verify::run(&args),
        Command::Profile(args) => profile::run(&args, started),
        Command::Devices => devices::run(),
    }
}
