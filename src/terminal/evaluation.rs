//! Scores of trained networks.

use std::fmt::Write as _;

use super::columns::{Column, Row, table};
use crate::error::escaped;
use crate::records::evaluation::{Evaluated, Scores};
use crate::util::text::{grouped, percent};

/// All that an evaluation has found, in at most `width` columns, if possible.
pub fn text(evaluated: &Evaluated, width: usize) -> String {
    let Evaluated { version, engine, data, part, images, members, .. } = evaluated;
    let mut text = format!("cyclone {version} evaluate\n\n");
    let images = format!("{} {part}", grouped(*images));
    let mut facts = vec![("device", engine.clone()), ("data", data.clone()), ("images", images)];
    if evaluated.mirror {
        facts.push(("mirror", "means over each image and the one flipped from left to right".into()));
    }
    for (name, value) in facts {
        let _ = writeln!(text, "{name:<12}{}", escaped(value));
    }

    let columns = [
        Column::text("network", 0),
        Column::number("loss", 0),
        Column::number("accuracy", 0),
        Column::number("ECE", 0),
    ];
    let row = |name: String, scores: &Scores| {
        let Scores { loss, accuracy, ece, .. } = scores;
        Row::Cells(vec![escaped(name), format!("{loss:.4}"), percent(*accuracy), percent(*ece)])
    };
    let mut rows: Vec<_> = members.iter().map(|member| row(member.to_string(), &member.scores)).collect();
    rows.extend(evaluated.ensemble.iter().map(|scores| row(format!("ensemble of {}", members.len()), scores)));
    let _ = write!(text, "\n{}", table(&columns, &rows, width));
    if let Some(scores) = evaluated.together() {
        let _ = write!(text, "\n{}", by_class(&evaluated.classes, scores, width));
    }
    text
}

/// A row a class: how many of its images are recognised, how many of those taken for it are, and what its images are taken
/// for, if there is room for that.
fn by_class(classes: &[String], scores: &Scores, width: usize) -> String {
    let answers: Vec<_> = (0..classes.len()).map(|class| class.to_string()).collect();
    let share = |share: Option<f64>| share.map_or_else(|| "-".to_owned(), percent);
    let mut columns = vec![
        Column::number("", 0),
        Column::text("class", 0),
        Column::number("recall", 0),
        Column::number("precision", 0),
    ];
    columns.extend(answers.iter().map(|answer| Column::number(answer, 0)));
    let row = |(label, class): (usize, &String)| {
        let shares = [scores.recall[label], scores.precision[label]].map(share);
        let counts = scores.confusion[label].iter().map(|&count| grouped(count));
        Row::Cells([label.to_string(), escaped(class)].into_iter().chain(shares).chain(counts).collect())
    };
    let rows: Vec<_> = classes.iter().enumerate().map(row).collect();
    let whole = table(&columns, &rows, usize::MAX);
    if whole.lines().all(|line| line.chars().count() <= width) {
        return whole + "\nThe numbered columns count a class's images by the class they were taken for.\n";
    }
    table(&columns[..4], &rows, width) + "\nThe confusion matrix is too wide for this terminal: see --json.\n"
}
