//! Colours of charts and pages, in a light and a dark theme.
//!
//! The series' are those of Okabe and Ito (*Color universal design*, 2008), which people who see colours differently can
//! tell apart, made darker or lighter until each stands out from its ground by 3 to 1 at least (WCAG 2.2, 1.4.11) and,
//! as a name's colour, by 4.5 to 1 (1.4.3).

use std::fmt::Write as _;

/// How many looks a series can have.
pub const LOOKS: usize = 7;

/// Name, light, dark.
const COLOURS: [(&str, &str, &str); 19] = [
    ("ground", "#ffffff", "#14171a"),
    ("card", "#f5f6f7", "#1e2226"),
    ("ink", "#1a1d21", "#e6e8ea"),
    ("faint", "#5b636c", "#9aa3ad"),
    ("rule", "#d9dde1", "#363c43"),
    ("grid", "#e8ebee", "#272c31"),
    ("link", "#0059a3", "#7fc1f5"),
    ("good", "#00704f", "#45cfa2"),
    ("bad", "#b3400a", "#ff9a5c"),
    ("heat", "0, 101, 168", "86, 180, 233"),
    ("shade", "#00805c", "#45cfa2"),
    ("s0", "#0068ac", "#5cb8f0"),
    ("s1", "#c04d00", "#ff9f4d"),
    ("s2", "#007a57", "#3fcf9f"),
    ("s3", "#9c4583", "#e79cca"),
    ("s4", "#6b6100", "#efe03c"),
    ("s5", "#4a4f55", "#c3c8ce"),
    ("s6", "#5b4bb5", "#a99cf5"),
    ("track", "#e3e7ea", "#2d3339"),
];

/// How a chart's marks look, its colours being variables.
pub const CHART: &str = include_str!("chart.css");

/// The variables of the light theme, or of the dark one, as declarations.
pub fn variables(dark: bool) -> String {
    COLOURS.iter().fold(String::new(), |mut text, (name, light, darker)| {
        let _ = write!(text, "--{name}:{};", if dark { darker } else { light });
        text
    })
}

/// The style of a chart in a file of its own: light, every variable replaced, for few programs but browsers know them.
pub(super) fn style() -> String {
    COLOURS.iter().fold(CHART.to_owned(), |text, (name, light, _)| text.replace(&format!("var(--{name})"), light))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Relative luminance of `#rrggbb` (WCAG 2.2).
    fn luminance(colour: &str) -> f64 {
        let channel = |place: usize| {
            let value = f64::from(u8::from_str_radix(&colour[place..place + 2], 16).unwrap()) / 255.0;
            if value <= 0.040_45 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * channel(1) + 0.7152 * channel(3) + 0.0722 * channel(5)
    }

    #[test]
    fn text_and_series_stand_out_from_the_ground_in_both_themes() {
        let grounds = [COLOURS[0], COLOURS[1]];
        for (name, light, dark) in COLOURS {
            if !(["ink", "faint", "link", "good", "bad"].contains(&name) || name.starts_with('s') && name.len() == 2) {
                continue;
            }
            for (_, light_ground, dark_ground) in grounds {
                for (colour, ground) in [(light, light_ground), (dark, dark_ground)] {
                    let (a, b) = (luminance(colour), luminance(ground));
                    let contrast = (a.max(b) + 0.05) / (a.min(b) + 0.05);
                    assert!(contrast >= 4.5, "{name}: {colour} on {ground} has {contrast:.2} to 1");
                }
            }
        }
    }

    #[test]
    fn a_file_of_its_own_has_no_variables() {
        assert!(!style().contains("var("), "{}", style());
        assert!((0..LOOKS).all(|look| style().contains(&format!(".s{look}"))));
    }
}
