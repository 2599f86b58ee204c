//! A shader's listing of what it reads and writes, beside its bindings and beside the signatures of its twin.
//!
//! The listing is in the shader's header: `Reads: x (pixels, standardisation), w1. Writes: z (partials).` A name is a tensor of
//! the formulas, and in brackets are the bindings that hold it, if they are called otherwise.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use cyclone::gpu::kernels::{Kernel, Shaders};
use syn::{FnArg, Item, Pat, ReturnType, Signature, Type, Visibility};
use wgpu::naga::{self, AddressSpace, StorageAccess};

type Names = BTreeSet<String>;

/// What is read, and what is written and perhaps read too.
#[derive(Debug, Default, PartialEq)]
struct Uses {
    reads: Names,
    writes: Names,
}

/// The items of a header's `Reads:` or `Writes:`, each with its bindings.
fn listed(header: &str, what: &str) -> BTreeMap<String, Names> {
    let (_, after) = header.split_once(&format!("{what}: ")).unwrap_or_else(|| panic!("no {what}: in {header}"));
    let (list, _) = after.split_once('.').unwrap();
    let mut tensors = BTreeMap::new();
    let mut rest = list;
    while !rest.is_empty() {
        let end = rest.find([',', '(']).unwrap_or(rest.len());
        let name = rest[..end].trim().to_owned();
        let mut bindings = Names::from([name.clone()]);
        rest = &rest[end..];
        if let Some(inside) = rest.strip_prefix('(') {
            let (inside, after) = inside.split_once(')').unwrap();
            bindings = inside.split(", ").map(str::to_owned).collect();
            rest = after;
        }
        rest = rest.trim_start_matches(", ");
        tensors.insert(name, bindings);
    }
    tensors
}

/// The listings of a shader: tensors, and the bindings that hold them.
fn listing(shader: &str) -> (Uses, Uses) {
    let comments = shader.lines().map_while(|line| line.strip_prefix("//"));
    let header = comments.map(str::trim).collect::<Vec<_>>().join(" ");
    let [reads, writes] = ["Reads", "Writes"].map(|what| listed(&header, what));
    let bindings = |tensors: &BTreeMap<_, Names>| tensors.values().flatten().cloned().collect();
    let held = Uses { reads: bindings(&reads), writes: bindings(&writes) };
    (Uses { reads: reads.into_keys().collect(), writes: writes.into_keys().collect() }, held)
}

/// A shader's storage buffers, and the names of all its other variables.
fn declared(source: &str) -> (Uses, Names) {
    let module = naga::front::wgsl::parse_str(source).unwrap();
    let (mut uses, mut others) = (Uses::default(), Names::new());
    for (_, global) in module.global_variables.iter() {
        let name = global.name.clone().unwrap();
        match global.space {
            AddressSpace::Storage { access } if access.contains(StorageAccess::STORE) => uses.writes.insert(name),
            AddressSpace::Storage { .. } => uses.reads.insert(name),
            _ => others.insert(name),
        };
    }
    let functions = module.functions.iter().map(|(_, function)| function);
    for function in functions.chain(module.entry_points.iter().map(|entry| &entry.function)) {
        others.extend(function.local_variables.iter().filter_map(|(_, variable)| variable.name.clone()));
        others.extend(function.named_expressions.values().cloned());
    }
    (uses, others)
}

/// What functions read and write: parameters by their names, what is returned by the function's. Sizes, places and settings, which
/// a shader knows by its constants, do not count; nor as read what another of the functions has written.
fn signatures(functions: &[Signature]) -> Uses {
    let mut uses = Uses::default();
    for function in functions {
        for input in &function.inputs {
            let FnArg::Typed(input) = input else { panic!("{} is a method", function.ident) };
            let Pat::Ident(name) = &*input.pat else { panic!("a parameter of {} has no name", function.ident) };
            let name = name.ident.to_string();
            let is_number = |path: &syn::TypePath| ["usize", "f32"].iter().any(|number| path.path.is_ident(number));
            match &*input.ty {
                Type::Reference(reference) if reference.mutability.is_some() => uses.writes.insert(name),
                Type::Path(path) if is_number(path) => false,
                _ => uses.reads.insert(name),
            };
        }
        if !matches!(function.output, ReturnType::Default) {
            uses.writes.insert(function.ident.to_string());
        }
    }
    uses.reads = uses.reads.difference(&uses.writes).cloned().collect();
    uses
}

/// The files of a kernel's twin: `src/cpu/NAME.rs`, or all of the folder.
fn twin(name: &str) -> Vec<PathBuf> {
    let cpu = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/cpu");
    match fs::read_dir(cpu.join(name)) {
        Ok(folder) => folder.map(|entry| entry.unwrap().path()).collect(),
        Err(_) => vec![cpu.join(name).with_extension("rs")],
    }
}

/// The functions that the engine calls. One that is `pub` serves others too and is no part of the kernel.
fn functions(file: &Path) -> Vec<Signature> {
    let text = fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let items = syn::parse_file(&text).unwrap().items;
    let called = items.into_iter().filter_map(|item| match item {
        Item::Fn(function) if matches!(function.vis, Visibility::Restricted(_)) => Some(function.sig),
        _ => None,
    });
    called.collect()
}

#[test]
fn a_shaders_listing_is_that_of_its_bindings() {
    for kernel in Kernel::ALL {
        // Of other parts than the shader's own are other bindings.
        if kernel.name() != kernel.files()[0].0 {
            continue;
        }
        let (_, held) = listing(kernel.files()[0].1);
        let (bindings, _) = declared(&Shaders::default().source(kernel));
        assert_eq!(held, bindings, "{}", kernel.name());
    }
}

#[test]
fn a_shaders_listing_is_that_of_its_twins_signatures() {
    // What `gather` does on the GPU, `Dataset::gather` does on the host.
    for kernel in
        Kernel::ALL.into_iter().filter(|kernel| *kernel != Kernel::Gather && kernel.name() == kernel.files()[0].0)
    {
        let name = kernel.name();
        let (tensors, _) = listing(kernel.files()[0].1);
        let (_, variables) = declared(&Shaders::default().source(kernel));
        let functions: Vec<_> = twin(name).iter().flat_map(|file| functions(file)).collect();
        assert!(!functions.is_empty(), "{name} has no twin");
        let mut found = signatures(&functions);
        // What a shader keeps in variables, its twin may need a slice for.
        found.writes.retain(|name| tensors.writes.contains(name) || !variables.contains(name));
        assert_eq!(found, tensors, "{name}");
    }
}

#[test]
fn a_part_of_a_shader_and_what_shaders_share_have_twins_of_their_own() {
    let cpu = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/cpu");
    // `step` and `rates` are arguments on the CPU; the next product is `forward`'s, whose other operands are `Rows` on the CPU.
    let elsewhere =
        ["step", "rates", "gather", "update/next_product", "activations", "weights", "transposed", "head/sums"];
    let files: Names =
        Kernel::ALL.iter().flat_map(|kernel| kernel.files()).map(|(path, _)| (*path).to_owned()).collect();
    assert!(elsewhere.iter().all(|path| files.contains(*path)));
    for path in files.iter().filter(|path| !elsewhere.contains(&path.as_str())) {
        let file = cpu.join(path).with_extension("rs");
        let file = if file.is_file() { file } else { cpu.join(path).join("mod.rs") };
        let text = fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let header: String = text.lines().take_while(|line| line.starts_with("//!")).collect();
        assert!(header.contains(&format!("`shaders/{path}.wgsl`")), "{} does not name its shader", file.display());
    }
}

#[test]
fn a_listing_is_read_with_its_bindings_and_a_parameter_of_another_name_is_seen() {
    let (tensors, held) = listing("// Reads: x (pixels, standardisation), w1. Writes:\n// z (partials).\n\nvar x;");
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Names>();
    assert_eq!(tensors, Uses { reads: names(&["x", "w1"]), writes: names(&["z"]) });
    assert_eq!(held, Uses { reads: names(&["pixels", "standardisation", "w1"]), writes: names(&["partials"]) });
    let right: Signature = syn::parse_str("fn forward(x: &[f32], w1: &[f32], first: usize, z: &mut [f32])").unwrap();
    assert_eq!(signatures(&[right]), tensors);
    for wrong in
        ["fn forward(x: &[f32], w2: &[f32], z: &mut [f32])", "fn forward(x: &[f32], w1: &mut [f32], z: &mut [f32])"]
    {
        assert_ne!(signatures(&[syn::parse_str(wrong).unwrap()]), tensors, "{wrong}");
    }
}
