//! Ctrl-C, SIGTERM and a terminal that closes (SIGHUP): the first asks the training to save its state and end, a second
//! Ctrl-C or SIGTERM ends the process at once.
//!
//! SIGHUP never does, and is the cause only where no other signal came: when a terminal closes the shell sends one to its
//! jobs and the kernel one to those in the foreground, and systemd sends one after its SIGTERM.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

#[cfg(unix)]
use signal_hook::consts::SIGHUP;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

use crate::error::{Error, Result};

/// Remembers the signals that came; the default knows of none, and never will.
#[derive(Clone, Debug, Default)]
pub struct Signals {
    /// Number, name, and whether it came.
    watched: Vec<(i32, &'static str, Arc<AtomicBool>)>,
}

impl Signals {
    /// Catches these signals from now on, for the rest of the process; SIGHUP not where it is ignored, as `nohup` has it.
    pub fn watch() -> Result<Self> {
        let mut signals = Self::default();
        let armed = Arc::new(AtomicBool::new(false));
        let mut register = || -> io::Result<()> {
            for (number, name) in [(SIGINT, "SIGINT"), (SIGTERM, "SIGTERM")] {
                // In this order: the first signal finds the shutdown unarmed, and arms it.
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

    /// The error that ends what is being done, after so much of it, if a signal has come.
    pub fn caught(&self, after: impl fmt::Display) -> Option<Error> {
        let (number, name, _) = self.watched.iter().find(|(_, _, came)| came.load(Ordering::Relaxed))?;
        Some(Error::Interrupted { name, number: *number as u8, after: after.to_string() })
    }
}

/// Whether this process was started with a signal ignored.
#[cfg(unix)]
#[expect(unsafe_code, reason = "no safe crate asks for a signal's action without setting one: see SAFETY")]
fn is_ignored(number: i32) -> bool {
    // SAFETY: all bits 0 are a `sigaction`, a struct of integers and a nullable pointer; with a null action the call
    // changes nothing, and writes to `action` alone, which lives as long as the call.
    let action = unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        libc::sigaction(number, std::ptr::null(), &raw mut action);
        action
    };
    action.sa_sigaction == libc::SIG_IGN
}
