//! The referee's checks on this machine's GPU, or on the software driver that `./test` installs; and the command.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::{Arc, OnceLock};

use cyclone::config::device::Adapter;
use cyclone::gpu::Gpu;
use cyclone::gpu::kernels::{Kernel, Shaders};
use cyclone::verify::mutants::MUTANTS;
use cyclone::verify::{Level, Referee, checks};
use safetensors::SafeTensors;
use serde_json::Value;
use tempfile::{TempDir, tempdir};

/// The one device of all tests. Without any, every test fails: a check that did not run has not passed.
fn gpu() -> Arc<Gpu> {
    static GPU: OnceLock<Result<Arc<Gpu>, String>> = OnceLock::new();
    let opened = GPU.get_or_init(|| Gpu::open(&Adapter::Any).map_err(|error| error.to_string()));
    match opened {
        Ok(gpu) => gpu.clone(),
        Err(error) => panic!("these tests need a GPU or a software driver; ./test installs one\n{error}"),
    }
}

/// Runs the quick checks of a group, all of them, and demands that nothing is wrong or left out.
fn passes(group: &str) {
    let referee = Referee { gpu: gpu(), shaders: Shaders::default() };
    let saved = Path::new(env!("CARGO_TARGET_TMPDIR")).join("verify-failures");
    let checks: Vec<_> = checks(Level::Quick).into_iter().filter(|check| check.group == group).collect();
    assert!(!checks.is_empty(), "there is no group {group}");
    let mut wrong = Vec::new();
    for check in checks {
        let report = check.run(&referee, &saved).unwrap();
        wrong.extend(report.skipped.iter().map(|why| format!("{}: skipped: {why}", check.name)));
        let failures =
            report.failures().map(|f| format!("{}: {}, {}: {}", check.name, f.what, f.at, f.outcome.describe()));
        wrong.extend(failures);
    }
    assert!(wrong.is_empty(), "{}\nbuffers saved in {}", wrong.join("\n"), saved.display());
}

#[test]
fn forward_agrees_with_the_reference() {
    passes("forward");
}

#[test]
fn head_agrees_with_the_reference() {
    passes("head");
}

#[test]
fn update_agrees_with_the_reference() {
    passes("update");
}

#[test]
fn the_kernels_of_later_layers_agree_with_the_reference() {
    passes("activate");
    passes("forward_hidden");
    passes("backward");
    passes("activate_backward");
    passes("update_hidden");
}

#[test]
fn gather_copies_what_the_rows_name() {
    passes("gather");
}

#[test]
fn tally_agrees_with_the_reference() {
    passes("tally");
}

#[test]
fn squares_agrees_with_the_reference() {
    passes("squares");
}

#[test]
fn the_cpu_engine_agrees_with_the_reference_in_both_precisions() {
    passes("cpu");
}

#[test]
fn gradients_agree_with_differences_and_with_the_gpus() {
    passes("gradients");
}

#[test]
fn a_training_takes_the_same_way_on_both_engines() {
    passes("trajectory");
}

#[test]
fn the_same_work_gives_the_same_bits_however_it_is_cut() {
    passes("bits");
}

#[test]
fn no_group_of_checks_is_without_its_test() {
    let groups: BTreeSet<_> = checks(Level::Quick).iter().map(|check| check.group).collect();
    for group in groups {
        assert!(include_str!("verify.rs").contains(&format!("passes(\"{group}\")")), "no test runs {group}");
    }
}

#[test]
fn names_of_checks_are_unique_and_full_has_all_of_quick() {
    let names = |level| checks(level).into_iter().map(|check| check.name).collect::<Vec<_>>();
    let (quick, full) = (names(Level::Quick), names(Level::Full));
    let unique: BTreeSet<_> = full.iter().collect();
    assert_eq!(unique.len(), full.len());
    assert!(quick.len() < full.len() && quick.iter().all(|name| unique.contains(name)));
}

#[test]
fn every_mutant_is_caught() {
    let gpu = gpu();
    assert!(MUTANTS.len() >= 25);
    // A missing barrier need not show on every adapter. It does on llvmpipe, where CI runs.
    let strict = gpu.info.name.contains("llvmpipe");
    let survivors: Vec<_> = MUTANTS
        .iter()
        .filter(|mutant| mutant.hunt(&gpu).unwrap().is_none() && (strict || !mutant.races()))
        .map(|mutant| mutant.name)
        .collect();
    assert!(survivors.is_empty(), "survived: {survivors:?}");
}

fn cyclone(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_cyclone")).current_dir(folder).arg("verify").args(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// Runs `verify`, demands an exit code, and returns what it printed.
fn verify(folder: &Path, arguments: &[&str], code: i32) -> (String, String) {
    let output = cyclone(folder, arguments);
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {out}{err}");
    (out, err)
}

/// A folder with the folder `shaders`, in which `kernel` is wrong.
fn broken(kernel: Kernel) -> TempDir {
    let folder = tempdir().unwrap();
    let mutant = MUTANTS.iter().find(|mutant| mutant.kernel == kernel).unwrap();
    let (path, text) = mutant.file().unwrap();
    let file = folder.path().join(format!("shaders/{path}.wgsl"));
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(file, text).unwrap();
    folder
}

#[test]
fn a_case_that_passes_is_exit_code_0_and_leaves_nothing() {
    let folder = tempdir().unwrap();
    let (out, _) = verify(folder.path(), &["--case", "forward/D37-H5"], 0);
    assert!(out.contains("8 checks, 8 comparisons") && out.contains("8 passed, 0 failed, 0 skipped"), "{out}");
    assert!(out.lines().all(|line| line.chars().count() <= 100), "{out}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "something was written");
}

#[test]
fn a_broken_shader_is_exit_code_1_and_says_what_where_and_how_to_repeat_it() {
    let folder = broken(Kernel::Forward);
    let case = "forward/D37-H5-C3-M1-B13-shared/fused-8x16/train/integers";
    let (out, err) = verify(folder.path(), &["--shaders", "shaders", "--case", "D37-H5-C3-M1-B13"], 1);
    assert!(err.contains("forward/D37-H5"), "{err}");
    assert!(out.contains("FAILED") && out.contains("worst element"), "{out}");
    // What passes is still said to.
    assert!(out.contains("squares"), "{out}");
    let command = format!("cyclone verify --shaders shaders --case {case}");
    assert!(out.contains(&format!("repeat: {command}")), "{command} in {out}");

    // The command repeats that check and no other.
    let arguments: Vec<_> = command.split(' ').skip(2).collect();
    let (out, err) = verify(folder.path(), &arguments, 1);
    assert!(out.contains("1 check, 1 comparison") && err.contains(&format!("{case} failed")), "{out}{err}");
}

#[test]
fn a_wrong_kernels_buffers_are_saved_and_show_the_element() {
    let folder = broken(Kernel::Forward);
    let case = "forward/D37-H5-C3-M1-B13-shared/fused-8x16/train/random";
    let (out, _) = verify(folder.path(), &["--shaders", "shaders", "--case", case, "--out", "saved", "--json"], 1);
    let document: Value = serde_json::from_str(&out).unwrap();
    let check = &document["checks"][0];
    assert_eq!(check["name"], case);
    assert_eq!(document["failed"], 1);
    let path = folder.path().join(check["saved"].as_str().unwrap());
    assert!(path.starts_with(folder.path().join("saved")), "{}", path.display());

    let bytes = fs::read(path).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let finding = &check["findings"][0];
    let what = finding["what"].as_str().unwrap();
    let place = finding["worst"]["index"].as_u64().unwrap() as usize;
    let got = file.tensor(&format!("got/{what}")).unwrap().data()[place * 4..][..4].to_vec();
    let expected = file.tensor(&format!("expected/{what}")).unwrap().data()[place * 8..][..8].to_vec();
    assert_eq!(f64::from(f32::from_le_bytes(got.try_into().unwrap())), finding["worst"]["got"].as_f64().unwrap());
    assert_eq!(f64::from_le_bytes(expected.try_into().unwrap()), finding["worst"]["expected"].as_f64().unwrap());
    // Three rows before the 13 of the step, the 9 of the next one, two after them; 37 bytes and 3 that pad them.
    assert_eq!(file.tensor("in/pixels").unwrap().shape(), [27 * 40]);
}

#[test]
fn names_and_shaders_that_make_no_sense_are_wrong_usage() {
    let folder = tempdir().unwrap();
    let (_, err) = verify(folder.path(), &["--case", "forwrad/D37"], 2);
    assert!(err.contains("--case forwrad/D37") && err.contains("  forward/D3"), "{err}");
    let (_, err) = verify(folder.path(), &["--case", "trajectory/accuracy"], 2);
    assert!(err.contains("--full"), "{err}");

    fs::write(folder.path().join("head.wgsl"), "fn main( {").unwrap();
    let (_, err) = verify(folder.path(), &["--shaders", "."], 2);
    assert!(err.contains("head.wgsl:1:10"), "{err}");
    // Valid, but for other buffers than the kernel's.
    let text = Kernel::Head.files()[0].1.replace("targets", "labels");
    fs::write(folder.path().join("head.wgsl"), text).unwrap();
    let (_, err) = verify(folder.path(), &["--shaders", ".", "--case", "head/D37"], 2);
    assert!(err.contains("--shaders .") && err.contains("`targets`"), "{err}");
}

#[test]
fn a_users_own_run_is_taken_through_both_engines() {
    let folder = tempdir().unwrap();
    let train = "train --data synthetic --device cpu --train-batches 1 --val-images 90 --hidden 7 --batch-size 40 \
                 --half-cycle 5 --cycles 1 --quiet --out run";
    let trained =
        Command::new(env!("CARGO_BIN_EXE_cyclone")).current_dir(folder.path()).args(train.split(' ')).status().unwrap();
    assert!(trained.success());
    let (out, _) = verify(folder.path(), &["--run", "run", "--json"], 0);
    let document: Value = serde_json::from_str(&out).unwrap();
    let comparison = &document["comparison"];
    // The run's own length, not the 50 steps of the default.
    assert_eq!(comparison["steps"].as_array().unwrap().len(), 10);
    assert_eq!((comparison["images"].as_u64(), comparison["part"].as_str()), (Some(90), Some("validation")));
    for key in ["agreement", "gpu_accuracy", "cpu_accuracy", "gpu_microseconds", "cpu_microseconds"] {
        assert!(comparison[key].as_f64().unwrap() > 0.0, "{key}");
    }
    let (out, _) = verify(folder.path(), &["--run", "run", "--steps", "3"], 0);
    assert!(out.contains("largest relative difference") && out.contains("90 validation images"), "{out}");
    assert!(out.lines().all(|line| line.chars().count() <= 100), "{out}");

    let wrong = broken(Kernel::Update);
    let shaders = wrong.path().join("shaders");
    verify(folder.path(), &["--run", "run", "--steps", "3", "--shaders", shaders.to_str().unwrap()], 1);
}
