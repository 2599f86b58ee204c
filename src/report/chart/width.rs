//! How wide a text is, so that none reaches over its place.

use std::sync::LazyLock;

use skrifa::instance::{LocationRef, Size};
use skrifa::{FontRef, MetadataProvider};

/// A page is drawn in the reader's own font; the widest that is usual, on Linux, is wider than ours by so much.
const WIDER: f64 = 1.13;

/// The font of the charts' PNGs.
static FONT: LazyLock<Option<FontRef<'static>>> = LazyLock::new(|| FontRef::new(notosans::REGULAR_TTF).ok());

/// Pixels of a text at a font's size, rather too many; a character that the font has not counts as a square.
pub(super) fn width(text: &str, size: f64) -> f64 {
    let Some(font) = FONT.as_ref() else { return text.chars().count() as f64 * size };
    let (glyphs, metrics) = (font.charmap(), font.glyph_metrics(Size::new(size as f32), LocationRef::default()));
    let advance = |character| metrics.advance_width(glyphs.map(character)?).map(|width| f64::from(width) * WIDER);
    text.chars().map(|character| advance(character).unwrap_or(size)).sum()
}

/// The text, or as much of its beginning as has room in `room` pixels, with a sign that some is missing.
pub(super) fn shortened(text: &str, size: f64, room: f64) -> String {
    if width(text, size) <= room {
        return text.to_owned();
    }
    let mut left = room - width("…", size);
    let fits = |character: &char| {
        left -= width(character.encode_utf8(&mut [0; 4]), size);
        left >= 0.0
    };
    text.chars().take_while(fits).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wide_letters_are_wide() {
        let [narrow, wide, foreign] = ["iiii", "WWWW", "四四四四"].map(|text| width(text, 12.0));
        assert!(narrow < 16.0 && wide > 44.0 && foreign >= 48.0, "{narrow} {wide} {foreign}");
    }

    #[test]
    fn what_is_too_wide_is_cut_and_says_so() {
        assert_eq!(shortened("validation", 12.0, 100.0), "validation");
        let cut = shortened("validation", 12.0, 40.0);
        assert!(cut.ends_with('…') && width(&cut, 12.0) <= 40.0 && cut.chars().count() > 3, "{cut}");
    }
}
