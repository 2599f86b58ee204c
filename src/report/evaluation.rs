//! What `evaluate --json` printed.

use std::path::Path;

use maud::html;

use super::answers::tables;
use super::parts::{Card, Charts, Section, Subject, facts, heads, table};
use super::text::{number, percent};
use crate::error::{Error, Result};
use crate::records::answers::is_square;
use crate::records::evaluation::{Evaluated, Scores};
use crate::util::text::grouped;

pub(super) struct Evaluation {
    name: String,
    document: Evaluated,
}

impl Evaluation {
    /// A document, whose tables must have the sizes that its classes give.
    pub(super) fn new(name: String, path: &Path, document: Evaluated) -> Result<Self> {
        let classes = document.classes.len();
        let mut all = document.members.iter().map(|member| &member.scores).chain(&document.ensemble);
        if document.members.is_empty() || !all.all(|scores| is_square(&scores.confusion, classes)) {
            let what = format!("expected scores with matrices of {classes} by {classes} classes. Print it again");
            return Err(Error::checkpoint(path, what));
        }
        Ok(Self { name, document })
    }
}

impl Subject for Evaluation {
    fn title(&self) -> String {
        format!("Evaluation {}", self.name)
    }

    fn notices(&self) -> Vec<String> {
        Vec::new()
    }

    fn cards(&self) -> Vec<Card> {
        let Evaluated { part, members, .. } = &self.document;
        let of = if members.len() == 1 { String::new() } else { format!("ensemble of {}", members.len()) };
        let card = |scores: &Scores| Card::new(format!("{}, {part} accuracy", self.name), percent(scores.accuracy), of);
        self.document.together().map(card).into_iter().collect()
    }

    fn sections(&self, _charts: &mut Charts) -> Result<Vec<Section>> {
        let Evaluated { data, part, images, mirror, classes, members, ensemble, .. } = &self.document;
        let row = |class: Option<&str>, name: String, Scores { loss, accuracy, ece, .. }: &Scores| {
            html! {
                tr class=[class] {
                    th scope="row" { (name) }
                    td { (number(*loss, 5)) } td { (percent(*accuracy)) } td { (percent(*ece)) }
                }
            }
        };
        let rows = html! {
            (heads(&["network", "loss", "accuracy", "expected calibration error"]))
            tbody {
                @for member in members { (row(None, member.to_string(), &member.scores)) }
                @if let Some(scores) = ensemble { (row(Some("sum"), format!("ensemble of {}", members.len()), scores)) }
            }
        };
        let body = html! {
            (facts(&[
                ("images", format!("{} {part} images of {data}", grouped(*images))),
                ("SHA-256", self.document.sha256.clone()),
                ("mirrored", if *mirror { "mean probabilities of each image and its mirror image" } else { "no" }.into()),
                ("device", self.document.engine.clone()),
                ("version", format!("cyclone {}", self.document.version)),
            ]))
            (table("Scores", None, &rows))
            @if let Some(scores) = self.document.together() { (tables(classes, &scores.confusion)) }
        };
        Ok(vec![Section::new(format!("Evaluation: {}", self.name), body)])
    }
}
