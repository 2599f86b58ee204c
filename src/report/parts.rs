//! What sections are made of: cards, charts, tables, lists of facts.

use maud::{Markup, html};

use super::text::slug;
use crate::error::Result;
use crate::report::chart::Chart;

/// Something to report on.
pub(super) trait Subject {
    /// What kind of thing it is, and its name.
    fn title(&self) -> String;

    /// What is to be known before the figures are believed: what is missing in the records, or was amiss.
    fn notices(&self) -> Vec<String>;

    /// What a reader looks for first.
    fn cards(&self) -> Vec<Card>;

    /// All that is drawn of it.
    fn sections(&self, charts: &mut Charts) -> Result<Vec<Section>>;
}

/// A part of the page with a heading.
pub(super) struct Section {
    /// What its heading says, and the list of sections.
    pub title: String,
    pub body: Markup,
}

impl Section {
    pub(super) fn new(title: impl Into<String>, body: Markup) -> Self {
        Self { title: title.into(), body }
    }
}

/// A figure that a reader looks for first.
pub(super) struct Card {
    pub label: String,
    pub value: String,
    pub note: String,
}

impl Card {
    pub(super) fn new(label: impl Into<String>, value: impl Into<String>, note: impl Into<String>) -> Self {
        Self { label: label.into(), value: value.into(), note: note.into() }
    }
}

/// The charts of a page.
#[derive(Default)]
pub(super) struct Charts {
    pub drawn: Vec<Chart>,
}

impl Charts {
    /// The chart in the page, with its values; nothing if there is nothing in it.
    pub(super) fn add(&mut self, mut chart: Chart) -> Markup {
        if chart.is_empty() {
            return html! {};
        }
        chart.name = self.unused(&chart.name);
        let figure = html! {
            figure {
                div.plot { (chart.figure()) }
                details {
                    summary { "Values" span.unseen { " of " (chart.title) } }
                    (scroll(&format!("Values of {}", chart.title), &chart.table()))
                }
            }
        };
        self.drawn.push(chart);
        figure
    }

    /// The nearest name to `wanted` that is good for a file and not taken.
    fn unused(&self, wanted: &str) -> String {
        let plain = slug(wanted);
        let taken = |name: &str| self.drawn.iter().any(|chart| chart.name == name);
        let mut name = plain.clone();
        for next in 2.. {
            if !taken(&name) {
                break;
            }
            name = format!("{plain}-{next}");
        }
        name
    }
}

/// What may be wider than the page, and scrolls by itself then, by keyboard too.
pub(super) fn scroll(of: &str, body: &Markup) -> Markup {
    html! { div.scroll role="group" aria-label=(of) tabindex="0" { (body) } }
}

/// A table with its rows, and what it is of.
pub(super) fn table(of: &str, class: Option<&str>, rows: &Markup) -> Markup {
    scroll(of, &html! { table class=[class] { caption.unseen { (of) } (rows) } })
}

/// Charts beside each other where there is room.
pub(super) fn side_by_side(figures: &[Markup]) -> Markup {
    html! { div.figures { @for figure in figures { (figure) } } }
}

/// A row of column headings; the first column's is of the row's names. One after `<` is of text, aligned left.
pub(super) fn heads(heads: &[&str]) -> Markup {
    html! { thead { tr { @for head in heads {
        @match head.strip_prefix('<') {
            Some(word) => th.word scope="col" { (word) },
            None => th scope="col" { (head) },
        }
    } } } }
}

/// A cell with a text and a bar, full at 1.
pub(super) fn bar(share: f64, text: &str) -> Markup {
    html! { td.bar { span { (text) } i style=(format!("--share:{:.3}", share.clamp(0.0, 1.0))) {} } }
}

/// Names and values, a line each.
pub(super) fn facts(facts: &[(&str, String)]) -> Markup {
    html! {
        dl.facts {
            @for (name, value) in facts {
                div { dt { (name) } dd { (value) } }
            }
        }
    }
}
