//! The registry of WGSL kernels: name, source, bindings. Nothing here needs a GPU.

use std::borrow::Cow;

/// A compute shader of `shaders/`, its entry point named `main`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kernel {
    /// First layer's product, in slices of the inputs.
    Forward,
    /// Bias, ReLU, output layer, softmax, loss; gradients of logits and hidden units.
    Head,
    /// A step of SGD on every tensor, the step's loss, and perhaps the first layer's product of the next step.
    Update,
    /// A chunk's images from those that stay on the GPU.
    Gather,
    /// Sums of losses and right answers.
    Tally,
    /// Sums of squares of weights.
    Squares,
}

/// How a kernel uses a storage buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// `var<storage, read>`: two dispatches that only read a buffer may run at once.
    Read,
    /// `var<storage, read_write>`.
    Write,
}

/// What all kernels of a step are told: their `var<immediate>`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, bytemuck::Pod, bytemuck::Zeroable)]
pub struct Step {
    /// First row of the step in the chunk.
    pub row: u32,
    /// `B` of this step.
    pub rows: u32,
    /// The step's place in the table of learning rates.
    pub rate: u32,
    /// The step's place in the table of losses.
    pub loss: u32,
    /// First row of the next step.
    pub next_row: u32,
    /// `B` of the next step.
    pub next_rows: u32,
}

impl Kernel {
    /// Every kernel, in the order in which a step runs them.
    pub const ALL: [Self; 6] = [Self::Gather, Self::Forward, Self::Head, Self::Update, Self::Tally, Self::Squares];

    /// Base name of the shader's file, and of its twin's in `src/cpu/`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Forward => "forward",
            Self::Head => "head",
            Self::Update => "update",
            Self::Gather => "gather",
            Self::Tally => "tally",
            Self::Squares => "squares",
        }
    }

    /// The WGSL text.
    pub fn source(self) -> &'static str {
        match self {
            Self::Forward => include_str!("../shaders/forward.wgsl"),
            Self::Head => include_str!("../shaders/head.wgsl"),
            Self::Update => include_str!("../shaders/update.wgsl"),
            Self::Gather => include_str!("../shaders/gather.wgsl"),
            Self::Tally => include_str!("../shaders/tally.wgsl"),
            Self::Squares => include_str!("../shaders/squares.wgsl"),
        }
    }

    /// How it uses its storage buffers, in the order of their bindings in group 0.
    pub fn bindings(self) -> &'static [Access] {
        use Access::{Read, Write};
        match self {
            Self::Forward => &[Read, Read, Read, Write],
            Self::Head => &[Read, Read, Read, Write, Write, Write, Write],
            Self::Update => &[Read, Read, Read, Read, Read, Read, Write, Write, Write, Write],
            Self::Gather => &[Read, Read, Write],
            Self::Tally | Self::Squares => &[Read, Write],
        }
    }

    /// Bytes of its `var<immediate>`: a [`Step`] or nothing.
    pub fn immediates(self) -> u32 {
        if matches!(self, Self::Squares | Self::Gather) { 0 } else { size_of::<Step>() as u32 }
    }
}

/// A kernel that no training runs: it measures what a device can do at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ceiling {
    /// Bytes a second.
    Copy,
    /// Arithmetic a second.
    Fma,
    /// Time of an empty dispatch.
    Empty,
}

impl Ceiling {
    /// Every one.
    pub const ALL: [Self; 3] = [Self::Copy, Self::Fma, Self::Empty];

    /// Base name of the shader's file.
    pub fn name(self) -> &'static str {
        match self {
            Self::Copy => "ceiling_copy",
            Self::Fma => "ceiling_fma",
            Self::Empty => "ceiling_empty",
        }
    }

    /// The WGSL text.
    pub fn source(self) -> &'static str {
        match self {
            Self::Copy => include_str!("../shaders/ceiling_copy.wgsl"),
            Self::Fma => include_str!("../shaders/ceiling_fma.wgsl"),
            Self::Empty => include_str!("../shaders/ceiling_empty.wgsl"),
        }
    }
}

/// The sources that an engine compiles. The built-in ones, unless a check replaces some by wrong ones.
#[derive(Clone, Debug, Default)]
pub struct Shaders {
    replaced: Vec<(Kernel, Cow<'static, str>)>,
}

impl Shaders {
    /// The same, but for one kernel's source.
    #[must_use]
    pub fn replacing(mut self, kernel: Kernel, source: impl Into<Cow<'static, str>>) -> Self {
        self.replaced.push((kernel, source.into()));
        self
    }

    /// Whether `kernel` has its built-in source.
    pub fn are_built_in(&self, kernel: Kernel) -> bool {
        self.source(kernel) == kernel.source()
    }

    /// The source of `kernel`.
    pub fn source(&self, kernel: Kernel) -> &str {
        self.replaced.iter().rev().find(|(of, _)| *of == kernel).map_or(kernel.source(), |(_, source)| source)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use wgpu::naga::{self, AddressSpace, StorageAccess, TypeInner};

    use super::*;

    fn parsed(kernel: Kernel) -> (naga::Module, naga::valid::ModuleInfo) {
        parsed_source(kernel.name(), kernel.source())
    }

    fn parsed_source(name: &str, source: &str) -> (naga::Module, naga::valid::ModuleInfo) {
        let module = naga::front::wgsl::parse_str(source)
            .unwrap_or_else(|error| panic!("{}", error.emit_to_string_with_path(source, name)));
        let info =
            naga::valid::Validator::new(naga::valid::ValidationFlags::all(), naga::valid::Capabilities::IMMEDIATES)
                .validate(&module)
                .unwrap_or_else(|error| panic!("{name}: {}", error.into_inner()));
        (module, info)
    }

    #[test]
    fn every_file_in_shaders_is_a_kernel_and_valid_by_itself() {
        let mut files: Vec<_> = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/shaders"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        files.sort();
        let sources = Kernel::ALL.iter().map(|kernel| (kernel.name(), kernel.source()));
        let mut sources: Vec<_> =
            sources.chain(Ceiling::ALL.iter().map(|ceiling| (ceiling.name(), ceiling.source()))).collect();
        sources.sort_unstable();
        assert_eq!(files, sources.iter().map(|(name, _)| format!("{name}.wgsl")).collect::<Vec<_>>());
        for (name, source) in sources {
            let (module, _) = parsed_source(name, source);
            assert_eq!(module.entry_points.iter().map(|entry| entry.name.as_str()).collect::<Vec<_>>(), ["main"]);
        }
    }

    #[test]
    fn every_shader_has_its_twin_on_the_cpu() {
        // What `gather` does on the GPU, `Dataset::gather` does on the host.
        for kernel in Kernel::ALL.into_iter().filter(|kernel| *kernel != Kernel::Gather) {
            let twin = format!("{}/src/cpu/{}.rs", env!("CARGO_MANIFEST_DIR"), kernel.name());
            assert!(std::path::Path::new(&twin).is_file(), "{twin} is missing");
        }
    }

    #[test]
    fn bindings_are_those_of_the_shaders() {
        for kernel in Kernel::ALL {
            let (module, _) = parsed(kernel);
            let mut found: Vec<_> = module
                .global_variables
                .iter()
                .filter_map(|(_, global)| {
                    let AddressSpace::Storage { access } = global.space else { return None };
                    let binding = global.binding?;
                    assert_eq!(binding.group, 0, "{}", kernel.name());
                    let write = access.contains(StorageAccess::STORE);
                    Some((binding.binding, if write { Access::Write } else { Access::Read }))
                })
                .collect();
            found.sort_by_key(|(binding, _)| *binding);
            let expected: Vec<_> =
                kernel.bindings().iter().enumerate().map(|(binding, access)| (binding as u32, *access)).collect();
            assert_eq!(found, expected, "{}", kernel.name());
        }
    }

    #[test]
    fn the_step_has_the_same_layout_in_rust_and_in_every_shader() {
        let rust: HashMap<_, _> = [
            ("row", std::mem::offset_of!(Step, row)),
            ("rows", std::mem::offset_of!(Step, rows)),
            ("rate", std::mem::offset_of!(Step, rate)),
            ("loss", std::mem::offset_of!(Step, loss)),
            ("next_row", std::mem::offset_of!(Step, next_row)),
            ("next_rows", std::mem::offset_of!(Step, next_rows)),
        ]
        .into();
        for kernel in Kernel::ALL {
            let (module, _) = parsed(kernel);
            let immediate = module.global_variables.iter().find(|(_, v)| v.space == AddressSpace::Immediate);
            let Some((_, immediate)) = immediate else {
                assert_eq!(kernel.immediates(), 0, "{}", kernel.name());
                continue;
            };
            let TypeInner::Struct { members, span } = &module.types[immediate.ty].inner else {
                panic!("{}: the immediate is not a struct", kernel.name())
            };
            assert_eq!(*span, kernel.immediates(), "{}", kernel.name());
            let wgsl: HashMap<_, _> = members.iter().map(|m| (m.name.as_deref().unwrap(), m.offset as usize)).collect();
            assert_eq!(wgsl, rust, "{}", kernel.name());
        }
    }
}
