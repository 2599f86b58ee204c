//! What a person sees, for [`crate::commands`]: results on standard output, progress and remarks on standard error.
//!
//! No colours. On a terminal progress is a bar of two lines that fit in 60 columns; elsewhere it is one line of plain text
//! per evaluation. A reader that closes the pipe (`| head -1`) does not stop a training.

use std::fmt::Write as _;
use std::io::{self, ErrorKind, Write};
use std::path::Path;

use serde::Serialize;

use crate::error::{Error, Result, escaped};

pub use display::Display;
pub use progress::{bar, spinner};
pub use quoted::quoted;
pub use training::header;

pub mod checks;
mod columns;
mod display;
pub mod evaluation;
pub mod mutants;
pub mod own_run;
pub mod profile;
mod progress;
mod quoted;
pub mod reproduction;
pub mod search;
mod training;

/// Prints lines to standard output, escaped, where a closed pipe is no error.
pub fn print(text: &str) -> Result<()> {
    written(io::stdout().write_all(printable(text).as_bytes()))
}

/// The result of writing to standard output, flushed; a closed pipe is no error.
pub fn written(result: io::Result<()>) -> Result<()> {
    match result.and_then(|()| io::stdout().flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Error::output(Path::new("standard output"), error.to_string()))
        }
        _ => Ok(()),
    }
}

/// Prints a document of JSON.
pub fn json(document: &impl Serialize) -> Result<()> {
    let text = serde_json::to_string_pretty(document).map_err(|error| Error::Internal(format!("--json: {error}")))?;
    let mut ascii = String::with_capacity(text.len() + 1);
    for character in text.chars() {
        // JSON allows these, but they would steer a terminal.
        if ('\u{7f}'..='\u{9f}').contains(&character) {
            let _ = write!(ascii, "\\u{:04x}", character as u32);
        } else {
            ascii.push(character);
        }
    }
    print(&(ascii + "\n"))
}

/// Prints lines to standard error, escaped; a failure there could not be reported.
fn remark(text: &str) {
    let _ = writeln!(io::stderr(), "{}", printable(text));
}

/// Escapes what would steer a terminal, in the name of a file say.
fn printable(text: &str) -> String {
    text.split('\n').map(escaped).collect::<Vec<_>>().join("\n")
}

/// Columns of the terminal, or 100 if there is none.
pub fn width() -> usize {
    terminal_size::terminal_size_of(io::stdout()).map_or(100, |(width, _)| width.0.into())
}

/// Prints something to know.
pub fn note(text: &str) {
    remark(&format!("note: {text}"));
}

/// Prints why the command stopped.
pub fn error(error: &Error) {
    remark(&format!("error: {error}"));
}
