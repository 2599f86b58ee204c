//! Kernels as drivers meet them: WGSL with its facts, and what wgpu makes of it for Vulkan, Direct3D 12 and Metal. Nothing here
//! needs a GPU, so that compilers can be asked about hardware that is not there.
//!
//! The options are those of wgpu-hal 30.0.2 in a release build, for an adapter of Vulkan 1.3 with robust buffer access, for
//! FXC (shader model 5.1) and DXC (6.6), and for Metal 2.4.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use naga::back::{hlsl, msl, pipeline_constants, spv};
use naga::proc::{BoundsCheckPolicies, BoundsCheckPolicy};
use naga::valid::{Capabilities, ModuleInfo, ValidationFlags, Validator};
use naga::{Module, ResourceBinding, ShaderStage};
use serde::Serialize;
use wgpu::{Limits, ShaderRuntimeChecks};

use super::kernels::Shape;
use crate::engine::Job;
use crate::error::{Error, Result, shown};
use crate::gpu::interface::{Binding, Constants, Interface};
use crate::gpu::kernels::{Ceiling, Shaders, Use};
use crate::gpu::pipeline::checks;
use crate::gpu::plan::{Plan, Tuning};
use crate::model::ModelSpec;
use crate::model::optimizer::Optimizer;
use crate::model::regularise::Regularise;

/// The report's network alone, among others and with a batch each; an odd shape; a wide one.
const JOBS: [(&str, Shape); 5] = [
    ("M1", Shape { d: 3072, h: 50, c: 10, m: 1, b: 100, own: false }),
    ("M10", Shape { d: 3072, h: 50, c: 10, m: 10, b: 100, own: true }),
    ("M30", Shape { d: 3072, h: 50, c: 10, m: 30, b: 100, own: false }),
    ("odd", Shape { d: 1001, h: 130, c: 3, m: 3, b: 131, own: true }),
    ("wide", Shape { d: 3072, h: 1000, c: 10, m: 1, b: 100, own: false }),
];
/// Those, two networks of three hidden layers with `AdamW` and all that keeps them from learning by heart, and softmax
/// regression with momentum.
fn jobs() -> Result<Vec<(&'static str, Job)>> {
    let mut jobs = JOBS.into_iter().map(|(label, shape)| Ok((label, shape.job()?))).collect::<Result<Vec<_>>>()?;
    let of = |hidden: &[usize], models, optimizer| {
        let model = ModelSpec::new(3072, hidden.to_vec().into(), 10)?;
        Ok(Job { decay: vec![0.0; models], optimizer, ..Job::new(model) })
    };
    let regularise = Regularise { label_smoothing: 0.1, mixup: 0.2, dropout: 0.2, input_dropout: 0.1 };
    let deep = of(&[512, 256, 128], 2, Optimizer::Adamw { weight_decay: 0.01 })?;
    jobs.push(("deep", Job { regularise, ..deep }));
    jobs.push(("linear", of(&[], 1, Optimizer::Sgd { momentum: 0.9, nesterov: true })?));
    Ok(jobs)
}

/// The entry point of every kernel.
const ENTRY: &str = "main";

/// What a compiler must be told of a kernel, and what people want to know.
#[derive(Debug, Serialize)]
struct Facts {
    /// Values of `override` constants, by name.
    constants: BTreeMap<&'static str, f64>,
    entry: &'static str,
    /// Invocations.
    workgroup: u64,
    bindings: usize,
    immediate_bytes: u32,
}

/// A kernel with its `override` constants resolved.
struct Resolved {
    module: Module,
    info: ModuleInfo,
    bindings: Vec<(ResourceBinding, bool)>,
    immediates: bool,
    checks: ShaderRuntimeChecks,
}

/// Writes every kernel of some jobs under every tuning into `folder`, one that several have in common once: `NAME.wgsl` (the
/// whole text), `NAME.json` (its facts), `NAME.spv`, `NAME.51.hlsl`, `NAME.66.hlsl` and `NAME.metal`. Returns the names.
/// Kernels of the user's are written as if they were built in, without the checks of their indices.
///
/// # Errors
///
/// [`Error::Usage`] for a folder that is not empty, [`Error::Output`] if something cannot be written, [`Error::Internal`] if
/// naga refuses a kernel.
pub fn emit(folder: &Path, shaders: &Shaders) -> Result<Vec<String>> {
    let failed = |error| Error::output(folder, format!("{error}; name another folder with --emit"));
    fs::create_dir_all(folder).map_err(failed)?;
    if fs::read_dir(folder).map_err(failed)?.next().is_some() {
        return Err(Error::Usage(format!("--emit {}: expected a new folder or an empty one", shown(folder))));
    }
    let mut names = Vec::new();
    let mut write = |name: String, text: &str, constants: &Constants, checks| -> Result<()> {
        for (ending, bytes) in files(&name, text, constants, checks)? {
            fs::write(folder.join(format!("{name}.{ending}")), bytes).map_err(failed)?;
        }
        names.push(name);
        Ok(())
    };
    // What every tuning fits, and Apple, Direct3D and RDNA have.
    let limits = Limits {
        max_compute_workgroup_storage_size: 32 << 10,
        max_compute_invocations_per_workgroup: 1024,
        ..Limits::default()
    };
    let mut known = Vec::new();
    for (label, job) in jobs()? {
        for of in Use::all(job.model.hidden.len()) {
            let other = |tuning: &Tuning| if tuning.fused { of == Use::Update(0) } else { of == Use::FusedUpdate };
            for tuning in Tuning::ALL.into_iter().filter(|tuning| !other(tuning)) {
                let kernel = of.kernel();
                let mut constants = Plan::new(&job, &limits, false, Some(tuning))?.constants(of);
                if of == Use::Gather {
                    constants.extend([("WIDTH", 32.0), ("HEIGHT", 32.0), ("FIRST", 0.0), ("COUNT", 50_000.0)]);
                }
                if !known.contains(&(kernel, constants.clone())) {
                    let name = format!("{}-{label}-{tuning}", of.name());
                    write(name, &shaders.source(kernel), &constants, checks(true))?;
                    known.push((kernel, constants));
                }
            }
        }
    }
    for (name, text) in Ceiling::ALL.map(Ceiling::file) {
        write(name.to_owned(), text, &[], ShaderRuntimeChecks::checked())?;
    }
    Ok(names)
}

/// The files of a kernel, by their endings.
fn files(
    name: &str,
    text: &str,
    constants: &Constants,
    checks: ShaderRuntimeChecks,
) -> Result<Vec<(&'static str, Vec<u8>)>> {
    let refused = |what: String| Error::Internal(format!("kernel {name}: {what}"));
    let interface = Interface::parse(name, text)?;
    let workgroup = interface.workgroup(constants).ok_or_else(|| refused("its workgroup is not understood".into()))?;
    let mut bindings: Vec<_> = interface.bindings().collect();
    bindings.sort_by_key(|binding| binding.index);
    let facts = Facts {
        constants: constants.iter().copied().collect(),
        entry: ENTRY,
        workgroup: workgroup.invocations,
        bindings: bindings.len(),
        immediate_bytes: interface.immediates(),
    };
    let place = |binding: &Binding| (ResourceBinding { group: 0, binding: binding.index }, binding.read_only);

    let module = interface.module();
    let valid = Validator::new(ValidationFlags::all(), Capabilities::IMMEDIATES).validate(module);
    let info = valid.map_err(|error| refused(error.emit_to_string(text)))?;
    let values = constants.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect();
    let entry = Some((ShaderStage::Compute, ENTRY));
    let (module, info) = pipeline_constants::process_overrides(module, &info, entry, &values)
        .map_err(|error| refused(error.to_string()))?;
    let resolved = Resolved {
        module: module.into_owned(),
        info: info.into_owned(),
        bindings: bindings.iter().map(place).collect(),
        immediates: interface.immediates() > 0,
        checks,
    };
    let json = serde_json::to_vec_pretty(&facts).map_err(|error| refused(error.to_string()))?;
    Ok(vec![
        ("wgsl", text.into()),
        ("json", json),
        ("spv", resolved.spirv().map_err(refused)?),
        ("51.hlsl", resolved.hlsl(hlsl::ShaderModel::V5_1).map_err(refused)?),
        ("66.hlsl", resolved.hlsl(hlsl::ShaderModel::V6_6).map_err(refused)?),
        ("metal", resolved.metal().map_err(refused)?),
    ])
}

impl Resolved {
    /// Checks that wgpu adds to indices.
    fn index_checks(&self) -> BoundsCheckPolicy {
        if self.checks.bounds_checks { BoundsCheckPolicy::Restrict } else { BoundsCheckPolicy::Unchecked }
    }

    fn spirv(&self) -> Result<Vec<u8>, String> {
        let place = |(index, (binding, _)): (usize, &(ResourceBinding, bool))| {
            let to = spv::BindingInfo { descriptor_set: 0, binding: index as u32, binding_array_size: None };
            (*binding, to)
        };
        let options = spv::Options {
            lang_version: (1, 6),
            flags: spv::WriterFlags::LABEL_VARYINGS | spv::WriterFlags::FORCE_POINT_SIZE,
            fake_missing_bindings: false,
            binding_map: self.bindings.iter().enumerate().map(place).collect(),
            // Robust access guards buffers.
            bounds_check_policies: BoundsCheckPolicies {
                index: self.index_checks(),
                buffer: BoundsCheckPolicy::Unchecked,
                image_load: BoundsCheckPolicy::Unchecked,
                binding_array: BoundsCheckPolicy::Unchecked,
            },
            zero_initialize_workgroup_memory: spv::ZeroInitializeWorkgroupMemoryMode::None,
            force_loop_bounding: self.checks.force_loop_bounding,
            emit_int_div_checks: self.checks.int_div_checks,
            ..spv::Options::default()
        };
        let pipeline = spv::PipelineOptions { shader_stage: ShaderStage::Compute, entry_point: ENTRY.to_owned() };
        let words = spv::write_vec(&self.module, &self.info, &options, Some(&pipeline))
            .map_err(|error| format!("SPIR-V: {error}"))?;
        Ok(words.into_iter().flat_map(u32::to_le_bytes).collect())
    }

    /// Immediates are the constants b0 of space 0; wgpu's own come behind them, in space 1.
    fn hlsl(&self, model: hlsl::ShaderModel) -> Result<Vec<u8>, String> {
        let at = |space, register| hlsl::BindTarget { space, register, ..hlsl::BindTarget::default() };
        let mut next = [0, 0];
        let place = |(binding, read_only): &(ResourceBinding, bool)| {
            let register = &mut next[usize::from(*read_only)];
            *register += 1;
            (*binding, at(0, *register - 1))
        };
        let options = hlsl::Options {
            shader_model: model,
            binding_map: self.bindings.iter().map(place).collect(),
            fake_missing_bindings: false,
            special_constants_binding: Some(at(self.immediates.into(), self.immediates.into())),
            immediates_target: self.immediates.then(|| at(0, 0)),
            zero_initialize_workgroup_memory: false,
            restrict_indexing: self.checks.bounds_checks,
            force_loop_bounding: self.checks.force_loop_bounding,
            ..hlsl::Options::default()
        };
        let mut text = String::new();
        let pipeline = hlsl::PipelineOptions { entry_point: Some((ShaderStage::Compute, ENTRY.to_owned())) };
        let told = hlsl::Writer::new(&mut text, &options, &pipeline)
            .write(&self.module, &self.info, None)
            .map_err(|error| format!("HLSL: {error}"))?;
        let entry = told.entry_point_names.into_iter().next();
        let entry = entry.ok_or("HLSL: no entry point")?.map_err(|error| format!("HLSL: {error}"))?;
        // Which model, and what naga calls the entry point.
        Ok(format!("// model {} entry {entry}\n{text}", model.to_str().replace('_', ".")).into_bytes())
    }

    /// Immediates first, then what is bound, then the sizes of those.
    fn metal(&self) -> Result<Vec<u8>, String> {
        let first = u8::from(self.immediates);
        let place = |(index, (binding, read_only)): (usize, &(ResourceBinding, bool))| {
            let buffer = Some(first + index as u8);
            (*binding, msl::BindTarget { buffer, mutable: !read_only, ..msl::BindTarget::default() })
        };
        let resources = msl::EntryPointResources {
            resources: self.bindings.iter().enumerate().map(place).collect(),
            immediates_buffer: self.immediates.then_some(0),
            sizes_buffer: Some(first + self.bindings.len() as u8),
        };
        let index = self.index_checks();
        let options = msl::Options {
            lang_version: (2, 4),
            per_entry_point_map: [(ENTRY.to_owned(), resources)].into(),
            fake_missing_bindings: false,
            bounds_check_policies: BoundsCheckPolicies {
                index,
                buffer: index,
                image_load: index,
                binding_array: BoundsCheckPolicy::Unchecked,
            },
            zero_initialize_workgroup_memory: false,
            force_loop_bounding: self.checks.force_loop_bounding,
            emit_int_div_checks: self.checks.int_div_checks,
            ..msl::Options::default()
        };
        let pipeline = msl::PipelineOptions {
            entry_point: Some((ShaderStage::Compute, ENTRY.to_owned())),
            vertex_pulling_transform: true,
            ..msl::PipelineOptions::default()
        };
        let (text, told) = msl::write_string(&self.module, &self.info, &options, &pipeline)
            .map_err(|error| format!("MSL: {error}"))?;
        told.entry_point_names
            .into_iter()
            .try_for_each(|name| name.map(drop))
            .map_err(|error| format!("MSL: {error}"))?;
        Ok(text.into_bytes())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::*;

    #[test]
    fn every_kernel_is_there_in_every_language_and_its_facts_are_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let names = emit(folder.path(), &Shaders::default()).unwrap();
        assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len());
        for (uses, label) in [(Use::all(1), "M1"), (Use::all(3), "deep")] {
            for of in uses.into_iter().filter(|of| of.trains() && *of != Use::Gather) {
                assert!(
                    names.iter().any(|name| name.starts_with(&format!("{}-{label}-", of.name()))),
                    "{label} {of:?}"
                );
            }
        }
        let read = |name: &str| fs::read(folder.path().join(name)).unwrap();
        for name in &names {
            assert_eq!(read(&format!("{name}.spv"))[..4], 0x0723_0203_u32.to_le_bytes(), "{name}");
            for (ending, start) in [("51.hlsl", "// model 5.1 entry main\n"), ("66.hlsl", "// model 6.6 entry main\n")]
            {
                assert!(read(&format!("{name}.{ending}")).starts_with(start.as_bytes()), "{name}");
            }
            assert!(read(&format!("{name}.metal")).windows(7).any(|text| text == b"kernel "), "{name}");
        }
        let facts: Value = serde_json::from_slice(&read("forward-M1-split-8x8-wide.json")).unwrap();
        let told = ["workgroup", "bindings", "immediate_bytes"].map(|key| facts[key].as_u64().unwrap());
        assert_eq!((told, facts["constants"]["QUADS"].as_f64()), ([64, 5, 32], Some(2.0)));

        let again = emit(folder.path(), &Shaders::default()).unwrap_err();
        assert_eq!(again.exit_code(), 2, "{again}");
    }
}
