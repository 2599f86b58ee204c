//! `cyclone predict`.

use std::fmt::Write as _;

use crate::commands::flags::PredictArgs;
use crate::device::Device;
use crate::error::{Error, Result, escaped, shown};
use crate::export::predict::{self, Answer};
use crate::records::trained::Trained;
use crate::terminal::{self, Display};
use crate::util::text::percent;

/// Classifies pictures. Those that cannot be used are named after the others, and end the command with exit code 3.
pub fn run(args: &PredictArgs) -> Result<()> {
    let trained = Trained::open(&args.run, args.model, args.weights)?;
    let device = Device::open(&args.device)?;
    device.notice.iter().for_each(|notice| Display::new(false).note(notice));
    let predictions = predict::classify(&trained, &device, &args.images, args.top.into())?;
    let mut text = String::new();
    let mut faults = Vec::new();
    for prediction in &predictions {
        match &prediction.answer {
            Answer::Classes { classes, .. } => {
                let _ = writeln!(text, "{}", shown(&prediction.path));
                for likelihood in classes {
                    let _ = writeln!(text, "{:>9}  {}", percent(likelihood.probability), escaped(&likelihood.class));
                }
            }
            Answer::Unusable { error } => faults.push(Error::data(&prediction.path, error)),
        }
    }
    if args.json {
        terminal::json(&predictions)?;
    } else {
        terminal::print(&text)?;
    }
    let last = faults.pop();
    faults.iter().for_each(terminal::error);
    last.map_or(Ok(()), Err)
}
