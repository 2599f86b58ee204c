//! The program: see `cyclone --help`.

use std::panic;
use std::process::ExitCode;

use cyclone::commands;
use cyclone::error::Error;

fn main() -> ExitCode {
    let hook = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        if !cyclone::gpu::is_polling() {
            hook(info);
        }
    }));
    // The hook has said where it happened; what is left is the exit code, and what to do.
    let code = panic::catch_unwind(commands::run).unwrap_or_else(|_| {
        let error = Error::Internal("stopped by the panic above".into());
        cyclone::display::error(&error);
        error.exit_code()
    });
    ExitCode::from(code)
}
