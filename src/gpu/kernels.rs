//! The registry of WGSL kernels: name, source, uses. Nothing here needs a GPU.

use std::borrow::Cow;
use std::sync::OnceLock;

use super::interface::Interface;
use crate::error::Result;

/// A file of `shaders/`: its path there, without the ending, and its text.
pub type File<'a> = (&'static str, &'a str);

macro_rules! file {
    ($path:literal) => {
        ($path, include_str!(concat!("../../shaders/", $path, ".wgsl")))
    };
}

/// A compute shader of `shaders/`, its entry point named `main`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kernel {
    /// A chunk's images from those that stay on the GPU.
    Gather,
    /// First layer's product, in slices of the inputs.
    Forward,
    /// Bias and ReLU of a hidden layer that is not the last.
    Activate,
    /// The product of a later hidden layer.
    HiddenForward,
    /// Bias and ReLU of the last hidden layer, output layer, softmax, loss; gradients of logits and hidden units.
    Head,
    /// The product on the way back through a hidden layer.
    Backward,
    /// The way back through the `ReLU`s of a hidden layer that is not the last.
    ActivateBackward,
    /// A step of the optimizer on a later hidden layer.
    HiddenUpdate,
    /// A step of the optimizer on the first layer and the small tensors, the step's loss, and perhaps the first layer's product of the
    /// next step.
    Update,
    /// Sums of losses and right answers.
    Tally,
    /// Sums of squares of weights.
    Squares,
}

/// What a kernel is compiled for: one pipeline each. Layers are counted from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// `gather`.
    Gather,
    /// `forward` of a layer in a step.
    Forward(usize),
    /// `activate` of a layer in a step.
    Activate(usize),
    /// `head` of a step, with the gradients.
    Head,
    /// `forward` back through a layer, to the one before.
    Backward(usize),
    /// `activate_backward` of a layer.
    ActivateBackward(usize),
    /// `update` of a layer alone.
    Update(usize),
    /// `update` of the first layer with the next step's product in it.
    FusedUpdate,
    /// `forward` of a layer in an evaluation, whose images all models share.
    EvalForward(usize),
    /// `activate` of a layer in an evaluation.
    EvalActivate(usize),
    /// `head` of an evaluation: the scores only.
    EvalHead,
    /// `tally`.
    Tally,
    /// `squares` of a layer's weights.
    Squares(usize),
}

impl Use {
    /// Every one of a network with `wide` layers before the output layer, or without any where `wide` is 0.
    pub fn all(wide: usize) -> Vec<Self> {
        let last = wide.saturating_sub(1);
        let mut all = vec![Self::Gather, Self::Forward(0)];
        all.extend((0..last).flat_map(|layer| [Self::Activate(layer), Self::Forward(layer + 1)]));
        all.push(Self::Head);
        all.extend(
            (1..=last)
                .rev()
                .flat_map(|layer| [Self::Backward(layer), Self::ActivateBackward(layer - 1), Self::Update(layer)]),
        );
        all.extend([Self::Update(0), Self::FusedUpdate, Self::EvalForward(0)]);
        all.extend((0..last).flat_map(|layer| [Self::EvalActivate(layer), Self::EvalForward(layer + 1)]));
        all.extend([Self::EvalHead, Self::Tally]);
        all.extend((0..=wide).map(Self::Squares));
        all
    }

    /// The kernel.
    pub fn kernel(self) -> Kernel {
        match self {
            Self::Gather => Kernel::Gather,
            Self::Forward(0) | Self::EvalForward(0) => Kernel::Forward,
            Self::Forward(_) | Self::EvalForward(_) => Kernel::HiddenForward,
            Self::Activate(_) | Self::EvalActivate(_) => Kernel::Activate,
            Self::Head | Self::EvalHead => Kernel::Head,
            Self::Backward(_) => Kernel::Backward,
            Self::ActivateBackward(_) => Kernel::ActivateBackward,
            Self::Update(0) | Self::FusedUpdate => Kernel::Update,
            Self::Update(_) => Kernel::HiddenUpdate,
            Self::Tally => Kernel::Tally,
            Self::Squares(_) => Kernel::Squares,
        }
    }

    /// Its layer, if it has one.
    pub fn layer(self) -> Option<usize> {
        match self {
            Self::Forward(layer)
            | Self::EvalForward(layer)
            | Self::Activate(layer)
            | Self::EvalActivate(layer)
            | Self::Backward(layer)
            | Self::ActivateBackward(layer)
            | Self::Update(layer)
            | Self::Squares(layer) => Some(layer),
            Self::FusedUpdate => Some(0),
            Self::Gather | Self::Head | Self::EvalHead | Self::Tally => None,
        }
    }

    /// Its name, for people and for files.
    pub fn name(self) -> String {
        let name = match self {
            Self::Gather => "gather",
            Self::Forward(_) => "forward",
            Self::Activate(_) => "activate",
            Self::Head => "head",
            Self::Backward(_) => "backward",
            Self::ActivateBackward(_) => "activate-backward",
            Self::Update(_) => "update",
            Self::FusedUpdate => "fused-update",
            Self::EvalForward(_) => "eval-forward",
            Self::EvalActivate(_) => "eval-activate",
            Self::EvalHead => "eval-head",
            Self::Tally => "tally",
            Self::Squares(layer) => return format!("squares-w{}", layer + 1),
        };
        match self.layer() {
            Some(layer) if layer > 0 => format!("{name}-{}", layer + 1),
            _ => name.into(),
        }
    }

    /// Whether dropout, smoothing or mixup change what it computes.
    pub fn regularises(self) -> bool {
        matches!(
            self,
            Self::Forward(0)
                | Self::Activate(_)
                | Self::Head
                | Self::ActivateBackward(_)
                | Self::Update(0)
                | Self::FusedUpdate
        )
    }

    /// Whether its images are those of a step, of which each model may have its own.
    pub fn trains(self) -> bool {
        !matches!(self, Self::EvalForward(_) | Self::EvalActivate(_) | Self::EvalHead | Self::Tally)
    }
}

/// What all kernels of a step are told: their `var<immediate>`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, bytemuck::Pod, bytemuck::Zeroable)]
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
    /// Of `AdamW`'s first moment, and of the root of its second: [`crate::model::optimizer::Optimizer::corrections`].
    pub correction1: f32,
    /// See there.
    pub correction2: f32,
}

impl Kernel {
    /// Every kernel, in the order in which a step runs them.
    pub const ALL: [Self; 11] = [
        Self::Gather,
        Self::Forward,
        Self::Activate,
        Self::HiddenForward,
        Self::Head,
        Self::Backward,
        Self::ActivateBackward,
        Self::HiddenUpdate,
        Self::Update,
        Self::Tally,
        Self::Squares,
    ];

    /// Its name: that of the shader's file, and of its twin in `src/cpu/`, unless it is another kernel of other parts.
    pub fn name(self) -> &'static str {
        match self {
            Self::HiddenForward => "forward_hidden",
            Self::Backward => "backward",
            Self::HiddenUpdate => "update_hidden",
            _ => self.files()[0].0,
        }
    }

    /// The files that its WGSL text is put together from: its own, what it has in common with others, and its parts. WGSL has
    /// no way to include one, and takes declarations in any order.
    pub fn files(self) -> &'static [File<'static>] {
        match self {
            Self::Gather => &[file!("gather")],
            Self::Forward => {
                &[file!("forward"), file!("step"), file!("rates"), file!("dropout"), file!("inputs"), file!("weights")]
            }
            Self::Activate => &[file!("activate"), file!("step"), file!("rates"), file!("dropout")],
            Self::HiddenForward => &[file!("forward"), file!("step"), file!("activations"), file!("weights")],
            Self::Head => &[file!("head"), file!("step"), file!("rates"), file!("dropout"), file!("head/sums")],
            Self::Backward => &[file!("forward"), file!("step"), file!("activations"), file!("transposed")],
            Self::ActivateBackward => &[file!("activate_backward"), file!("step")],
            Self::HiddenUpdate => &[
                file!("update"),
                file!("step"),
                file!("rates"),
                file!("activations"),
                file!("update/moved"),
                file!("update/small_values"),
                file!("update/next_product"),
            ],
            Self::Update => &[
                file!("update"),
                file!("step"),
                file!("rates"),
                file!("dropout"),
                file!("inputs"),
                file!("update/moved"),
                file!("update/small_values"),
                file!("update/next_product"),
            ],
            Self::Tally => &[file!("tally"), file!("step")],
            Self::Squares => &[file!("squares")],
        }
    }

    /// What its built-in text declares.
    pub fn interface(self) -> Result<&'static Interface> {
        static PARSED: [OnceLock<Interface>; Kernel::ALL.len()] = [const { OnceLock::new() }; Kernel::ALL.len()];
        let parsed = &PARSED[self as usize];
        if let Some(interface) = parsed.get() {
            return Ok(interface);
        }
        let interface = Interface::parse(self.name(), &source(self.files()))?;
        Ok(parsed.get_or_init(|| interface))
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

    /// Its file.
    pub fn file(self) -> File<'static> {
        match self {
            Self::Copy => file!("ceiling_copy"),
            Self::Fma => file!("ceiling_fma"),
            Self::Empty => file!("ceiling_empty"),
        }
    }
}

/// The files that an engine's kernels are compiled from. The built-in ones, unless a check replaces some by wrong ones.
#[derive(Clone, Debug, Default)]
pub struct Shaders {
    replaced: Vec<(&'static str, Cow<'static, str>)>,
}

impl Shaders {
    /// The same, but for the text of one file, named by its path as in [`Kernel::files`].
    #[must_use]
    pub fn replacing(mut self, path: &'static str, text: impl Into<Cow<'static, str>>) -> Self {
        self.replaced.push((path, text.into()));
        self
    }

    /// Whether all of `kernel` is built in.
    pub fn are_built_in(&self, kernel: Kernel) -> bool {
        kernel.files().iter().all(|(path, _)| self.replacement(path).is_none())
    }

    /// The files of `kernel`.
    pub fn files(&self, kernel: Kernel) -> Vec<File<'_>> {
        kernel.files().iter().map(|(path, text)| (*path, self.replacement(path).unwrap_or(text))).collect()
    }

    /// The WGSL text of `kernel`.
    pub fn source(&self, kernel: Kernel) -> String {
        source(&self.files(kernel))
    }

    /// What the text of `kernel` declares.
    pub fn interface(&self, kernel: Kernel) -> Result<Cow<'static, Interface>> {
        if self.are_built_in(kernel) {
            return kernel.interface().map(Cow::Borrowed);
        }
        Interface::parse(kernel.name(), &self.source(kernel)).map(Cow::Owned)
    }

    fn replacement(&self, path: &str) -> Option<&str> {
        self.replaced.iter().rev().find(|(of, _)| *of == path).map(|(_, text)| text.as_ref())
    }
}

/// One text of several files.
pub fn source(files: &[File<'_>]) -> String {
    files.iter().map(|(_, text)| *text).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeSet, HashMap};
    use std::path::Path;

    use wgpu::naga::valid::{Capabilities, ValidationFlags, Validator};
    use wgpu::naga::{AddressSpace, TypeInner};

    use super::*;

    /// Every `.wgsl` file below `folder`, by its path from `shaders` and without the ending.
    fn files_below(folder: &Path, root: &Path, found: &mut BTreeSet<String>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                files_below(&path, root, found);
            } else {
                let name = path.strip_prefix(root).unwrap().with_extension("");
                found.insert(name.to_str().unwrap().replace('\\', "/"));
            }
        }
    }

    #[test]
    fn every_file_in_shaders_is_a_kernels_and_every_kernel_is_valid() {
        let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/shaders"));
        let mut files = BTreeSet::new();
        files_below(root, root, &mut files);
        let used = Kernel::ALL.into_iter().flat_map(|kernel| kernel.files().iter().map(|(path, _)| *path));
        let used: BTreeSet<_> = used.chain(Ceiling::ALL.map(|ceiling| ceiling.file().0)).map(str::to_owned).collect();
        assert_eq!(files, used);
        let kernels = Kernel::ALL.map(|kernel| (kernel.name(), source(kernel.files())));
        for (name, source) in kernels.into_iter().chain(Ceiling::ALL.map(|it| (it.file().0, it.file().1.to_owned()))) {
            let interface = Interface::parse(name, &source).unwrap();
            let module = interface.module();
            let valid = Validator::new(ValidationFlags::all(), Capabilities::IMMEDIATES).validate(module);
            assert!(valid.is_ok(), "{name}: {valid:?}");
            assert_eq!(module.entry_points.iter().map(|entry| entry.name.as_str()).collect::<Vec<_>>(), ["main"]);
        }
    }

    #[test]
    fn a_replaced_file_is_in_every_kernel_that_has_it_and_in_no_other() {
        let shaders = Shaders::default().replacing("inputs", "// mine");
        for kernel in Kernel::ALL {
            let has = matches!(kernel, Kernel::Forward | Kernel::Update);
            assert_eq!(shaders.source(kernel).contains("// mine"), has, "{}", kernel.name());
            assert_eq!(shaders.are_built_in(kernel), !has, "{}", kernel.name());
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
            ("correction1", std::mem::offset_of!(Step, correction1)),
            ("correction2", std::mem::offset_of!(Step, correction2)),
        ]
        .into();
        for kernel in Kernel::ALL {
            let module = kernel.interface().unwrap().module();
            let immediate = module.global_variables.iter().find(|(_, v)| v.space == AddressSpace::Immediate);
            let Some((_, immediate)) = immediate else { continue };
            let TypeInner::Struct { members, span } = &module.types[immediate.ty].inner else {
                panic!("{}: the immediate is not a struct", kernel.name())
            };
            assert_eq!(*span as usize, size_of::<Step>(), "{}", kernel.name());
            let wgsl: HashMap<_, _> = members.iter().map(|m| (m.name.as_deref().unwrap(), m.offset as usize)).collect();
            assert_eq!(wgsl, rust, "{}", kernel.name());
        }
    }
}
