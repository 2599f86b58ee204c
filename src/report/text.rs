//! Numbers, times and names as people read them.

use crate::device::Record;
use crate::train::Score;
use crate::util::statistics::Spread;

/// Letters, digits and single hyphens, 60 at most: of a longer text its beginning and its end.
pub(super) fn slug(text: &str) -> String {
    let plain: String =
        text.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' }).collect();
    let parts: Vec<_> = plain.split('-').filter(|part| !part.is_empty()).collect();
    let slug = parts.join("-");
    match slug.len() {
        0 => "chart".into(),
        1..=60 => slug,
        length => format!("{}-{}", slug[..39].trim_end_matches('-'), slug[length - 20..].trim_start_matches('-')),
    }
}

/// A share as people read it; the number and its sign stay together.
pub(super) fn percent(share: f64) -> String {
    format!("{:.2}\u{a0}%", share * 100.0)
}

/// The same where tenths are enough.
pub(super) fn tenths(share: f64) -> String {
    format!("{:.1}\u{a0}%", share * 100.0)
}

pub(super) fn accuracy(score: Option<Score>) -> String {
    score.map_or_else(|| "–".to_owned(), |score| percent(score.accuracy))
}

/// A mean of shares with its standard deviation.
pub(super) fn mean(spread: &Spread) -> String {
    format!("{:.2}\u{a0}±\u{a0}{:.2}\u{a0}%", spread.mean * 100.0, spread.deviation * 100.0)
}

pub(super) fn moment(recorded: &str) -> String {
    let time = recorded.parse::<jiff::Zoned>();
    time.map_or_else(|_| recorded.to_owned(), |time| time.strftime("%Y-%m-%d %H:%M:%S %:z").to_string())
}

pub(super) fn duration(seconds: f64) -> String {
    match seconds {
        s if s < 1e-3 => format!("{} µs", number(s * 1e6, 3)),
        s if s < 1.0 => format!("{} ms", number(s * 1e3, 3)),
        s if s < 100.0 => format!("{} s", number(s, 3)),
        s if s < 5400.0 => format!("{:.0} min", s / 60.0),
        s => format!("{:.1} h", s / 3600.0),
    }
}

pub(super) fn device(record: &Record) -> String {
    match record {
        Record::Cpu { threads } => format!("CPU, {threads} threads"),
        Record::Gpu { adapter, .. } => adapter.clone(),
    }
}

/// A number of so many digits that count, as people of the field write it: 0.00895, 1e-5, 12.5, 2500.
pub(super) fn number(value: f64, digits: usize) -> String {
    if value == 0.0 || !value.is_finite() {
        return if value == 0.0 { "0".into() } else { value.to_string() };
    }
    let power = value.abs().log10().floor();
    if !(-4.0..6.0).contains(&power) {
        return scientific(value, digits);
    }
    trimmed(&format!("{value:.*}", (digits as f64 - 1.0 - power).max(0.0) as usize)).to_owned()
}

/// The same with its power of ten: 2.5e6; 0 has none.
pub(super) fn scientific(value: f64, digits: usize) -> String {
    if value == 0.0 {
        return "0".into();
    }
    let text = format!("{value:.*e}", digits.saturating_sub(1));
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    format!("{}e{exponent}", trimmed(mantissa))
}

/// Without zeros at the end of a fraction.
fn trimmed(text: &str) -> &str {
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_files_name_keeps_both_ends() {
        assert_eq!(slug("Run <1> — Cost"), "run-1-cost");
        assert_eq!(slug("—"), "chart");
        let long = slug(&format!("{}-accuracy-validation", "run ".repeat(30)));
        assert!(long.len() <= 60 && long.starts_with("run-run") && long.ends_with("-accuracy-validation"), "{long}");
    }

    #[test]
    fn times_have_three_digits_and_the_nearest_unit() {
        let texts = [2.5e-7, 0.012_34, 12.34, 1234.0, 9000.0].map(duration);
        assert_eq!(texts, ["0.25 µs", "12.3 ms", "12.3 s", "21 min", "2.5 h"]);
    }

    #[test]
    fn numbers_are_written_short() {
        let written = [0.00895, 1e-5, 2.324_357e-5, 12.5, 2500.0, -0.5, 0.0, 1e9, 0.1].map(|value| number(value, 3));
        assert_eq!(written, ["0.00895", "1e-5", "2.32e-5", "12.5", "2500", "-0.5", "0", "1e9", "0.1"]);
    }
}
