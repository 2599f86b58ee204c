//! A search as it goes, and its ranked table.

use std::fmt::Write as _;

use super::Display;
use crate::search::Search;
use crate::search::trial::{Diverged, Record, rank};
use crate::search::wave::{Event, Progress};
use crate::train::Score;
use crate::util::text::percent;

/// Shows what is seen of `search`.
pub fn show(display: &mut Display, search: &Search, event: Event<'_>) {
    match event {
        Event::Begun(steps) => display.start(steps),
        Event::Stepped(step) => display.at(step),
        Event::Failed(rank, why) => display.warn(&format!("rank {rank}: {why}")),
        Event::Ended(_) => {}
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
    let Progress { wave, done, total, seconds_left, best } = progress;
    let mut line =
        format!("{done} of {total} trials, the last {} in {:.1} s", wave.records.len(), wave.duration.as_secs_f64(),);
    if *seconds_left > 0.0 {
        let _ = write!(line, ", {seconds_left:.0} s left");
    }
    if let Some(best) = best {
        let values = search.space.parameters().into_iter();
        let values: Vec<_> = values.map(|one| format!("{} {}", one.name(), one.show(one.of(&best.trial)))).collect();
        let merit = percent(best.merit().unwrap_or_default());
        let _ = write!(line, "; best so far trial {}, {}: {merit}", best.trial.trial, values.join(", "));
    }
    line
}

/// The trials that ended well, best first, then those that diverged. No times, so that the same search gives the same text.
pub fn table(search: &Search, records: &[Record]) -> String {
    let parameters = search.space.parameters();
    let accuracy = |score: Option<Score>| score.map_or_else(|| "-".into(), |score| percent(score.accuracy));
    let mut text = String::from("rank  trial");
    for parameter in &parameters {
        let _ = write!(text, "  {:>12}", parameter.name());
    }
    text.push_str("  training  validation");
    text.push_str(if search.with_test { "    test\n" } else { "\n" });
    let values = |record: &Record| -> String {
        let values: Vec<_> =
            parameters.iter().map(|one| format!("  {:>12}", one.show(one.of(&record.trial)))).collect();
        values.concat()
    };
    let ranked = rank(records);
    let (done, diverged): (Vec<_>, Vec<_>) = ranked.into_iter().partition(|record| record.result.is_some());
    for (rank, record) in done.iter().enumerate() {
        let _ = write!(text, "{:>4}  {:>5}{}", rank + 1, record.trial.trial, values(record));
        if let Some(scored) = &record.result {
            let _ = write!(text, "  {:>8}  {:>10}", accuracy(Some(scored.train)), accuracy(scored.validation));
            if search.with_test {
                let _ = write!(text, "  {:>6}", accuracy(scored.test));
            }
        }
        text.push('\n');
    }
    for record in diverged {
        let step = record.diverged.as_ref().map_or(0, |diverged| diverged.step);
        let _ = writeln!(text, "   -  {:>5}{}  diverged at step {step}", record.trial.trial, values(record));
    }
    text.push_str(if search.with_test {
        "\nRanked on the validation images. To choose by the test column would be cheating: the test images would no\n\
         longer say how good the choice is.\n"
    } else {
        "\nRanked on the validation images.\n"
    });
    if search.warm_start {
        text.push_str("Warm-started: one network went through these values in ascending order.\n");
    }
    text
}
