//! `cyclone profile`.

use std::time::Instant;

use super::new_file::{check_new, write_new};
use crate::commands::flags::ProfileArgs;
use crate::error::{Result, shown};
use crate::profile;
use crate::terminal::{self, Display};

/// Shows where the time goes. `started` is the start of the process.
pub fn run(args: &ProfileArgs, started: Instant) -> Result<()> {
    let display = Display::new(false);
    let options = &args.options;
    let mut note = |text: &str| display.note(text);
    if args.matmul {
        let products = profile::matrix_products(options, &mut note)?;
        return if args.json {
            terminal::json(&products)
        } else {
            terminal::print(&terminal::profile::products(&products))
        };
    }
    if let Some(path) = &args.trace {
        check_new(path, "--trace")?;
    }
    let (report, trace) = profile::run(options, started, &mut note)?;
    if let Some(path) = &args.trace {
        write_new(path, "--trace", trace.to_json()?.as_bytes())?;
        note(&format!("trace written to {}: open it in https://ui.perfetto.dev", shown(path)));
    }
    if args.json {
        return terminal::json(&report);
    }
    terminal::print(&terminal::profile::report(&report))?;
    report.warnings.iter().for_each(|warning| display.warn(warning));
    Ok(())
}
