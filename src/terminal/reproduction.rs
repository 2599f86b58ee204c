//! Published numbers beside ours, as a table.

use std::fmt::Write as _;

use super::columns::{self, Column, Row};
use crate::search::experiments::comparison::{Number, Of, Verdict};
use crate::util::text::points;

/// A part's numbers, one training or mean a line: for each kind of images the report's, ours, the difference in points,
/// and a mark if it is outside its band.
pub fn table(name: &str, title: &str, numbers: &[Number]) -> String {
    let rows: Vec<_> = numbers.chunk_by(|a, b| a.lambda == b.lambda).collect();
    let Some(first) = rows.first() else { return format!("{name}: {title}\n") };
    let mut kinds = format!("{:<13}", first[0].lambda.map_or("", |_| "lambda"));
    let mut columns = vec![Column::text("", 0).wide(13, 0)];
    for Number { images, band, .. } in *first {
        let title = match images {
            Of::Train => format!("training ±{band:.1}"),
            Of::Validation => format!("validation ±{band:.1}"),
            Of::Test => format!("test ±{band:.1}"),
            Of::Gradient5 => "5 decimals".into(),
            Of::Gradient6 => "6 decimals".into(),
        };
        let _ = write!(kinds, "  {title:<27}");
        columns.extend(["report", "ours", "diff"].map(|title| Column::number(title, 0).wide(6, 2)));
        columns.push(Column::text("", 0).wide(4, 1));
    }
    let mut lines = Vec::new();
    for row in rows {
        let mut cells = vec![row[0].lambda.map_or_else(String::new, |lambda| format!("{lambda:.6e}"))];
        let mut deviations = vec!["  deviation".to_owned()];
        for number in row {
            cells.extend([
                points(number.published),
                number.ours.map_or_else(|| "none".into(), points),
                number.difference().map_or_else(|| "-".into(), |points| format!("{points:+.2}")),
                if number.verdict == Verdict::Outside { "OUT".into() } else { String::new() },
            ]);
            let deviation = number.deviation.map_or_else(String::new, points);
            deviations.extend([String::new(), deviation, String::new(), String::new()]);
        }
        lines.push(Row::Cells(cells));
        if row.iter().any(|number| number.deviation.is_some()) {
            lines.push(Row::Cells(deviations));
        }
    }
    format!("{name}: {title}\n{}\n{}", kinds.trim_end(), columns::table(&columns, &lines, usize::MAX))
}
