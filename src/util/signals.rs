//! Ctrl-C, SIGTERM and a closed terminal (SIGHUP): the first signal makes the training save its state and stop, a second
//! Ctrl-C or SIGTERM ends the process immediately.
//!
//! A second SIGHUP is ignored, and SIGHUP is reported only if no other signal came: when a terminal closes, both the shell
//! and the kernel send one, and systemd sends one after SIGTERM.
//!
//! The end of `--max-time` is like a first signal.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

#[cfg(unix)]
use signal_hook::consts::SIGHUP;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

use crate::error::{Error, Result};

/// The exit code after `--max-time`: that of `timeout` of the GNU coreutils.
const TIME_IS_UP: u8 = 124;

/// The signals received so far; the default watches none.
#[derive(Clone, Debug, Default)]
pub struct Signals {
    /// Number, name, and whether it was received.
    watched: Vec<(i32, &'static str, Arc<AtomicBool>)>,
    deadline: Option<Instant>,
}

impl Signals {
    /// Catches the signals for the rest of the process; SIGHUP only if it is not ignored, as under `nohup`.
    pub fn watch() -> Result<Self> {
        let mut signals = Self::default();
        let armed = Arc::new(AtomicBool::new(false));
        let mut register = || -> io::Result<()> {
            for (number, name) in [(SIGINT, "SIGINT"), (SIGTERM, "SIGTERM")] {
                // In this order: the first signal arms the shutdown, the second one triggers it.
                flag::register_conditional_shutdown(number, 128 + number, Arc::clone(&armed))?;
                flag::register(number, Arc::clone(&armed))?;
                signals.remember(number, name)?;
            }
            #[cfg(unix)]
            if !is_ignored(SIGHUP) {
                signals.remember(SIGHUP, "SIGHUP")?;
            }
            Ok(())
        };
        register().map_err(|error| Error::Internal(format!("cannot catch signals: {error}")))?;
        Ok(signals)
    }

    fn remember(&mut self, number: i32, name: &'static str) -> io::Result<()> {
        let came = Arc::new(AtomicBool::new(false));
        flag::register(number, Arc::clone(&came))?;
        self.watched.push((number, name, came));
        Ok(())
    }

    /// The same, and the end of `--max-time` at `deadline`.
    #[must_use]
    pub fn until(self, deadline: Option<Instant>) -> Self {
        Self { deadline, ..self }
    }

    /// The error to stop with, after so much work, if a signal was received or the time is up.
    pub fn caught(&self, after: impl fmt::Display) -> Option<Error> {
        let signal = self.watched.iter().find(|(_, _, came)| came.load(Ordering::Relaxed));
        let signal = signal.map(|(number, name, _)| (*name, 128 + *number as u8));
        let late = || self.deadline.is_some_and(|deadline| Instant::now() >= deadline);
        let (name, code) = signal.or_else(|| late().then_some(("--max-time", TIME_IS_UP)))?;
        Some(Error::Interrupted { name, code, after: after.to_string() })
    }
}

/// Whether this process was started with a signal ignored.
#[cfg(unix)]
#[expect(unsafe_code, reason = "no safe crate reads a signal's action without setting one: see SAFETY")]
fn is_ignored(number: i32) -> bool {
    // SAFETY: a zeroed `sigaction`, a struct of integers and a nullable pointer, is valid; with a null action the call
    // changes nothing, and writes only to `action`, which outlives it.
    let action = unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        libc::sigaction(number, std::ptr::null(), &raw mut action);
        action
    };
    action.sa_sigaction == libc::SIG_IGN
}
