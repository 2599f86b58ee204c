//! Who may know whom: the paths `crate::…` of every source, against the rules of the crate's page.
#![allow(clippy::unwrap_used, reason = "helpers of tests, which clippy does not take for tests")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// The modules that each file of `src` names by `crate::`, comments left out.
fn named() -> BTreeMap<String, BTreeSet<String>> {
    fn walk(folder: &Path, root: &Path, found: &mut BTreeMap<String, BTreeSet<String>>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, root, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
                let names = code.flat_map(|line| line.split("crate::").skip(1)).map(|rest| {
                    rest.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default().to_owned()
                });
                let file = path.strip_prefix(root).unwrap().to_str().unwrap().replace('\\', "/");
                found.insert(file, names.collect());
            }
        }
    }
    let mut found = BTreeMap::new();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    walk(&root, &root, &mut found);
    found
}

/// Whether `file` is the module `module` or a part of it.
fn is_of(file: &str, module: &str) -> bool {
    file.strip_prefix(module).is_some_and(|rest| rest == ".rs" || rest.starts_with('/'))
}

fn files_of<'a>(
    named: &'a BTreeMap<String, BTreeSet<String>>,
    module: &'a str,
) -> impl Iterator<Item = (&'a String, &'a BTreeSet<String>)> {
    let mut files = named.iter().filter(move |(file, _)| is_of(file, module)).peekable();
    assert!(files.peek().is_some(), "there is no module {module}");
    files
}

#[test]
fn the_two_engines_do_not_know_each_other() {
    let named = named();
    for (module, stranger) in [("cpu", "gpu"), ("cpu", "kernels"), ("gpu", "cpu")] {
        for (file, names) in files_of(&named, module) {
            assert!(!names.contains(stranger), "{file} names crate::{stranger}");
        }
    }
}

#[test]
fn only_the_referee_and_the_device_know_both_engines() {
    let named = named();
    let both = |names: &BTreeSet<String>| ["cpu", "gpu"].iter().all(|engine| names.contains(*engine));
    let knowing: Vec<_> = named.iter().filter(|(_, names)| both(names)).map(|(file, _)| file.as_str()).collect();
    for file in &knowing {
        assert!(is_of(file, "verify") || *file == "device.rs", "{file} names both engines");
    }
    // The rule is seen to find those that there are.
    assert!(knowing.contains(&"device.rs") && knowing.iter().any(|file| is_of(file, "verify")), "{knowing:?}");
}

#[test]
fn a_report_is_drawn_from_records_alone() {
    let named = named();
    for module in ["report", "chart"] {
        for (file, names) in files_of(&named, module) {
            for other in ["cpu", "gpu", "engine", "kernels", "verify", "profile", "commands", "cli", "display"] {
                assert!(!names.contains(other), "{file} names crate::{other}");
            }
        }
    }
}

#[test]
fn what_is_below_the_engines_knows_neither_them_nor_the_program() {
    let named = named();
    let above = ["cpu", "gpu", "train", "verify", "commands", "cli", "display"];
    for module in ["engine", "error", "spec", "params", "schedule", "random", "data", "kernels"] {
        for (file, names) in files_of(&named, module) {
            assert!(!above.iter().any(|other| names.contains(*other)), "{file} names one of {above:?}: {names:?}");
        }
    }
    for module in ["cpu", "gpu", "train"] {
        for (file, names) in files_of(&named, module) {
            for other in ["verify", "commands", "cli", "display"] {
                assert!(!names.contains(other), "{file} names crate::{other}");
            }
        }
    }
}

#[test]
fn only_the_ranks_know_of_mpi() {
    let named = named();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let knowing: Vec<_> = named
        .keys()
        .filter(|file| {
            let text = fs::read_to_string(root.join(file)).unwrap();
            text.contains("feature = \"mpi\"") || text.contains("mpi::")
        })
        .collect();
    assert_eq!(knowing, ["ranks.rs", "ranks/mpi.rs"]);
    for (file, names) in files_of(&named, "ranks") {
        for other in ["cpu", "gpu", "search", "commands", "cli", "display"] {
            assert!(!names.contains(other), "{file} names crate::{other}");
        }
    }
}
