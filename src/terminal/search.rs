//! A search as it goes, and its ranked table.

use std::fmt::Write as _;

use super::Display;
use super::columns::{Column, Row, table};
use crate::search::Search;
use crate::search::halving::{Halving, Rung};
use crate::search::trial::{Diverged, Record, rank};
use crate::search::wave::{Event, Progress};
use crate::train::Score;
use crate::util::text::{percent, plural};

/// Shows what is seen of `search`.
pub fn show(display: &mut Display, search: &Search, event: Event<'_>) {
    match event {
        Event::Begun(steps) => display.start(steps),
        Event::Stepped(step) => display.at(step),
        Event::Failed(rank, why) => display.warn(&format!("rank {rank}: {why}")),
        Event::Ended(_) => {}
        Event::Rung(rung, records, go_on) => display.progress(&end(rung, records, go_on)),
        Event::Recorded(progress) => {
            display.progress(&line(search, &progress));
            for Record { trial, diverged, .. } in &progress.wave.records {
                if let Some(Diverged { step, message }) = diverged {
                    display.warn(&format!("trial {}: diverged at step {step}: {message}", trial.trial));
                }
            }
        }
    }
}

fn line(search: &Search, progress: &Progress<'_>) -> String {
    let Progress { wave, rung, done, total, seconds_left, best } = progress;
    let mut line = rung.map_or(String::new(), |rung| format!("{rung}: "));
    let _ = write!(
        line,
        "{done} of {total} trials, the last {} in {:.1} s",
        wave.records.len(),
        wave.duration.as_secs_f64()
    );
    if *seconds_left > 0.0 {
        let _ = write!(line, ", {seconds_left:.0} s left");
    }
    if let Some(best) = best {
        let values = search.space.parameters().into_iter();
        let values: Vec<_> = values.map(|one| format!("{} {}", one.name(), one.show(&one.of(&best.trial)))).collect();
        let merit = percent(best.merit().unwrap_or_default());
        let _ = write!(line, "; best so far trial {}, {}: {merit}", best.trial.trial, values.join(", "));
    }
    line
}

/// What came of a rung.
fn end(rung: Rung, records: &[&Record], go_on: usize) -> String {
    let ended: Vec<_> = records.iter().filter(|record| record.result.is_some()).collect();
    let epochs = ended.iter().filter_map(|record| Some(record.rungs.last()?.epoch));
    let [least, most] = [epochs.clone().fold(f64::MAX, f64::min), epochs.fold(0.0, f64::max)];
    let mut line = match (ended.is_empty(), least < most) {
        (true, _) => format!("{rung} ended"),
        (false, false) => format!("{rung} ended after {most:.2} epochs"),
        (false, true) => format!("{rung} ended after {least:.2} to {most:.2} epochs"),
    };
    let _ = write!(line, ": {}", plural(records.len(), "trial"));
    if ended.len() < records.len() {
        let _ = write!(line, ", {} diverged", records.len() - ended.len());
    }
    if let Some(last) = go_on.checked_sub(1).and_then(|last| ended.get(last)) {
        let _ =
            write!(line, "; the best {go_on} go on, those with {} or more", percent(last.merit().unwrap_or_default()));
    }
    line
}

/// The trials that ended well, best first, then those that diverged. No times, so that the same search gives the same text.
pub fn ranking(search: &Search, records: &[Record]) -> String {
    let parameters = search.space.parameters();
    let mut columns = vec![Column::number("rank", 0), Column::number("trial", 0)];
    columns.extend(parameters.iter().map(|one| Column::number(one.name(), 0).wide(12, 2)));
    columns
        .extend(search.halving.iter().flat_map(|_| ["rungs", "epochs"].map(|name| Column::number(name, 0).wide(6, 2))));
    columns.extend([Column::number("training", 0), Column::number("validation", 0)]);
    columns.extend(search.with_test.then(|| Column::number("test", 0).wide(6, 2)));
    let accuracy = |score: Option<Score>| score.map_or_else(|| "-".into(), |score| percent(score.accuracy));
    let rows = rank(records).into_iter().enumerate().map(|(place, record)| {
        let Record { trial, rungs, result, diverged, .. } = record;
        let mut row = vec![(place + 1).to_string(), trial.trial.to_string()];
        row.extend(parameters.iter().map(|one| one.show(&one.of(trial))));
        if search.halving.is_some() {
            let epochs = rungs.last().map_or_else(|| "-".into(), |point| format!("{:.2}", point.epoch));
            row.extend([rungs.len().to_string(), epochs]);
        }
        if let Some(scored) = result {
            row.extend([accuracy(Some(scored.train)), accuracy(scored.validation)]);
            row.extend(search.with_test.then(|| accuracy(scored.test)));
        } else {
            row[0] = "-".into();
            row.push(format!("diverged at step {}", diverged.as_ref().map_or(0, |diverged| diverged.step)));
        }
        Row::Cells(row)
    });
    let mut text = table(&columns, &rows.collect::<Vec<_>>(), usize::MAX);
    text.push_str(if search.with_test {
        "\nRanked on the validation images. To choose by the test column would be cheating: the test images would no\n\
         longer say how good the choice is.\n"
    } else {
        "\nRanked on the validation images.\n"
    });
    if let Some(Halving { eta, .. }) = search.halving {
        let _ = writeln!(text, "Those of more rungs first: at the end of each, one in {eta} went on.");
    }
    if search.warm_start {
        text.push_str("Warm-started: one network went through these values in ascending order.\n");
    }
    text
}
