//! Whatever a file or a flag says, it is used rightly or refused with its own exit code; nothing panics.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

use std::fs;
use std::path::Path;

use clap::Args;
use cyclone::config::{Config, Settings};
use cyclone::data::Dataset;
use cyclone::data::spec::Source;
use cyclone::engine::Job;
use cyclone::gpu::kernels::Use;
use cyclone::gpu::plan::{PART, Plan, SLICE, TALLIES, TALLY, Tuning, Wide};
use cyclone::model::{Hidden, ModelSpec};

use proptest::prelude::*;
use tempfile::tempdir;
use wgpu::Limits;

/// Sizes of all magnitudes, and those around the tiles'.
fn size(most: usize) -> impl Strategy<Value = usize> + Clone {
    let magnitudes = (0..=most.ilog2()).prop_flat_map(move |bits| 1..=(1_usize << bits).min(most));
    let tiles =
        (1_usize..40, 0_usize..3).prop_map(move |(tiles, off)| (tiles * 32 + off).saturating_sub(1).clamp(1, most));
    prop_oneof![magnitudes, tiles]
}

/// Most often one layer, else none to three.
fn hidden(units: impl Strategy<Value = usize> + Clone) -> impl Strategy<Value = Hidden> {
    prop_oneof![units.clone().prop_map(Hidden::one), proptest::collection::vec(units, 0..4).prop_map(Hidden::from)]
}

prop_compose! {
    fn job()(
        inputs in size(1 << 16), hidden in hidden(size(ModelSpec::MAX_HIDDEN)), classes in 2_usize..200,
        models in size(1 << 14), batch_size in size(1 << 22), own: bool,
    ) -> Job {
        let (decay, shuffles) = (vec![0.5; models], if own { models } else { 1 });
        Job { decay, batch_size, shuffles, ..Job::new(ModelSpec { inputs, hidden, classes }) }
    }
}

fn tuning() -> impl Strategy<Value = Option<Tuning>> {
    proptest::option::of(proptest::sample::select(Tuning::ALL.to_vec()))
}

fn limits() -> impl Strategy<Value = Limits> {
    let large = Limits {
        max_buffer_size: 1 << 40,
        max_storage_buffer_binding_size: u64::from(u32::MAX),
        max_compute_workgroups_per_dimension: u32::MAX,
        max_compute_workgroup_storage_size: 228 << 10,
        max_compute_invocations_per_workgroup: 1024,
        ..Limits::default()
    };
    prop_oneof![Just(Limits::default()), Just(Limits::downlevel_defaults()), Just(large)]
}

/// Demands of a plan that nothing in it passes a limit, every tile is covered, and every buffer holds what is put there.
fn check(plan: &Plan, limits: &Limits) -> Result<(), TestCaseError> {
    let job = &plan.job;
    let [d, c, b, m] = [job.model.inputs, job.model.classes, job.batch_size, job.models()].map(|size| size as u64);
    let g = job.shuffles as u64;
    let row = d.div_ceil(4) * 4;
    let sizes = &plan.sizes;
    let most = limits.max_storage_buffer_binding_size.min(limits.max_buffer_size).min(u64::from(u32::MAX));
    // Each buffer holds the tensor of its name; none is larger than what can be bound and counted.
    for (name, size, needed) in [
        ("pixels of a training chunk", sizes.pixels, plan.chunk_steps * g * b * row),
        ("pixels of an evaluated batch", sizes.pixels, plan.evaluation_rows * row),
        ("targets", sizes.targets, plan.chunk_rows * 4),
        ("changes", sizes.changes, plan.chunk_rows * 16),
        ("rates", sizes.rates, plan.chunk_steps * m * 16),
        ("standardisation", sizes.standardisation, 2 * row * 4),
        ("logits' gradients", sizes.dlogits, b * m * c * 4),
        ("logits of an evaluated batch", sizes.dlogits, plan.evaluation_rows * m * c * 4),
        ("scores", sizes.scores, b.max(plan.evaluation_rows) * m * 8),
        ("tallies", sizes.tallies, TALLIES * m * 8),
    ] {
        prop_assert!(needed <= size && size <= most, "{name}: {needed} of {size} bytes, at most {most}");
        prop_assert_eq!(size % 4, 0, "{}", name);
    }
    for (place, (layer, of_layer)) in plan.layers.iter().zip(&sizes.layers).enumerate() {
        let Wide { inputs, units, padded, columns, slices, outputs } = *layer;
        let last = place + 1 == plan.layers.len();
        let kept = if last { b } else { b.max(plan.evaluation_rows) };
        let back = if place > 0 { plan.back_partials(place) * b * plan.layers[place - 1].columns * 4 } else { 0 };
        let squares = plan.grid(Use::Squares(place), 1).map(u64::from).iter().product::<u64>() * 4;
        for (name, size, needed) in [
            ("weights", of_layer.w, inputs * m * padded * 4),
            ("small tensors", of_layer.small, m * (outputs + units) * 4),
            ("hidden units", of_layer.hidden, kept * columns * 4),
            ("partial sums of training", sizes.partials, plan.partials(place, true) * b * columns * 4),
            ("of evaluation", sizes.partials, plan.partials(place, false) * plan.evaluation_rows * columns * 4),
            ("on the way back", sizes.partials, back),
            ("squares", sizes.squares, squares),
        ] {
            prop_assert!(needed <= size && size <= most, "{name}: {needed} of {size} bytes, at most {most}");
            prop_assert_eq!(size % 4, 0, "{}", name);
        }
        prop_assert!(padded >= units && padded < units + 4 && padded.is_multiple_of(4));
        prop_assert_eq!(columns, m * padded);
        prop_assert_eq!(outputs, if last && !job.model.hidden.is_empty() { units * c + c } else { 0 });
        // Every input is in one slice, and no slice is empty.
        prop_assert!(slices * SLICE >= inputs && (slices - 1) * SLICE < inputs);
        for train in [false, true] {
            let (of_a_partial, partials) = (plan.slices_of_a_partial(place, train), plan.partials(place, train));
            prop_assert!(partials * of_a_partial >= slices && (partials - 1) * of_a_partial < slices);
        }
    }

    prop_assert!(plan.chunk_steps >= 1 && plan.chunk_rows >= plan.evaluation_rows);
    prop_assert!(plan.evaluation_rows >= TALLY && plan.evaluation_rows.is_multiple_of(TALLY));

    for of in plan.uses() {
        let place = of.layer().unwrap_or(plan.layers.len() - 1);
        let layer = &plan.layers[place.min(plan.layers.len() - 1)];
        let (height, width) = plan.tuning.tile();
        let workgroup = of.kernel().interface().unwrap().workgroup(&plan.constants(of)).unwrap();
        prop_assert!(workgroup.memory <= limits.max_compute_workgroup_storage_size.into());
        prop_assert!(workgroup.invocations <= limits.max_compute_invocations_per_workgroup.into());
        for rows in [if of.trains() { b } else { plan.evaluation_rows }, 1] {
            let grid = plan.grid(of, rows);
            let most = limits.max_compute_workgroups_per_dimension;
            prop_assert!(grid.iter().all(|groups| (1..=most).contains(groups)), "{of:?} {grid:?}");
            let [x, y, z] = grid.map(u64::from);
            let covered = match of {
                Use::Gather => x == rows && y * workgroup.invocations * 4 >= d,
                Use::Forward(_) | Use::EvalForward(_) => {
                    x * width >= layer.columns && y * height >= rows && z == plan.partials(place, of.trains())
                }
                Use::Backward(_) => {
                    let before = &plan.layers[place - 1];
                    x * width >= before.columns && y * height >= rows && z == plan.back_partials(place)
                }
                Use::Activate(_) | Use::EvalActivate(_) | Use::ActivateBackward(_) => {
                    x == rows && y * workgroup.invocations * 4 >= layer.columns
                }
                Use::Head | Use::EvalHead => x == rows && y == m,
                // Tiles of 64 columns in every slice of W1, or in two at once; every model's small values and loss by 32.
                Use::Update(_) | Use::FusedUpdate => {
                    let slices = if of == Use::FusedUpdate { layer.slices } else { layer.slices.div_ceil(2) };
                    x * y >= layer.columns.div_ceil(64) * slices + m * (layer.outputs + layer.units + 1).div_ceil(32)
                }
                Use::Tally => x * workgroup.invocations >= rows && y == m,
                Use::Squares(place) if place < plan.layers.len() => x * PART >= layer.inputs * layer.units && y == m,
                Use::Squares(_) => x * PART >= layer.units * c && y == m,
            };
            prop_assert!(covered, "{of:?} over {rows} rows: {grid:?}");
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn any_shape_is_refused_or_within_every_limit(
        job in job(), limits in limits(), software: bool, tuning in tuning(),
    ) {
        match Plan::new(&job, &limits, software, tuning) {
            Ok(plan) => check(&plan, &limits)?,
            Err(error) => {
                prop_assert_eq!(error.exit_code(), 2);
                prop_assert!(error.to_string().contains("--hidden"), "{}", error);
            }
        }
    }

    #[test]
    fn small_shapes_fit_everywhere(
        inputs in 1_usize..4000, hidden in hidden(1_usize..260), classes in 2_usize..20, models in 1_usize..5, batch_size in 1_usize..300,
    ) {
        let job = Job { decay: vec![0.0; models], batch_size, ..Job::new(ModelSpec { inputs, hidden, classes }) };
        let plan = Plan::new(&job, &Limits::default(), true, None);
        prop_assert!(plan.is_ok(), "{:?}", plan);
        check(&plan.unwrap(), &Limits::default())?;
    }

    #[test]
    fn the_order_of_summation_does_not_know_how_many_models_there_are(
        job in job(), software: bool, tuning in tuning(), other in tuning(),
    ) {
        let limits = Limits { max_buffer_size: u64::MAX, max_storage_buffer_binding_size: u64::MAX, ..Limits::default() };
        let alone = Job { decay: vec![0.5], shuffles: 1, ..job.clone() };
        let [among, alone] = [(&job, tuning), (&alone, other)].map(|(job, tuning)| Plan::new(job, &limits, software, tuning));
        if let (Ok(among), Ok(alone)) = (among, alone) {
            let order = |plan: &Plan| (0..plan.layers.len()).map(|l| (plan.layers[l].slices, plan.partials(l, false))).collect::<Vec<_>>();
            prop_assert_eq!(order(&among), order(&alone));
        }
    }
}

#[test]
fn more_loops_than_every_driver_runs_are_refused() {
    let job = |batch_size: usize| Job {
        decay: vec![0.5],
        batch_size,
        ..Job::new(ModelSpec { inputs: 3072, hidden: Hidden::new(&[50]), classes: 10 })
    };
    let limits =
        Limits { max_buffer_size: 1 << 40, max_storage_buffer_binding_size: u32::MAX.into(), ..Limits::default() };
    Plan::new(&job(1 << 12), &limits, false, None).unwrap();
    let error = Plan::new(&job((1 << 16) - 100), &limits, false, None).unwrap_err();
    assert_eq!(error.exit_code(), 2, "{error}");
    let message = error.to_string();
    assert!(
        message.contains("would loop") && message.contains("times, the most that every driver runs is 65,535"),
        "{message}"
    );
}

/// Reads a configuration file's bytes as `--config` does.
fn configure(bytes: &[u8]) -> Result<Config, u8> {
    let folder = tempdir().unwrap();
    let path = folder.path().join("some.toml");
    fs::write(&path, bytes).unwrap();
    let config = Settings::read(&path).map(|settings| Config::default().with(settings));
    config.and_then(|config| config.check().map(|()| config)).map_err(|error| error.exit_code())
}

/// The keys of a configuration file, which are those of the flags.
fn keys() -> Vec<String> {
    let command = Settings::augment_args(clap::Command::new("keys"));
    command.get_arguments().filter_map(|arg| arg.get_long().map(str::to_owned)).collect()
}

/// A value as it may stand in a configuration file, right or wrong.
fn value() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<i64>().prop_map(|n| n.to_string()),
        any::<f64>().prop_map(|x| x.to_string()),
        "[a-z0-9:./]{0,9}".prop_map(|text| format!("{text:?}")),
        proptest::collection::vec(0_u8..9, 0..4).prop_map(|list| format!("{list:?}")),
        Just("true".to_owned()),
        Just("nan".to_owned()),
        Just("{}".to_owned()),
    ]
}

proptest! {
    #[test]
    fn any_bytes_as_configuration_are_usage_or_usable(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(configure(&bytes).map_or_else(|code| code == 2, |config| config.check().is_ok()));
    }

    #[test]
    fn any_value_of_any_key_is_usage_or_usable_and_written_as_it_was_read(
        keys in proptest::sample::subsequence(keys(), 1..3),
        values in [value(), value()],
    ) {
        let lines: Vec<_> = keys.iter().zip(&values).map(|(key, value)| format!("{key} = {value}\n")).collect();
        let text = lines.concat();
        match configure(text.as_bytes()) {
            Ok(config) => {
                let again = configure(config.to_toml().unwrap().as_bytes()).unwrap();
                prop_assert_eq!(again.to_toml().unwrap(), config.to_toml().unwrap());
            }
            Err(code) => prop_assert_eq!(code, 2, "{}", text),
        }
    }

    #[test]
    fn any_bytes_in_the_official_files_places_are_bad_data(
        files in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..40), 6),
    ) {
        let folder = tempdir().unwrap();
        for (place, bytes) in files.iter().enumerate() {
            let name = if place == 5 { "test_batch.bin".into() } else { format!("data_batch_{}.bin", place + 1) };
            fs::write(folder.path().join(name), bytes).unwrap();
        }
        prop_assert_eq!(refusal(folder.path()), 3);
    }

    #[test]
    fn any_bytes_as_archive_are_a_damaged_archive(
        bytes in proptest::collection::vec(any::<u8>(), 0..200), gzip: bool,
    ) {
        let folder = tempdir().unwrap();
        let path = folder.path().join("cifar-10-binary.tar.gz");
        // Half of them with the beginning that a gzip stream has.
        let start: &[u8] = if gzip { &[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3] } else { &[] };
        fs::write(&path, [start, &bytes].concat()).unwrap();
        prop_assert_eq!(refusal(&path), 7);
    }
}

/// The exit code with which a path is refused as images.
fn refusal(path: &Path) -> u8 {
    Dataset::open(&Source::Path(path.to_owned())).map_or_else(|error| error.exit_code(), |_| 0)
}
