//! Charts: curves, bands, points and bars over one horizontal axis, in panels one above the other.
//!
//! A [`Chart`] is plain data. [`Chart::figure`] is its SVG inside a page, [`Chart::svg`] the same drawing as a file,
//! [`Chart::png`] that file in pixels, [`Chart::table`] its values. Nothing in the drawing says a colour: every mark has a
//! class, and `chart.css` with the colours of [`theme`] does the rest, so a page's charts follow its light or dark theme.
//! That, and marks that differ in dashes and shapes too, is why this is not a plotting library's work.

mod data;
mod draw;
mod layout;
mod marks;
mod png;
mod scale;
pub mod theme;
mod values;
mod width;

use maud::Markup;

use crate::error::Result;

pub use data::{Axis, Chart, Form, Kind, Mark, Panel, Point, Series};
pub use png::SOFTWARE;

impl Chart {
    /// Its SVG, to stand in a page that has `chart.css` and the colours as variables.
    pub fn figure(&self) -> Markup {
        draw::svg(self, None)
    }

    /// Its SVG as a file of its own, in light colours.
    pub fn svg(&self) -> String {
        // Characters that no XML may have, from an adapter's name say.
        let forbidden = |c: char| c.is_control() && !matches!(c, '\n' | '\t') || matches!(c, '\u{fffe}' | '\u{ffff}');
        draw::svg(self, Some(&theme::style())).into_string().replace(forbidden, "\u{fffd}") + "\n"
    }

    /// That file as a PNG of twice its size.
    pub fn png(&self) -> Result<Vec<u8>> {
        png::render(&self.svg())
    }

    /// Its values as a table, a row a value of `x`, from which the page's script reads what to show where.
    pub fn table(&self) -> Markup {
        values::table(self)
    }
}
