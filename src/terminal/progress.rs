//! How far a command has come, on standard error, where that is a terminal.

use std::io::{self, IsTerminal};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// One line: what is being done, and how much of how much. It is gone when dropped.
pub struct Progress(Option<ProgressBar>);

impl Progress {
    /// The progress of `len` things.
    pub fn new(len: u64) -> Self {
        let bar = io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::with_draw_target(Some(len), ProgressDrawTarget::stderr());
            let style = ProgressStyle::with_template("{spinner} {pos}/{len}  {wide_msg}");
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
            bar.enable_steady_tick(Duration::from_millis(100));
            bar
        });
        Self(bar)
    }

    /// `done` things are done, and `next` is begun.
    pub fn at(&self, done: u64, next: &str) {
        if let Some(bar) = &self.0 {
            bar.set_position(done);
            bar.set_message(next.to_owned());
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}
