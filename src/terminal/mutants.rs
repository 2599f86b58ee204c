//! The mutants' table.

use super::checks::shape;
use super::columns::{Column, Row, table};
use crate::proof::compare::{Fault, Outcome};
use crate::verify::mutants::{Caught, Mutant};

const COLUMNS: [Column<'_>; 4] =
    [Column::text("mutant", 0), Column::text("caught by", 1), Column::text("comparison", 0), Column::text("", 2)];

/// One mutant a line, kernel by kernel, within `width` columns.
pub fn hunted(hunted: &[(&Mutant, Option<Caught>)], width: usize) -> String {
    let mut rows = Vec::new();
    for group in hunted.chunk_by(|(a, _), (b, _)| a.kernel == b.kernel) {
        rows.push(Row::Heading(format!("{}, {} mutants", group[0].0.kernel.name(), group.len())));
        rows.extend(group.iter().map(|(mutant, caught)| {
            let (case, what, how) = match caught {
                Some(Caught { case, what, outcome }) => (shape(case).to_owned(), (*what).to_owned(), how(outcome)),
                None if mutant.races() => ("-".into(), "survived: a race".into(), String::new()),
                None => ("-".into(), "SURVIVED".into(), String::new()),
            };
            Row::Cells(vec![format!("  {}", mutant.name), case, what, how])
        }));
    }
    let caught = hunted.iter().filter(|(_, caught)| caught.is_some()).count();
    format!(
        "{}\n{} mutants: {caught} caught, {} survived\n",
        table(&COLUMNS, &rows, width),
        hunted.len(),
        hunted.len() - caught
    )
}

fn how(outcome: &Outcome) -> String {
    match &outcome.fault {
        Some(Fault::NotFinite) => "NaN/inf".into(),
        Some(Fault::Overrun) => "overrun".into(),
        _ if outcome.tolerance == 0.0 => "unequal".into(),
        _ => format!("{:.0e} ×", outcome.share()),
    }
}
