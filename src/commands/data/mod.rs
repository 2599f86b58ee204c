//! `cyclone data`.

use std::fmt::Write as _;
use std::io::Cursor;

use image::ImageFormat;

use crate::commands::flags::{DataCommand, ImportArgs, InfoArgs};
use crate::data::info::{self, Info};
use crate::data::spec::Source;
use crate::data::{Dataset, binary};
use crate::error::{Error, Result, escaped, shown};
use crate::terminal::{self, Display};
use crate::util::text::grouped;

use super::new_file::{check_new, ending, write_new};

mod fetch;

/// Runs the subcommand.
pub fn run(command: &DataCommand) -> Result<()> {
    match command {
        DataCommand::Fetch(args) => fetch::run(args),
        DataCommand::Import(args) => import(args),
        DataCommand::Info(args) => info(args),
    }
}

fn import(args: &ImportArgs) -> Result<()> {
    binary::check_new(&args.destination)?;
    let dataset = Dataset::open(&Source::Path(args.folder.clone()))?;
    dataset.notice.iter().for_each(|notice| Display::new(false).note(notice));
    binary::import(&dataset, &args.destination)?;
    let [train, test] = [dataset.train, dataset.labels.len() - dataset.train].map(grouped);
    let (path, typed) = (shown(&args.destination), terminal::quoted(&args.destination));
    terminal::print(&format!("{train} training and {test} test images in {path}: train on them with --data {typed}\n"))
}

fn info(args: &InfoArgs) -> Result<()> {
    if let Some(path) = &args.contact_sheet {
        ending(path, "--contact-sheet", &["png"])?;
        check_new(path, "--contact-sheet")?;
    }
    let dataset = Dataset::open(&args.source)?;
    dataset.notice.iter().for_each(|notice| Display::new(false).note(notice));
    let info = Info::of(&dataset);
    if args.json {
        terminal::json(&info)?;
    } else {
        terminal::print(&text(&info))?;
    }
    if let Some(path) = &args.contact_sheet {
        let mut bytes = Cursor::new(Vec::new());
        let drawn = info::contact_sheet(&dataset).write_to(&mut bytes, ImageFormat::Png);
        drawn.map_err(|error| Error::Internal(format!("contact sheet: {error}")))?;
        write_new(path, "--contact-sheet", bytes.get_ref())?;
    }
    Ok(())
}

fn text(info: &Info) -> String {
    let mut text = String::new();
    let _ = writeln!(text, "{}\n", escaped(&info.name));
    let _ = writeln!(text, "{:<12}{} training, {} test", "images", grouped(info.train), grouped(info.test));
    if !info.batches.is_empty() {
        let batches: Vec<_> = info.batches.iter().copied().map(grouped).collect();
        let _ = writeln!(text, "{:<12}{}", "batches", batches.join(", "));
    }
    for (name, channel) in ["red", "green", "blue"].iter().zip(&info.channels) {
        let _ = writeln!(text, "{name:<12}mean {:.2}, deviation {:.2} of 255", channel.mean, channel.deviation);
    }
    let _ = writeln!(text, "{:<12}{} of the test images are also training images", "repeated", grouped(info.in_both));
    let _ = writeln!(text, "{:<12}{}", "sha256", info.sha256);
    let names: Vec<_> = info.classes.iter().map(|class| escaped(&class.name)).collect();
    let width = names.iter().map(|name| name.chars().count()).max().unwrap_or(0).max(12);
    let _ = writeln!(text, "\n{:>5}  {:<width$}{:>10}{:>8}", "label", "class", "training", "test");
    for (label, (name, class)) in names.iter().zip(&info.classes).enumerate() {
        let _ = writeln!(text, "{label:>5}  {name:<width$}{:>10}{:>8}", grouped(class.train), grouped(class.test));
    }
    text
}
