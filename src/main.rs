//! The program: see `cyclone --help`.

use std::panic;
use std::process::ExitCode;

use cyclone::commands;

fn main() -> ExitCode {
    let hook = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        if !cyclone::gpu::is_polling() {
            hook(info);
        }
    }));
    ExitCode::from(commands::guarded(commands::run))
}
