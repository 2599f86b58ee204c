//! A search's result as text: the ranked table.

use std::fmt::Write as _;

use super::Search;
use super::trial::{Record, rank};
use crate::train::Score;

/// The trials that ended well, best first, then those that diverged. It says nothing of time, so that the same search
/// gives the same text.
pub fn table(search: &Search, records: &[Record]) -> String {
    let parameters = search.space.parameters();
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
            let _ = write!(text, "  {:>8}  {:>10}", percent(Some(scored.train)), percent(scored.validation));
            if search.with_test {
                let _ = write!(text, "  {:>6}", percent(scored.test));
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

fn percent(score: Option<Score>) -> String {
    score.map_or_else(|| "-".into(), |score| format!("{:.2}%", score.accuracy * 100.0))
}
