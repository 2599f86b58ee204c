//! What networks take the test images for.

use maud::{Markup, html};

use super::parts::{bar, heads, scroll, table};
use super::text::{percent, tenths};
use crate::records::answers::{self, Answers, Mistake};
use crate::util::text::grouped;

pub(super) fn body(answers: &Answers) -> Markup {
    let classes = &answers.classes;
    let sum = |label: usize, answer: usize| answers.confusion.iter().map(|matrix| matrix[label][answer]).sum::<u64>();
    let all: Vec<Vec<u64>> =
        (0..classes.len()).map(|label| (0..classes.len()).map(|answer| sum(label, answer)).collect()).collect();
    let models = answers.confusion.len();
    html! {
        @if models > 1 { p.about { "Of " (models) " networks together; the mistakes are the first one's." } }
        (tables(classes, &all))
        @if !answers.mistakes.is_empty() {
            h3 { "Most confident mistakes" }
            ul.pictures { @for mistake in &answers.mistakes { (picture(classes, mistake)) } }
        }
    }
}

/// The images by label and answer, `[C][C]`, and each class's own figures.
pub(super) fn tables(classes: &[String], all: &[Vec<u64>]) -> Markup {
    html! {
        div.pair {
            div { h3 { "Confusion matrix" } (matrix(classes, all)) }
            div { h3 { "By class" } (by_class(classes, all)) }
        }
    }
}

/// The share of a class's images, its row, that was taken for each class.
fn matrix(classes: &[String], all: &[Vec<u64>]) -> Markup {
    let rows = html! {
        table.confusion {
            caption { "Percent of a row's images taken for each class" }
            thead { tr {
                th scope="col" { span.unseen { "is \\ taken for" } }
                @for class in classes { th scope="col" { span { (class) } } }
            } }
            tbody {
                @for (label, (class, row)) in classes.iter().zip(all).enumerate() {
                    @let total = row.iter().sum::<u64>();
                    tr {
                        th scope="row" { (class) }
                        @for (answer, &count) in row.iter().enumerate() {
                            @let share = count as f64 / total.max(1) as f64;
                            td class=[(label == answer).then_some("right")] style=(format!("--share:{share:.3}"))
                                title=(format!("{class} taken for {}: {} of {}", classes[answer], grouped(count), grouped(total))) {
                                (format!("{:.0}", share * 100.0))
                            }
                        }
                    }
                }
            }
        }
    };
    scroll("Confusion matrix", &rows)
}

/// Recall and precision of each class, and the class it is confused with most.
fn by_class(classes: &[String], all: &[Vec<u64>]) -> Markup {
    let shares = answers::by_class(all);
    let text = |share: Option<f64>| share.map_or_else(|| "–".to_owned(), percent);
    let rows = html! {
        (heads(&["class", "recognised", "right when named", "<taken for"]))
        tbody {
            @for (label, (class, row)) in classes.iter().zip(all).enumerate() {
                @let [recall, precision] = shares[label];
                // Of equals the first.
                @let other = (0..row.len()).rev().filter(|&answer| answer != label).max_by_key(|&answer| row[answer]);
                tr {
                    th scope="row" { (class) }
                    (bar(recall.unwrap_or_default(), &text(recall)))
                    td { (text(precision)) }
                    td.word { @match other { Some(other) if row[other] > 0 => (classes[other]), _ => "–" } }
                }
            }
        }
    };
    table("By class", Some("bars"), &rows)
}

fn picture(classes: &[String], mistake: &Mistake) -> Markup {
    let (label, answer) = (&classes[mistake.label], &classes[mistake.answer]);
    html! {
        li {
            img src={ "data:image/png;base64," (mistake.picture) } width="32" height="32"
                alt={ "test image " (mistake.image) ", " (label) };
            p {
                strong { (answer) } " " (format!("{:.0}\u{a0}%", mistake.probability * 100.0))
                br;
                "is " (label) " " span.faint { (tenths(mistake.of_label)) }
            }
        }
    }
}
