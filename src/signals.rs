//! Ctrl-C, SIGTERM and a terminal that closes (SIGHUP): the first asks the training to save its state and end, a second
//! Ctrl-C or SIGTERM ends the process at once.
//!
//! A second SIGHUP does not. When a terminal closes the shell sends one to its jobs and the kernel one to those in the
//! foreground, and systemd sends one after its SIGTERM: it is the same wish twice.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

#[cfg(unix)]
use signal_hook::consts::SIGHUP;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

use crate::error::{Error, Result};

/// The signals that end a training, by number and name.
const SIGNALS: &[(i32, &str)] = &[
    (SIGINT, "SIGINT"),
    (SIGTERM, "SIGTERM"),
    #[cfg(unix)]
    (SIGHUP, "SIGHUP"),
];

/// Remembers the first signal that came; the default knows of none, and never will.
#[derive(Clone, Debug, Default)]
pub struct Signals {
    /// Its number; 0 for none.
    caught: Arc<AtomicUsize>,
}

impl Signals {
    /// Catches these signals from now on, for the rest of the process; SIGHUP not where it is ignored, as `nohup` has it.
    ///
    /// # Errors
    ///
    /// [`Error::Internal`] if the system refuses.
    pub fn watch() -> Result<Self> {
        let caught = Arc::new(AtomicUsize::new(0));
        let armed = Arc::new(AtomicBool::new(false));
        let register = || -> io::Result<()> {
            for &(number, _) in SIGNALS {
                if is_hangup(number) {
                    if is_ignored(number) {
                        continue;
                    }
                } else {
                    // Before the next line: the first signal finds the shutdown unarmed, and arms it.
                    flag::register_conditional_shutdown(number, 128 + number, Arc::clone(&armed))?;
                }
                flag::register(number, Arc::clone(&armed))?;
                flag::register_usize(number, Arc::clone(&caught), number as usize)?;
            }
            Ok(())
        };
        register().map_err(|error| Error::Internal(format!("cannot catch signals: {error}")))?;
        Ok(Self { caught })
    }

    /// The error that ends what is being done, after so much of it, if a signal has come.
    pub fn caught(&self, after: impl fmt::Display) -> Option<Error> {
        let caught = self.caught.load(Ordering::Relaxed);
        let (number, name) = *SIGNALS.iter().find(|(number, _)| *number as usize == caught)?;
        Some(Error::Interrupted { name, number: number as u8, after: after.to_string() })
    }
}

#[cfg(unix)]
fn is_hangup(number: i32) -> bool {
    number == SIGHUP
}

#[cfg(not(unix))]
fn is_hangup(_: i32) -> bool {
    false
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

#[cfg(not(unix))]
fn is_ignored(_: i32) -> bool {
    false
}
