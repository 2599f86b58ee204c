//! `docs/faults.md` agrees with the tests: every test exists and looks for the quoted words.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

use std::fs;
use std::path::Path;

/// Number of faults in the table.
const FAULTS: usize = 80;

/// The texts between backticks.
fn quoted(cell: &str) -> Vec<&str> {
    cell.split('`').skip(1).step_by(2).collect()
}

/// Whether `source` has a function `name` with the attribute `#[test]`, perhaps among others.
fn has_test(source: &str, name: &str) -> bool {
    let mut lines = source.lines().rev().skip_while(|line| !line.trim_start().starts_with(&format!("fn {name}(")));
    let is_there = lines.next().is_some();
    is_there && lines.take_while(|line| line.trim_start().starts_with("#[")).any(|line| line.trim() == "#[test]")
}

#[test]
fn the_table_of_faults_is_whole_and_true_of_the_tests() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let table = fs::read_to_string(root.join("docs/faults.md")).unwrap();
    let help = fs::read_to_string(root.join("src/commands/flags/mod.rs")).unwrap();
    let rows: Vec<Vec<_>> = table
        .lines()
        .filter(|line| line.starts_with("| ") && !line.starts_with("| #"))
        .map(|line| line.trim_matches('|').split(" | ").map(str::trim).collect())
        .collect();
    assert_eq!(rows.len(), FAULTS);
    let mut wrong = Vec::new();
    for (number, row) in (1..).zip(&rows) {
        let [place, _fault, tests, codes, message] = row[..] else { panic!("{row:?}") };
        assert_eq!(place, number.to_string());
        let tests = quoted(tests);
        let mut sources = String::new();
        for pair in tests.chunks(2) {
            let source = fs::read_to_string(root.join(pair[0])).unwrap_or_default();
            if !has_test(&source, pair[1]) {
                wrong.push(format!("row {number}: {} has no test {}", pair[0], pair[1]));
            }
            sources.push_str(&source);
        }
        if tests.is_empty() {
            wrong.push(format!("row {number}: no test"));
        }
        for part in quoted(message).into_iter().flat_map(|message| message.split('…')).map(str::trim) {
            if !sources.contains(part) {
                wrong.push(format!("row {number}: none of its tests asks for {part:?}"));
            }
        }
        for code in codes.split(", ") {
            if !help.lines().any(|line| line.split_whitespace().next() == Some(code)) {
                wrong.push(format!("row {number}: exit code {code} is not in --help"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_name_without_the_attribute_is_no_test() {
    let source = "fn helper() {}\n\n#[cfg(unix)]\n#[test]\nfn one() {}\n\n    #[test]\n    fn two() {}\n";
    assert!(has_test(source, "one") && has_test(source, "two"));
    assert!(!has_test(source, "helper") && !has_test(source, "on") && !has_test(source, "three"));
}
