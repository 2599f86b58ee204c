//! What each command does, from its flags to its last line of output; run by `main`.

use std::panic::{self, UnwindSafe};
use std::time::Instant;

use clap::FromArgMatches;

use crate::commands::flags::{Cli, Command};
use crate::error::{Error, Result};
use crate::terminal;

mod data;
mod devices;
mod evaluate;
mod export;
pub mod flags;
mod lr_find;
mod new_file;
mod open;
mod predict;
mod profile;
mod report;
mod reproduce;
mod search;
mod train;
mod verify;

/// Runs a program to its exit code. A panic, on any thread, has the exit code of a bug.
pub fn guarded(program: impl FnOnce() -> u8 + UnwindSafe) -> u8 {
    // The panic hook has printed where it happened; the exit code and the advice are left.
    panic::catch_unwind(program).unwrap_or_else(|_| {
        let error = Error::Internal("stopped by the panic above".into());
        terminal::error(&error);
        error.exit_code()
    })
}

/// Runs the process's command line and returns its exit code.
pub fn run() -> u8 {
    let started = Instant::now();
    let parsed = flags::command().try_get_matches().and_then(|matches| Cli::from_arg_matches(&matches));
    let done = match parsed {
        Ok(cli) => dispatch(cli, started),
        // Help or the version, to standard output.
        Err(help) if !help.use_stderr() => terminal::written(help.print()),
        Err(usage) => {
            // A failure to write there could not be reported.
            let _ = usage.print();
            return usage.exit_code() as u8;
        }
    };
    done.map_or_else(
        |error| {
            terminal::error(&error);
            error.exit_code()
        },
        |()| 0,
    )
}

fn dispatch(cli: Cli, started: Instant) -> Result<()> {
    // Started lazily, they would panic if the system gives no threads.
    rayon::ThreadPoolBuilder::new().build_global().map_err(|fault| Error::threads(&fault))?;
    match cli.command {
        Command::Train(args) => train::run(&args),
        Command::LrFind(args) => lr_find::run(&args),
        Command::Predict(args) => predict::run(&args),
        Command::Evaluate(args) => evaluate::run(&args),
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

#[cfg(test)]
mod tests {
    use rayon::prelude::*;

    use super::*;

    #[test]
    fn a_panic_on_any_thread_is_exit_code_70_and_no_hang() {
        let on_a_thread = || {
            (0..1000).into_par_iter().for_each(|item| assert_ne!(item, 517, "this panic is part of the test"));
            0
        };
        assert_eq!(guarded(on_a_thread), 70);
        assert_eq!(guarded(|| panic!("so is this one")), 70);
        assert_eq!(guarded(|| 3), 3);
    }
}
