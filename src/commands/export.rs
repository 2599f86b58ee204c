//! `cyclone export`.

use crate::cli::ExportArgs;
use crate::display;
use crate::error::Result;
use crate::spec::grouped;
use crate::trained::Trained;

use super::output::write_new;

/// Writes the network of a run in another format.
pub fn run(args: &ExportArgs) -> Result<()> {
    let trained = Trained::open(&args.run, args.model)?;
    let bytes = args.format.encode(&trained)?;
    let path = match &args.out {
        Some(path) => path.clone(),
        None => {
            let model = args.model.map_or(String::new(), |model| format!("-{model}"));
            args.run.join(format!("model{model}.{}", args.format.extension()))
        }
    };
    write_new(&path, "--out", &bytes)?;
    display::print(&format!("{}: {} bytes\n", path.display(), grouped(bytes.len() as u64)))
}
