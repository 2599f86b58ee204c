//! Who may know whom. The graph has an arrow for every `crate::`, `super::` and `child::` path in `src`, tests apart, from
//! the file that has the path to the file that defines what it names: a re-export passes a name on and is no arrow.
#![allow(clippy::unwrap_used, reason = "helpers of tests, which clippy does not take for tests")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use petgraph::algo::tarjan_scc;
use petgraph::graphmap::DiGraphMap;
use proc_macro2::{TokenStream, TokenTree};
use quote::ToTokens;
use syn::{Attribute, Item, ItemMod, UseTree, Visibility};

/// A module that has a file: what it hands on, what it names.
struct Module {
    /// Relative to `src`.
    file: String,
    children: BTreeSet<String>,
    /// Names it re-exports, and from where.
    exports: BTreeMap<String, Vec<String>>,
    /// Absolute paths it names, without `crate`.
    paths: BTreeSet<Vec<String>>,
}

/// All modules by their paths, `[]` being the crate's root.
struct Tree(BTreeMap<Vec<String>, Module>);

fn is_test(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg") && attribute.meta.to_token_stream().to_string().contains("test")
            || attribute.path().is_ident("test")
    })
}

fn src() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

impl Tree {
    fn read() -> Self {
        let mut tree = Self(BTreeMap::new());
        tree.add(&src().join("lib.rs"), Vec::new());
        tree
    }

    fn add(&mut self, file: &Path, path: Vec<String>) {
        let syntax = syn::parse_file(&fs::read_to_string(file).unwrap()).unwrap();
        let items: Vec<_> = syntax.items.into_iter().filter(|item| !is_test(attributes(item))).collect();
        let name = file.strip_prefix(src()).unwrap().to_str().unwrap().replace('\\', "/");
        let mut module =
            Module { file: name, children: BTreeSet::new(), exports: BTreeMap::new(), paths: BTreeSet::new() };
        for item in &items {
            if let Item::Mod(ItemMod { ident, content: None, .. }) = item {
                module.children.insert(ident.to_string());
            }
        }
        // One entry a module: a module with children is a folder, and its own code is in the folder too.
        assert!(module.children.is_empty() || path.is_empty() || file.ends_with("mod.rs"), "{}", file.display());
        for child in &module.children {
            let path = [&path[..], std::slice::from_ref(child)].concat();
            let alone = file.with_file_name(format!("{child}.rs"));
            self.add(&if alone.exists() { alone } else { file.with_file_name(child).join("mod.rs") }, path);
        }
        // Names imported whole, which further paths may begin with.
        let mut imported = BTreeMap::new();
        let mut rest = TokenStream::new();
        for item in &items {
            let Item::Use(item) = item else {
                item.to_tokens(&mut rest);
                continue;
            };
            for (alias, leaf) in leaves(&item.tree, &[]) {
                let Some(leaf) = absolute(&leaf, &path, &module.children, &imported) else { continue };
                if matches!(item.vis, Visibility::Inherited) {
                    module.paths.insert(leaf.clone());
                    imported.insert(alias, leaf);
                } else {
                    module.exports.insert(alias, leaf);
                }
            }
        }
        let mut named = Vec::new();
        paths_in(rest, &mut named);
        // A name that is handed on and used here as well.
        let used: BTreeSet<_> = named.iter().flatten().cloned().collect();
        module
            .paths
            .extend(module.exports.iter().filter(|(name, _)| used.contains(*name)).map(|(_, from)| from.clone()));
        named.retain(|path| path.len() > 1);
        module.paths.extend(named.iter().filter_map(|named| absolute(named, &path, &module.children, &imported)));
        self.0.insert(path, module);
    }

    /// The module that defines what `path` names; none for a path that ends at a module.
    fn home(&self, path: &[String]) -> Option<&Module> {
        let depth = (0..=path.len()).rev().find(|&depth| self.0.contains_key(&path[..depth]))?;
        let module = &self.0[&path[..depth]];
        let name = path.get(depth)?;
        match module.exports.get(name) {
            Some(from) => self.home(from).or(Some(module)),
            None => Some(module),
        }
    }

    /// The arrows between files, and the name that makes each.
    fn arrows(&self) -> BTreeMap<(&str, &str), String> {
        let mut arrows = BTreeMap::new();
        for module in self.0.values() {
            for path in &module.paths {
                if let Some(home) = self.home(path).filter(|home| home.file != module.file) {
                    arrows.insert((&*module.file, &*home.file), path.join("::"));
                }
            }
        }
        arrows
    }
}

fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

/// The names that a `use` brings, each with its path.
fn leaves(tree: &UseTree, before: &[String]) -> Vec<(String, Vec<String>)> {
    let with = |name: String| [before, &[name]].concat();
    match tree {
        UseTree::Path(path) => leaves(&path.tree, &with(path.ident.to_string())),
        UseTree::Name(name) if name.ident == "self" => vec![(before[before.len() - 1].clone(), before.to_vec())],
        UseTree::Name(name) => vec![(name.ident.to_string(), with(name.ident.to_string()))],
        UseTree::Rename(name) if name.ident == "self" => vec![(name.rename.to_string(), before.to_vec())],
        UseTree::Rename(name) => vec![(name.rename.to_string(), with(name.ident.to_string()))],
        UseTree::Glob(_) => vec![("*".into(), with("*".into()))],
        UseTree::Group(group) => group.items.iter().flat_map(|tree| leaves(tree, before)).collect(),
    }
}

/// `path` from the crate's root, if it leads into this crate.
fn absolute(
    path: &[String],
    here: &[String],
    children: &BTreeSet<String>,
    imported: &BTreeMap<String, Vec<String>>,
) -> Option<Vec<String>> {
    let (first, rest) = path.split_first()?;
    match first.as_str() {
        "crate" => Some(rest.to_vec()),
        "self" => Some([here, rest].concat()),
        "super" => {
            let above = path.iter().take_while(|name| *name == "super").count();
            Some([&here[..here.len().checked_sub(above)?], &path[above..]].concat())
        }
        _ if imported.contains_key(first) => Some([&imported[first], rest].concat()),
        _ if children.contains(first) => Some([here, path].concat()),
        _ => None,
    }
}

/// All paths in some code, macros' arguments among it.
fn paths_in(code: TokenStream, found: &mut Vec<Vec<String>>) {
    let mut path: Vec<String> = Vec::new();
    let mut colons = 0;
    for token in code {
        match token {
            TokenTree::Ident(name) => {
                if colons != 2 {
                    found.push(std::mem::take(&mut path));
                }
                path.push(name.to_string());
                colons = 0;
            }
            TokenTree::Punct(mark) if mark.as_char() == ':' => colons += 1,
            TokenTree::Group(group) => {
                found.push(std::mem::take(&mut path));
                colons = 0;
                paths_in(group.stream(), found);
            }
            _ => {
                found.push(std::mem::take(&mut path));
                colons = 0;
            }
        }
    }
    found.push(path);
}

/// The module of the crate's root that a file belongs to.
fn module_of(file: &str) -> &str {
    file.split('/').next().unwrap().trim_end_matches(".rs")
}

/// Demands that no arrows lead in a circle.
fn has_no_cycle(arrows: &BTreeMap<(&str, &str), String>) -> Result<(), String> {
    let graph: DiGraphMap<&str, ()> = arrows.keys().copied().collect();
    let mut wrong = Vec::new();
    for circle in tarjan_scc(&graph).iter().filter(|circle| circle.len() > 1) {
        wrong.push(format!("a cycle of {}:", circle.len()));
        let inside = arrows.iter().filter(|((from, to), _)| circle.contains(from) && circle.contains(to));
        wrong.extend(inside.map(|((from, to), name)| format!("  {from} -> {to}: {name}")));
    }
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n")) }
}

fn between_modules<'a>(arrows: &BTreeMap<(&'a str, &'a str), String>) -> BTreeMap<(&'a str, &'a str), String> {
    let modules = arrows.iter().map(|((from, to), name)| ((module_of(from), module_of(to)), format!("{from}: {name}")));
    modules.filter(|((from, to), _)| from != to).collect()
}

#[test]
fn no_files_and_no_modules_import_each_other_in_a_circle() {
    let tree = Tree::read();
    let arrows = tree.arrows();
    assert!(tree.0.len() > 100 && arrows.len() > 400, "{} files, {} arrows", tree.0.len(), arrows.len());
    let cycles = [has_no_cycle(&between_modules(&arrows)), has_no_cycle(&arrows)];
    let cycles: Vec<_> = cycles.into_iter().filter_map(Result::err).collect();
    assert!(cycles.is_empty(), "{}", cycles.join("\n"));
}

#[test]
fn a_cycle_is_found_and_named() {
    let arrow = |from, to| ((from, to), "name".to_owned());
    let line: BTreeMap<_, _> = [arrow("a", "b"), arrow("b", "c"), arrow("a", "c")].into();
    assert_eq!(has_no_cycle(&line), Ok(()));
    let ring: BTreeMap<_, _> = line.into_iter().chain([arrow("c", "a")]).collect();
    let error = has_no_cycle(&ring).unwrap_err();
    assert!(error.contains("a cycle of 3") && error.contains("c -> a: name"), "{error}");
}

/// The crate's page lists the modules in their order.
#[test]
fn each_module_imports_only_what_the_map_lists_before_it() {
    let page = fs::read_to_string(src().join("lib.rs")).unwrap();
    let rows = page.lines().filter_map(|line| line.strip_prefix("//! | [`")?.split('`').next());
    let order: Vec<_> = rows.collect();
    let tree = Tree::read();
    let modules = &tree.0[&Vec::new()].children;
    assert_eq!(&order.iter().map(|&name| name.to_owned()).collect::<BTreeSet<_>>(), modules);
    let place = |module: &str| order.iter().position(|name| *name == module).unwrap();
    let arrows = tree.arrows();
    let wrong: Vec<_> =
        between_modules(&arrows).into_iter().filter(|((from, to), _)| place(from) <= place(to)).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn only_the_referee_and_the_device_know_both_engines() {
    let tree = Tree::read();
    let mut known: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let arrows = tree.arrows();
    for (from, to) in arrows.keys() {
        known.entry(from).or_default().insert(module_of(to));
        assert!(!matches!((module_of(from), module_of(to)), ("cpu", "gpu") | ("gpu", "cpu")), "{from} names {to}");
    }
    let both = |file: &&str| known[file].contains("cpu") && known[file].contains("gpu");
    let knowing: Vec<_> = known.keys().copied().filter(both).collect();
    for file in &knowing {
        assert!(matches!(module_of(file), "verify" | "device"), "{file} names both engines");
    }
    // The rule is seen to find those that there are.
    assert!(["verify", "device"].iter().all(|module| knowing.iter().any(|file| module_of(file) == *module)));
}

#[test]
fn a_report_is_drawn_from_records_alone() {
    let tree = Tree::read();
    for (from, to) in tree.arrows().keys() {
        let drawn = module_of(from) == "report";
        let forbidden = ["cpu", "gpu", "engine", "verify", "profile", "commands", "terminal"];
        assert!(!(drawn && forbidden.contains(&module_of(to))), "{from} names {to}");
    }
}

#[test]
fn only_the_ranks_know_of_mpi() {
    let tree = Tree::read();
    let mentions = |module: &&Module| {
        let text = fs::read_to_string(src().join(&module.file)).unwrap();
        text.contains("feature = \"mpi\"") || text.contains("mpi::")
    };
    let knowing: BTreeSet<_> = tree.0.values().filter(mentions).map(|module| module.file.as_str()).collect();
    assert_eq!(knowing, ["ranks/mod.rs", "ranks/mpi.rs"].into());
}
