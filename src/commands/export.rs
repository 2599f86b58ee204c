//! `cyclone export`.

use crate::commands::flags::ExportArgs;
use crate::error::{Result, shown};
use crate::records::trained::Trained;
use crate::terminal;
use crate::util::text::grouped;

use super::new_file::write_new;

/// Writes the network of a run in another format.
pub fn run(args: &ExportArgs) -> Result<()> {
    let trained = Trained::open(&args.run, args.model, args.weights)?;
    let bytes = args.format.encode(&trained)?;
    let model = args.model.map_or(String::new(), |model| format!("-{model}"));
    let name = format!("model{model}.{}", args.format.extension());
    let path = args.out.clone().unwrap_or_else(|| args.run.join(name));
    write_new(&path, "--out", &bytes)?;
    terminal::print(&format!("{}: {} bytes\n", shown(&path), grouped(bytes.len())))
}
