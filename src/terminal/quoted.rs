//! Paths in commands to copy.

use std::fmt::Write as _;
use std::path::Path;

/// A path quoted for a shell; control characters as in POSIX.1-2024, section 2.2.4: `$'two\012lines'`.
pub fn quoted(path: &Path) -> String {
    let mut text = path.display().to_string();
    if text.starts_with('-') {
        text.insert_str(0, "./");
    }
    if text.contains(char::is_control) {
        let mut typed = String::from("$'");
        for c in text.chars() {
            match c {
                '\'' | '\\' => typed.extend(['\\', c]),
                c if c.is_control() => {
                    for byte in c.encode_utf8(&mut [0; 4]).bytes() {
                        let _ = write!(typed, "\\{byte:03o}");
                    }
                }
                c => typed.push(c),
            }
        }
        return typed + "'";
    }
    let plain = |c: char| c.is_alphanumeric() || "/._-+=:,@%".contains(c);
    if !text.is_empty() && text.chars().all(plain) { text } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_quoted_as_a_shell_reads_it() {
        for (path, typed) in [
            ("runs/a-1", "runs/a-1"),
            ("-dash", "./-dash"),
            ("a folder", "'a folder'"),
            ("it's", r"'it'\''s'"),
            ("it's\n\u{1b}[2J\u{9b}1", r"$'it\'s\012\033[2J\302\2331'"),
        ] {
            assert_eq!(quoted(Path::new(path)), typed);
        }
    }
}
