//! Published numbers beside ours, as a table.

use std::fmt::Write as _;

use crate::search::experiments::comparison::{Number, Of, Verdict};

/// A part's numbers, one training or mean a line: for each kind of images the report's, ours, the difference in points,
/// and a mark if it is outside its band.
pub fn table(name: &str, title: &str, numbers: &[Number]) -> String {
    let mut text = format!("{name}: {title}\n");
    let kinds: Vec<Of> = [Of::Train, Of::Validation, Of::Test, Of::Gradient5, Of::Gradient6]
        .into_iter()
        .filter(|kind| numbers.iter().any(|number| number.images == *kind))
        .collect();
    let _ = write!(text, "{:<13}", if numbers.iter().any(|number| number.lambda.is_some()) { "lambda" } else { "" });
    for kind in &kinds {
        let band = numbers.iter().find(|number| number.images == *kind).map_or(0.0, |number| number.band);
        let title = match kind {
            Of::Train => format!("training ±{band:.1}"),
            Of::Validation => format!("validation ±{band:.1}"),
            Of::Test => format!("test ±{band:.1}"),
            Of::Gradient5 => "5 decimals".into(),
            Of::Gradient6 => "6 decimals".into(),
        };
        let _ = write!(text, "  {title:<27}");
    }
    let _ = write!(text, "\n{:<13}", "");
    text.push_str(&"  report    ours    diff     ".repeat(kinds.len()));
    text.push('\n');
    for row in numbers.chunk_by(|a, b| a.lambda == b.lambda) {
        let lambda = row[0].lambda.map_or_else(String::new, |lambda| format!("{lambda:.6e}"));
        let _ = write!(text, "{lambda:<13}");
        for number in row {
            let ours = number.ours.map_or_else(|| "none".into(), |ours| format!("{:.2}", ours * 100.0));
            let difference = number.difference().map_or_else(|| "-".into(), |points| format!("{points:+.2}"));
            let mark = if number.verdict == Verdict::Outside { "OUT" } else { "" };
            let _ = write!(text, "  {:>6.2}  {ours:>6}  {difference:>6} {mark:<4}", number.published * 100.0);
        }
        text.push('\n');
        let deviations: Vec<_> = row.iter().filter_map(|number| number.deviation).collect();
        if !deviations.is_empty() {
            let _ = write!(text, "{:<13}", "  deviation");
            for deviation in deviations {
                let _ = write!(text, "          {:>6.2}             ", deviation * 100.0);
            }
            text.push('\n');
        }
    }
    let lines: Vec<_> = text.lines().map(str::trim_end).collect();
    lines.join("\n") + "\n"
}
