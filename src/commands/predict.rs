//! `cyclone predict`.

use std::fmt::Write as _;

use crate::cli::PredictArgs;
use crate::device::Device;
use crate::display::{self, Display};
use crate::error::{Error, Result};
use crate::predict;
use crate::trained::Trained;

/// Classifies pictures.
pub fn run(args: &PredictArgs) -> Result<()> {
    let trained = Trained::open(&args.run, args.model)?;
    let files = predict::pictures(&args.images)?;
    let device = Device::open(&args.device)?;
    device.notice.iter().for_each(|notice| Display::new(false).note(notice));
    let predictions = predict::classify(&trained, &device, &files, args.top.into())?;
    if args.json {
        let text = serde_json::to_string_pretty(&predictions)
            .map_err(|error| Error::Internal(format!("predictions: {error}")))?;
        return display::print(&format!("{text}\n"));
    }
    let mut text = String::new();
    for prediction in &predictions {
        let _ = writeln!(text, "{}", prediction.path.display());
        for likelihood in &prediction.classes {
            let _ = writeln!(text, "{:>8.2}%  {}", likelihood.probability * 100.0, likelihood.class);
        }
    }
    display::print(&text)
}
