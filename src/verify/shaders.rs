//! Shaders to try without building anew: a folder's files in the place of the built-in ones.

use std::fs;
use std::path::Path;

use wgpu::naga;

use crate::error::{Error, Result};
use crate::kernels::{Kernel, Shaders};

/// The built-in shaders, but for every `NAME.wgsl` of `folder`, which takes the place of the kernel `NAME`; and those
/// kernels.
///
/// # Errors
///
/// [`Error::Usage`] for a folder without shaders, a name that no kernel has, and a file that is not valid WGSL.
pub fn read(folder: &Path) -> Result<(Shaders, Vec<Kernel>)> {
    let usage = |what: String| Error::Usage(format!("--shaders {}: {what}", folder.display()));
    let names = || Kernel::ALL.map(|kernel| format!("{}.wgsl", kernel.name())).join(", ");
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(|error| usage(error.to_string()))? {
        let path = entry.map_err(|error| usage(error.to_string()))?.path();
        if path.extension().is_some_and(|extension| extension == "wgsl") {
            files.push(path);
        }
    }
    files.sort();
    if files.is_empty() {
        return Err(usage(format!("there is no shader: expected some of {}", names())));
    }
    let (mut shaders, mut replaced) = (Shaders::default(), Vec::new());
    for path in files {
        let stem = path.file_stem().unwrap_or_default();
        let Some(kernel) = Kernel::ALL.into_iter().find(|kernel| stem == kernel.name()) else {
            return Err(usage(format!("no kernel is called {}: expected some of {}", stem.display(), names())));
        };
        let source = fs::read_to_string(&path).map_err(|error| usage(format!("{}: {error}", path.display())))?;
        check(&source, &path)?;
        shaders = shaders.replacing(kernel, source);
        replaced.push(kernel);
    }
    Ok((shaders, replaced))
}

/// What naga says against a source, with the file and the line.
fn check(source: &str, path: &Path) -> Result<()> {
    let file = path.display().to_string();
    let refused = |message: String| Error::Usage(message.trim_end().trim_start_matches("error: ").to_owned());
    let module =
        naga::front::wgsl::parse_str(source).map_err(|error| refused(error.emit_to_string_with_path(source, &file)))?;
    naga::valid::Validator::new(naga::valid::ValidationFlags::all(), naga::valid::Capabilities::IMMEDIATES)
        .validate(&module)
        .map_err(|error| refused(error.emit_to_string_with_path(source, &file)))?;
    if module.entry_points.iter().any(|entry| entry.name == "main" && entry.stage == naga::ShaderStage::Compute) {
        return Ok(());
    }
    Err(Error::Usage(format!("{file}: no compute entry point `main`")))
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
        let source = format!("// mine\n{}", Kernel::Tally.source());
        fs::write(folder.path().join("tally.wgsl"), &source).unwrap();
        fs::write(folder.path().join("notes.txt"), "not a shader").unwrap();
        let (shaders, replaced) = read(folder.path()).unwrap();
        assert_eq!(replaced, [Kernel::Tally]);
        assert_eq!(shaders.source(Kernel::Tally), source);
        assert_eq!(shaders.source(Kernel::Head), Kernel::Head.source());
    }

    #[test]
    fn what_is_no_kernel_or_no_wgsl_is_refused_and_named() {
        assert!(refused("foward.wgsl", "").contains("forward.wgsl"), "the right names");
        let message = refused("forward.wgsl", "fn main( {");
        assert!(message.contains("forward.wgsl:1:"), "{message}");
        let message = refused("forward.wgsl", "@compute @workgroup_size(1) fn main() { let a: u32 = 1.5; }");
        assert!(message.contains("forward.wgsl:1:"), "{message}");
        let message = refused("forward.wgsl", "fn other() {}");
        assert!(message.contains("entry point `main`"), "{message}");
        let empty = tempfile::tempdir().unwrap();
        assert!(read(empty.path()).is_err(), "an empty folder");
        assert!(read(&empty.path().join("missing")).is_err());
    }
}
