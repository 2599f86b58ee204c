//! Ctrl-C and SIGTERM: the first asks the training to save its state and end, the second ends the process at once.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

use crate::error::{Error, Result};

/// The signals that end a training, by number and name.
const SIGNALS: [(i32, &str); 2] = [(SIGINT, "SIGINT"), (SIGTERM, "SIGTERM")];

/// Remembers the first signal that came; the default knows of none, and never will.
#[derive(Clone, Debug, Default)]
pub struct Signals {
    /// Its number; 0 for none.
    caught: Arc<AtomicUsize>,
}

impl Signals {
    /// Catches both signals from now on, for the rest of the process.
    ///
    /// # Errors
    ///
    /// [`Error::Internal`] if the system refuses.
    pub fn watch() -> Result<Self> {
        let caught = Arc::new(AtomicUsize::new(0));
        let armed = Arc::new(AtomicBool::new(false));
        let register = || -> io::Result<()> {
            for (number, _) in SIGNALS {
                // In this order: the first signal finds the shutdown unarmed, and arms it.
                flag::register_conditional_shutdown(number, 128 + number, Arc::clone(&armed))?;
                flag::register(number, Arc::clone(&armed))?;
                flag::register_usize(number, Arc::clone(&caught), number as usize)?;
            }
            Ok(())
        };
        register().map_err(|error| Error::Internal(format!("cannot catch SIGINT and SIGTERM: {error}")))?;
        Ok(Self { caught })
    }

    /// The error that ends what is being done, after so much of it, if a signal has come.
    pub fn caught(&self, after: impl fmt::Display) -> Option<Error> {
        let caught = self.caught.load(Ordering::Relaxed);
        let (number, name) = SIGNALS.into_iter().find(|(number, _)| *number as usize == caught)?;
        Some(Error::Interrupted { name, number: number as u8, after: after.to_string() })
    }
}
