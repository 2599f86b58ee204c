//! Shaders to try without building anew: a folder's files in the place of the built-in ones.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{fs, io};

use wgpu::naga;

use crate::error::{Error, Result, shown};
use crate::gpu::kernels::{Ceiling, File, Kernel, Shaders, source};

/// The built-in shaders, but for every file of `folder` that is called like one of [`Kernel::files`], `update.wgsl` or
/// `update/small_values.wgsl`, and differs from it: it takes its place; and the kernels that have one of those.
///
/// # Errors
///
/// [`Error::Usage`] for a folder without shaders, a name that no file of a kernel has, and kernels that are not valid WGSL.
pub fn read(folder: &Path) -> Result<(Shaders, Vec<Kernel>)> {
    let usage = |what: String| Error::Usage(format!("--shaders {}: {what}", shown(folder)));
    let of_kernels = Kernel::ALL.into_iter().flat_map(Kernel::files).copied();
    let of_ceilings = Ceiling::ALL.map(Ceiling::file);
    let known: BTreeMap<_, _> = of_kernels.chain(of_ceilings).collect();
    let names = || known.keys().map(|path| format!("{path}.wgsl")).collect::<Vec<_>>().join(", ");
    let mut found = Vec::new();
    find(folder, &mut found).map_err(|error| usage(error.to_string()))?;
    found.sort();
    if found.is_empty() {
        return Err(usage(format!("there is no shader: expected some of {}", names())));
    }
    let mut shaders = Shaders::default();
    for file in found {
        let name = file.strip_prefix(folder).unwrap_or(&file).with_extension("");
        let Some((path, built_in)) = known.iter().find(|(path, _)| name == Path::new(path)) else {
            return Err(usage(format!("no kernel has a file {}.wgsl: expected some of {}", shown(&name), names())));
        };
        let refused = |what: String| usage(format!("{}: {what}", shown(&file)));
        // A pipe would be waited for.
        if !file.is_file() {
            return Err(refused("expected a regular file".into()));
        }
        let text = fs::read_to_string(&file).map_err(|error| refused(error.to_string()))?;
        if text == *built_in {
            continue;
        }
        if Ceiling::ALL.iter().any(|ceiling| ceiling.file().0 == *path) {
            return Err(refused("it differs from the built-in one, and no check runs it".into()));
        }
        shaders = shaders.replacing(path, text);
    }
    let replaced: Vec<_> = Kernel::ALL.into_iter().filter(|kernel| !shaders.are_built_in(*kernel)).collect();
    for kernel in &replaced {
        check(&shaders, *kernel, folder)?;
    }
    Ok((shaders, replaced))
}

/// Every `.wgsl` file of `folder`, and of the folders in it that are called like a kernel.
fn find(folder: &Path, found: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "wgsl") {
            found.push(path);
        } else if path.is_dir() && Kernel::ALL.iter().any(|kernel| path.ends_with(kernel.name())) {
            find(&path, found)?;
        }
    }
    Ok(())
}

/// What naga says against a kernel, with the file and the line.
fn check(shaders: &Shaders, kernel: Kernel, folder: &Path) -> Result<()> {
    let mut files = shaders.files(kernel);
    let mut result = Ok(());
    // naga counts lines from the start of the text, so each file comes first once, until the error is found in the first one
    // or where it ends.
    for next in 0..files.len() {
        files[..=next].rotate_right(1);
        let (path, text) = files[0];
        let built_in = kernel.files().contains(&files[0]);
        let file = if built_in { format!("built-in {path}.wgsl") } else { shown(&folder.join(path)) + ".wgsl" };
        let Err((at, message)) = parse(&files, &file) else { continue };
        result = Err(Error::Usage(message));
        if at <= text.len() + 1 {
            break;
        }
    }
    result
}

/// The offset of an error in the text of `files`, and a message that takes all of it for `file`.
fn parse(files: &[File<'_>], file: &str) -> std::result::Result<(), (usize, String)> {
    let source = source(files);
    let refused = |location: Option<naga::SourceLocation>, message: String| {
        let message = message.trim_end().trim_start_matches("error: ").to_owned();
        (location.map_or(0, |location| location.offset as usize), message)
    };
    let module = naga::front::wgsl::parse_str(&source)
        .map_err(|error| refused(error.location(&source), error.emit_to_string_with_path(&source, file)))?;
    naga::valid::Validator::new(naga::valid::ValidationFlags::all(), naga::valid::Capabilities::IMMEDIATES)
        .validate(&module)
        .map_err(|error| refused(error.location(&source), error.emit_to_string_with_path(&source, file)))?;
    if module.entry_points.iter().any(|entry| entry.name == "main" && entry.stage == naga::ShaderStage::Compute) {
        return Ok(());
    }
    Err((0, format!("{file}: no compute entry point `main`")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(name: &str, source: &str) -> String {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(name), source).unwrap();
        let Err(error) = read(folder.path()) else { panic!("{name} was taken") };
        assert_eq!(error.exit_code(), 2);
        error.to_string()
    }

    #[test]
    fn a_file_takes_the_place_of_its_kernel_and_of_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let text = format!("// mine\n{}", Kernel::Tally.files()[0].1);
        fs::write(folder.path().join("tally.wgsl"), &text).unwrap();
        fs::write(folder.path().join("notes.txt"), "not a shader").unwrap();
        let (shaders, replaced) = read(folder.path()).unwrap();
        assert_eq!(replaced, [Kernel::Tally]);
        assert_eq!(shaders.files(Kernel::Tally)[0], ("tally", text.as_str()));
        assert!(shaders.are_built_in(Kernel::Head));
    }

    #[test]
    fn a_copy_of_all_shaders_replaces_what_was_edited_in_it() {
        let (built_in, copy) = (concat!(env!("CARGO_MANIFEST_DIR"), "/shaders"), tempfile::tempdir().unwrap());
        for kernel in Kernel::ALL {
            for (path, text) in kernel.files() {
                let path = copy.path().join(path).with_extension("wgsl");
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, text).unwrap();
            }
        }
        assert!(read(Path::new(built_in)).unwrap().1.is_empty(), "nothing is other than it was");
        assert!(read(copy.path()).unwrap().1.is_empty());
        let path = copy.path().join("update/next_product.wgsl");
        fs::write(&path, fs::read_to_string(&path).unwrap() + "// mine").unwrap();
        assert_eq!(read(copy.path()).unwrap().1, [Kernel::HiddenUpdate, Kernel::Update]);
        // Not waited for.
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        assert!(read(copy.path()).unwrap_err().to_string().contains("expected a regular file"));
    }

    #[test]
    fn what_is_no_kernel_or_no_wgsl_is_refused_and_named() {
        assert!(refused("foward.wgsl", "").contains("forward.wgsl"), "the right names");
        let message = refused("forward.wgsl", "fn main( {");
        assert!(message.contains("forward.wgsl:1:"), "{message}");
        let message = refused("forward.wgsl", "@compute @workgroup_size(1) fn main() { let a: u32 = 1.5; }");
        assert!(message.contains("forward.wgsl:1:"), "{message}");
        let message = refused("gather.wgsl", "fn other() {}");
        assert!(message.contains("entry point `main`"), "{message}");
        // A file of two kernels: the line is that of the file, not of the kernel's whole text.
        let message = refused("inputs.wgsl", "// mine\nfn word( {");
        assert!(message.contains("inputs.wgsl:2:"), "{message}");
        assert!(refused("ceiling_fma.wgsl", "// mine").contains("no check runs it"));
        let empty = tempfile::tempdir().unwrap();
        assert!(read(empty.path()).is_err(), "an empty folder");
        assert!(read(&empty.path().join("missing")).is_err());
    }
}
