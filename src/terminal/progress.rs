//! Progress bars.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressFinish, ProgressStyle};

/// A bar of `len` steps on standard error, hidden if that is not a terminal, and cleared when dropped.
pub fn bar(len: u64, template: &str) -> ProgressBar {
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    let bar = ProgressBar::with_draw_target(Some(len), ProgressDrawTarget::stderr());
    bar.with_style(style.progress_chars("━━─")).with_finish(ProgressFinish::AndClear)
}

/// One line with a spinner, for `len` pieces of work of unequal length.
pub fn spinner(len: u64) -> ProgressBar {
    let bar = bar(len, "{spinner} {pos}/{len}  {wide_msg}");
    if !bar.is_hidden() {
        bar.enable_steady_tick(Duration::from_millis(100));
    }
    bar
}
