//! `cyclone data fetch`.

use std::io::{IsTerminal, stderr};
use std::time::{Duration, Instant};

use indicatif::{HumanBytes, HumanDuration, ProgressBar};

use crate::commands::flags::FetchArgs;
use crate::data::fetch::{self, CIFAR_10, Patience, Watch};
use crate::error::{Result, shown};
use crate::terminal::{self, Display};

/// Time between two lines of progress if there is no terminal.
const INTERVAL: Duration = Duration::from_secs(10);

/// Downloads and unpacks CIFAR-10.
pub fn run(args: &FetchArgs) -> Result<()> {
    let mut progress = Progress::default();
    let (mirror, patience) = (args.mirror.as_deref(), Patience::default());
    let fetched = fetch::install(&CIFAR_10, mirror, &args.dest, &patience, &mut progress);
    drop(progress);
    let (path, new) = fetched?;
    let path = shown(&path);
    terminal::print(&if new {
        format!("CIFAR-10 is in {path}: 50,000 training and 10,000 test images\n")
    } else {
        format!("CIFAR-10 is already complete in {path}: nothing to do\n")
    })
}

/// A progress bar on a terminal, otherwise a line from time to time.
#[derive(Default)]
struct Progress {
    bar: Option<ProgressBar>,
    /// The time of the first bytes, and the bytes there before.
    start: Option<(Instant, u64)>,
    said: Option<Instant>,
}

impl Watch for Progress {
    fn at(&mut self, bytes: u64, total: u64) {
        let now = Instant::now();
        let (start, before) = *self.start.get_or_insert((now, bytes));
        if stderr().is_terminal() {
            let bar = self.bar.get_or_insert_with(|| bar(total, before));
            bar.set_position(bytes);
        } else if self.said.is_none_or(|said| now - said >= INTERVAL) && now - start >= INTERVAL {
            self.said = Some(now);
            let rate = bytes.saturating_sub(before) as f64 / (now - start).as_secs_f64();
            let left = Duration::try_from_secs_f64((total - bytes) as f64 / rate.max(1e-9)).unwrap_or(Duration::MAX);
            let [here, all, speed] = [bytes, total, rate as u64].map(HumanBytes);
            Display::new(false).note(&format!("{here} of {all}, {speed}/s, {} left", HumanDuration(left)));
        }
    }

    fn note(&mut self, text: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| Display::new(false).note(text)),
            None => Display::new(false).note(text),
        }
    }
}

/// A bar whose speed counts only the bytes of this process.
fn bar(total: u64, before: u64) -> ProgressBar {
    terminal::bar(total, "{wide_bar} {bytes}/{total_bytes}, {bytes_per_sec}, {eta} left").with_position(before)
}
