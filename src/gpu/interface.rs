//! What a shader says of itself: its bindings, its immediates, its workgroup. Nothing here needs a GPU.

use wgpu::naga::{
    self, AddressSpace, ArraySize, BinaryOperator, Expression, Handle, Literal, StorageAccess, TypeInner,
};

use crate::error::{Error, Result};

/// Values of `override` constants, by name.
pub type Constants = [(&'static str, f64)];

/// A shader with one entry point, as wgpu's own parser reads it.
#[derive(Clone, Debug)]
pub struct Interface {
    module: naga::Module,
}

/// A storage buffer of group 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Binding<'a> {
    /// The variable's name.
    pub name: &'a str,
    /// `@binding`.
    pub index: u32,
    /// `var<storage, read>`: two dispatches that only read a buffer may run at once.
    pub read_only: bool,
}

/// What a workgroup takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Workgroup {
    /// `@workgroup_size`, all dimensions together.
    pub invocations: u64,
    /// Bytes of `var<workgroup>`.
    pub memory: u64,
}

impl Interface {
    /// That of the shader `name` with this text.
    pub fn parse(name: &str, source: &str) -> Result<Self> {
        let module = naga::front::wgsl::parse_str(source)
            .map_err(|error| Error::Internal(error.emit_to_string_with_path(source, name)))?;
        Ok(Self { module })
    }

    /// The storage buffers.
    pub fn bindings(&self) -> impl Iterator<Item = Binding<'_>> {
        self.module.global_variables.iter().filter_map(|(_, variable)| {
            let AddressSpace::Storage { access } = variable.space else { return None };
            let binding = variable.binding.filter(|binding| binding.group == 0)?;
            let read_only = !access.contains(StorageAccess::STORE);
            Some(Binding { name: variable.name.as_deref()?, index: binding.binding, read_only })
        })
    }

    /// A resource for each binding of the shader `shader`, out of `buffers` by name.
    pub fn entries<'a>(
        &self,
        shader: &str,
        buffers: &[(&str, &'a wgpu::Buffer)],
    ) -> Result<Vec<wgpu::BindGroupEntry<'a>>> {
        let entry = |binding: Binding<'_>| {
            let buffer = buffers.iter().find(|(name, _)| *name == binding.name);
            let (_, buffer) = buffer
                .ok_or_else(|| Error::Internal(format!("kernel {shader}: there is no buffer `{}`", binding.name)))?;
            Ok(wgpu::BindGroupEntry { binding: binding.index, resource: buffer.as_entire_binding() })
        };
        self.bindings().map(entry).collect()
    }

    /// Bytes of `var<immediate>`.
    pub fn immediates(&self) -> u32 {
        let variables = self.module.global_variables.iter();
        let immediate =
            variables.map(|(_, variable)| variable).find(|variable| variable.space == AddressSpace::Immediate);
        immediate.map_or(0, |variable| self.module.types[variable.ty].inner.size(self.module.to_ctx()))
    }

    /// What a workgroup takes with these constants; `None` if they, or how the shader reckons with them, are not understood.
    pub fn workgroup(&self, constants: &Constants) -> Option<Workgroup> {
        let entry = self.module.entry_points.first()?;
        let sizes = (0..3).map(|dimension| match entry.workgroup_size_overrides.and_then(|sizes| sizes[dimension]) {
            Some(size) => self.value(size, constants),
            None => Some(entry.workgroup_size[dimension].into()),
        });
        let variables = self.module.global_variables.iter();
        let shared = variables.filter(|(_, variable)| variable.space == AddressSpace::WorkGroup);
        let memory = shared.map(|(_, variable)| match self.module.types[variable.ty].inner {
            TypeInner::Array { stride, size: ArraySize::Pending(length), .. } => {
                self.overridden(length, constants)?.checked_mul(stride.into())
            }
            ref inner => Some(inner.size(self.module.to_ctx()).into()),
        });
        Some(Workgroup { invocations: sizes.product::<Option<u64>>()?, memory: memory.sum::<Option<u64>>()? })
    }

    fn overridden(&self, handle: Handle<naga::Override>, constants: &Constants) -> Option<u64> {
        let declared = &self.module.overrides[handle];
        let given = constants.iter().find(|(name, _)| declared.name.as_deref() == Some(name));
        given.map_or_else(|| self.value(declared.init?, constants), |(_, value)| Some(*value as u64))
    }

    /// A whole number that does not depend on the invocation.
    fn value(&self, expression: Handle<Expression>, constants: &Constants) -> Option<u64> {
        match self.module.global_expressions[expression] {
            Expression::Literal(Literal::U32(value)) => Some(value.into()),
            Expression::Literal(Literal::I32(value)) => value.try_into().ok(),
            Expression::Constant(constant) => self.value(self.module.constants[constant].init, constants),
            Expression::Override(handle) => self.overridden(handle, constants),
            Expression::Binary { op, left, right } => {
                let (left, right) = (self.value(left, constants)?, self.value(right, constants)?);
                match op {
                    BinaryOperator::Add => left.checked_add(right),
                    BinaryOperator::Multiply => left.checked_mul(right),
                    _ => None,
                }
            }
            _ => None,
        }
    }

    #[cfg(test)]
    pub(super) fn overrides(&self) -> impl Iterator<Item = &str> {
        self.module.overrides.iter().filter_map(|(_, declared)| declared.name.as_deref())
    }

    #[cfg(test)]
    pub(super) fn constant(&self, name: &str) -> Option<u64> {
        let mut constants = self.module.constants.iter();
        let (_, constant) = constants.find(|(_, constant)| constant.name.as_deref() == Some(name))?;
        self.value(constant.init, &[])
    }

    /// The module itself.
    pub(crate) fn module(&self) -> &naga::Module {
        &self.module
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHADER: &str = "
        override N: u32 = 5u;
        override WIDTH: u32 = 2u * N + 4u;
        const K = 3u;
        struct Told { a: u32, b: u32 }
        var<immediate> told: Told;
        @group(0) @binding(7) var<storage, read_write> sums: array<f32>;
        @group(0) @binding(2) var<storage, read> x: array<vec4<f32>>;
        var<workgroup> tile: array<vec4<f32>, K * N>;
        var<workgroup> rest: array<f32, 10>;
        @compute @workgroup_size(WIDTH, 2)
        fn main() { tile[0] = x[0]; rest[0] = f32(told.a); sums[0] = rest[0]; }";

    #[test]
    fn a_shader_says_what_it_needs() {
        let interface = Interface::parse("shader", SHADER).unwrap();
        let mut bindings: Vec<_> = interface.bindings().collect();
        bindings.sort_by_key(|binding| binding.index);
        let x = Binding { name: "x", index: 2, read_only: true };
        assert_eq!(bindings, [x, Binding { name: "sums", index: 7, read_only: false }]);
        assert_eq!(interface.immediates(), 8);
        let workgroup = |constants| interface.workgroup(constants).unwrap();
        assert_eq!(workgroup(&[]), Workgroup { invocations: 14 * 2, memory: 3 * 5 * 16 + 40 });
        assert_eq!(workgroup(&[("N", 8.0)]), Workgroup { invocations: 20 * 2, memory: 3 * 8 * 16 + 40 });
        assert_eq!(workgroup(&[("WIDTH", 1.0)]).invocations, 2);
        assert!(Interface::parse("shader", "fn main( {").is_err());
    }
}
