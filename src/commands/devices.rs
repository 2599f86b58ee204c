//! `cyclone devices`.

use std::fmt::Write as _;

use crate::error::Result;
use crate::gpu;
use crate::terminal;

/// Lists the adapters, each with the name that `--device` takes.
pub fn run() -> Result<()> {
    let mut text = String::new();
    for adapter in gpu::list() {
        let gpu::AdapterInfo { index, name, kind, backend, driver, limits, .. } = &adapter;
        let _ = writeln!(text, "gpu:{index}  {name}");
        let rows = [("type", (*kind).to_owned()), ("backend", backend.clone()), ("driver", driver.clone())];
        for (label, value) in rows.into_iter().chain(limits.iter().cloned()) {
            let _ = writeln!(text, "       {label:<34} {value}");
        }
        text.push('\n');
    }
    if text.is_empty() {
        text.push_str("No GPU found: is a Vulkan, Metal or Direct3D 12 driver installed?\n\n");
    }
    text.push_str("cpu    the CPU engine, always available\n");
    terminal::print(&text)
}
