//! The page around the sections.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use sha2::{Digest, Sha256};

use super::parts::{Card, Section};
use super::text::slug;
use crate::report::chart::{SOFTWARE, theme};

const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("page.js");

/// What is to be known before the figures below are believed.
pub(super) fn warnings(notices: &[String]) -> Markup {
    html! { @for notice in notices { p.warning { (notice) } } }
}

pub(super) fn page(title: &str, notices: &[String], cards: &[Card], sections: &[Section]) -> String {
    let digest = BASE64_STANDARD.encode(Sha256::digest(SCRIPT.as_bytes()));
    let policy = format!(
        "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{digest}'; base-uri 'none'; \
         form-action 'none'"
    );
    let [light, dark] = [theme::variables(false), theme::variables(true)];
    // The theme is the system's, until the reader chooses; paper is white.
    let style = format!(
        ":root{{color-scheme:light;{light}}}\n:root[data-theme=dark]{{color-scheme:dark;{dark}}}\n\
         @media screen and (prefers-color-scheme:dark){{:root:not([data-theme=light]){{color-scheme:dark;{dark}}}}}\n\
         @media print{{:root[data-theme=dark]{{color-scheme:light;{light}}}}}\n{}{STYLE}",
        theme::CHART
    );
    let ids = ids(sections);
    let page = html! {
        (DOCTYPE)
        html lang="en" data-by=(SOFTWARE) {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(policy);
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="generator" content={ "cyclone " (env!("CARGO_PKG_VERSION")) };
                title { (title) " · Cyclone" }
                style { (PreEscaped(style)) }
            }
            body {
                a.skip href="#main" { "Skip to the figures" }
                header {
                    div.top {
                        p.brand { "Cyclone report" }
                        button.theme type="button" hidden { "Dark" }
                    }
                    h1 { (title) }
                    (warnings(notices))
                    dl.cards {
                        @for card in cards {
                            div.card {
                                dt { (card.label) }
                                dd.value { (card.value) }
                                @if !card.note.is_empty() { dd.note { (card.note) } }
                            }
                        }
                    }
                    @if sections.len() > 2 {
                        nav aria-label="Sections" {
                            ul { @for (section, id) in sections.iter().zip(&ids) {
                                li { a href={ "#" (id) } { (section.title) } }
                            } }
                        }
                    }
                }
                main id="main" {
                    @for (section, id) in sections.iter().zip(&ids) {
                        section id=(id) aria-labelledby={ (id) "-heading" } {
                            h2 id={ (id) "-heading" } { (section.title) }
                            (section.body)
                        }
                    }
                }
                footer {
                    p {
                        "Drawn from records alone by " code { "cyclone report" } ", version " (env!("CARGO_PKG_VERSION"))
                        ". Every chart lies in "
                        code { "charts/" } " beside this page, as SVG and PNG." }
                    p.hint hidden { "Point at a chart, or focus it and use the arrow keys, to read its values." }
                }
                script { (PreEscaped(SCRIPT)) }
            }
        }
    };
    page.into_string()
}

/// An id for each section, none twice, and none that a chart could have.
fn ids(sections: &[Section]) -> Vec<String> {
    let mut ids: Vec<String> = Vec::new();
    for section in sections {
        let plain = format!("section-{}", slug(&section.title));
        let count = ids.iter().filter(|id| **id == plain || id.starts_with(&format!("{plain}--"))).count();
        ids.push(if count == 0 { plain } else { format!("{plain}--{}", count + 1) });
    }
    ids
}
