//! The profiler, on any GPU, including a software driver. No test expects a certain time, only that there is one.

#![allow(clippy::unwrap_used, reason = "a test's helper may panic")]

use std::process::{Command, Output};
use std::sync::LazyLock;
use std::time::Instant;

use cyclone::config::Config;
use cyclone::config::device::{Adapter, Choice};
use cyclone::config::spec::{Feed, Method};
use cyclone::data::spec::{Flip, Source};
use cyclone::engine::Job;
use cyclone::gpu::kernels::{Kernel, Use};
use cyclone::gpu::plan::{Plan, Work};
use cyclone::gpu::{self, Gpu};
use cyclone::model::{Hidden, ModelSpec};
use cyclone::profile::sweep::Axis;
use cyclone::profile::trace::Trace;
use cyclone::profile::{Ceilings, Options, Report, Technique, Workload};
use serde_json::Value;

const STEPS: u64 = 5;

fn options(devices: Vec<Choice>) -> Options {
    Options {
        devices,
        source: Source::Synthetic,
        feed: Feed::Auto,
        hidden: Hidden::new(&[7]),
        batch_size: 13,
        models: 3,
        technique: Technique::default(),
        steps: Some(STEPS),
        repeats: 2,
        sweeps: vec![],
        no_timestamps: false,
    }
}

fn profile(options: &Options) -> (Report, Trace) {
    cyclone::profile::run(options, Instant::now(), &mut |_| ()).unwrap()
}

/// Both engines, profiled once for all tests that only read the result.
fn both() -> &'static (Report, Trace) {
    static BOTH: LazyLock<(Report, Trace)> = LazyLock::new(|| profile(&options(vec![any_gpu(), Choice::Cpu])));
    &BOTH
}

fn any_gpu() -> Choice {
    assert!(!gpu::list().is_empty(), "these tests need a Vulkan driver: ./test installs one");
    Choice::Gpu(Adapter::Any)
}

#[test]
fn every_kernel_of_a_step_and_of_an_evaluation_is_timed_on_the_gpus_clock() {
    let (report, _) = both();
    let device = &report.devices[0];
    let step = device.step.as_ref().expect("an adapter with timestamps");
    assert_eq!(step.steps, STEPS);
    assert!(step.kernels.len() >= 2, "a step has at least two dependent kernels");
    for kernel in &step.kernels {
        assert!(Kernel::ALL.iter().any(|known| known.name() == kernel.kernel), "{}", kernel.kernel);
    }
    // An update may include the next step's product, but every step has its own head.
    let head = step.kernels.iter().find(|kernel| kernel.kernel == Kernel::Head.name());
    assert_eq!(head.map(|kernel| kernel.dispatches as u64), Some(STEPS));
    let evaluated = device.evaluated.as_ref().expect("an adapter with timestamps");
    assert!(evaluated.kernels.iter().any(|kernel| kernel.kernel == Kernel::Tally.name()));
    for time in [step, evaluated] {
        for kernel in &time.kernels {
            assert!(kernel.median_seconds > 0.0 && kernel.flops_per_second > 0.0, "{kernel:?}");
            assert!(kernel.of_flops > 0.0 && kernel.of_bytes > 0.0, "{kernel:?}");
        }
        approx::assert_relative_eq!(time.kernels.iter().map(|kernel| kernel.share).sum::<f64>(), 1.0, epsilon = 1e-9);
        assert!(time.busy_seconds <= time.span_seconds * (1.0 + 1e-9), "{time:?}");
    }
    assert!(
        device.buffers.iter().any(|(name, count, bytes)| *name == "W1" && *count == 1 && *bytes == 3072 * 3 * 8 * 4)
    );
}

#[test]
fn the_hosts_phases_add_up_to_the_run_and_start_up_to_the_first_step() {
    let (report, _) = both();
    let device = &report.devices[0];
    let names: Vec<_> = device.host.iter().map(|phase| phase.phase.as_str()).collect();
    assert_eq!(names, ["gather", "upload", "encode", "submit", "wait", "other"]);
    approx::assert_relative_eq!(device.host.iter().map(|phase| phase.share).sum::<f64>(), 1.0, epsilon = 1e-9);
    assert!(device.host[..4].iter().all(|phase| phase.seconds > 0.0), "{:?}", device.host);
    let start_up = &device.start_up;
    assert!(start_up.parts.iter().all(|part| part.seconds > 0.0), "{start_up:?}");
    let apart: f64 = start_up.parts.iter().map(|part| part.seconds).sum();
    let [_, images, statistics, device, ..] = &start_up.parts[..] else { panic!("{start_up:?}") };
    let both = device.seconds.min(images.seconds + statistics.seconds);
    approx::assert_relative_eq!(start_up.seconds, apart - both, max_relative = 1e-9);
}

#[test]
fn images_reach_the_gpu_as_asked() {
    for (feed, name) in [(Feed::Stream, "images streamed"), (Feed::Resident, "images resident")] {
        let (report, _) = profile(&Options { feed, ..options(vec![any_gpu()]) });
        assert!(report.devices[0].name.contains(name), "{}", report.devices[0].name);
    }
}

#[test]
fn without_timestamps_the_hosts_clock_is_used_with_a_warning() {
    let (report, trace) = profile(&Options { no_timestamps: true, ..options(vec![any_gpu()]) });
    let device = &report.devices[0];
    assert!(device.step.is_none() && device.evaluated.is_none());
    assert!(device.throughput.seconds_a_step > 0.0 && !device.host.is_empty());
    assert!(report.warnings.iter().any(|warning| warning.contains("--no-timestamps")), "{:?}", report.warnings);
    assert_eq!(tracks(&trace), ["host"]);
}

fn events(trace: &Trace) -> Vec<Value> {
    let trace: Value = serde_json::from_str(&trace.to_json().unwrap()).unwrap();
    trace["traceEvents"].as_array().unwrap().clone()
}

fn tracks(trace: &Trace) -> Vec<String> {
    let names = events(trace).into_iter().filter(|event| event["name"] == "thread_name");
    names.map(|event| event["args"]["name"].as_str().unwrap().split(' ').next().unwrap().to_owned()).collect()
}

#[test]
fn a_trace_has_a_track_for_the_host_and_one_for_the_gpu() {
    let (report, trace) = both();
    assert_eq!(tracks(trace), ["host", "GPU", "CPU"]);
    let spans: Vec<_> = events(trace).into_iter().filter(|event| event["ph"] == "X").collect();
    for span in &spans {
        assert!(span["ts"].as_f64().unwrap() >= 0.0 && span["dur"].as_f64().unwrap() >= 0.0, "{span}");
    }
    let on = |pid: u64, tid: u64| spans.iter().filter(move |span| span["pid"] == pid && span["tid"] == tid);
    let dispatches: usize =
        report.devices[0].step.as_ref().unwrap().kernels.iter().map(|kernel| kernel.dispatches).sum();
    assert_eq!(on(1, 2).count(), dispatches);
    assert!(on(1, 1).any(|span| span["name"] == "submit"));
    assert!(on(2, 1).count() > 0, "the CPU engine's chunks");
    // Nothing runs on the GPU before the first command is encoded, up to the difference of the clocks.
    let first = |tid| on(1, tid).map(|span| span["ts"].as_f64().unwrap()).fold(f64::INFINITY, f64::min);
    assert!(first(2) > first(1) - 1e5, "{} {}", first(1), first(2));
}

#[test]
fn recording_does_not_change_bits_and_different_bits_are_refused() {
    let gpu = Gpu::open(&Adapter::Any).unwrap();
    let device = cyclone::device::Device::open(&any_gpu()).unwrap();
    let (workload, _) = Workload::open(
        &Config { data: Source::Synthetic, hidden: Hidden::new(&[5]), batch_size: 11, ..Config::default() },
        2,
    )
    .unwrap();
    let mut engine = workload.engine(&device).unwrap();
    let recorded = device.gpu().unwrap();
    let plain = workload.run(engine.as_mut(), 3).unwrap();
    let timed = workload.run_from(engine.as_mut(), 3, || recorded.record(true)).unwrap();
    assert_eq!(plain.bits, timed.bits);
    timed.check(&plain, "a timed run").unwrap();
    let recording = recorded.recorded().unwrap();
    let heads = recording.submissions.iter().flatten().filter(|dispatch| dispatch.kernel == Kernel::Head.name());
    assert_eq!(heads.count(), 3, "one a step");
    assert!(recording.submissions.iter().flatten().all(|dispatch| dispatch.end >= dispatch.start));

    let mut other = workload.run(engine.as_mut(), 3).unwrap();
    other.bits[7] ^= 1;
    assert_eq!(other.check(&plain, "a timed run").unwrap_err().exit_code(), 1);
    let fewer = workload.run(engine.as_mut(), 2).unwrap();
    assert_eq!(fewer.check(&plain, "a timed run").unwrap_err().exit_code(), 1);
    assert_eq!(gpu.recorded().unwrap_err().exit_code(), 70, "nothing was recorded there");
}

#[test]
fn both_engines_have_ceilings() {
    let (report, _) = both();
    for device in &report.devices {
        let Ceilings { bytes_per_second, flops_per_second, .. } = device.ceilings;
        assert!(bytes_per_second > 0.0 && flops_per_second > 0.0, "{:?}", device.ceilings);
        assert_eq!(device.ceiling_rounds.len(), 3, "before, between and after two repetitions");
        assert_eq!(device.ceilings, Ceilings::best(&device.ceiling_rounds));
        assert!(device.peaks().iter().all(|peak| peak.spread.is_some_and(|spread| (0.0..1.0).contains(&spread))));
    }
    let empty = report.devices.iter().map(|device| device.ceilings.dispatch_seconds);
    let [gpu, cpu] = empty.collect::<Vec<_>>().try_into().unwrap();
    assert!(gpu.is_some_and(|seconds| seconds > 0.0) && cpu.is_none(), "{gpu:?} {cpu:?}");
}

#[test]
fn every_option_of_a_training_is_profiled_and_named() {
    let technique = Technique {
        optimizer: Some(Method::Adamw),
        label_smoothing: Some(0.1),
        mixup: Some(0.5),
        dropout: Some(0.2),
        input_dropout: Some(0.1),
        flip: Some(Flip::Random),
        ..Technique::default()
    };
    let options = Options { technique, hidden: Hidden::new(&[7, 5]), ..options(vec![any_gpu(), Choice::Cpu]) };
    let (report, _) = profile(&options);
    for word in
        ["AdamW, weight decay 0.01", "mirrored", "label smoothing 0.1, mixup 0.5, dropout 0.2, input dropout 0.1"]
    {
        assert!(report.technique.contains(word), "{}", report.technique);
    }
    assert!(report.devices.iter().all(|device| device.throughput.seconds_a_step > 0.0));
    let wrong = Options { technique: Technique { dropout: Some(1.0), ..technique }, ..options };
    let error = cyclone::profile::run(&wrong, Instant::now(), &mut |_| ()).err().unwrap();
    let message = error.to_string();
    assert!(message.contains("--dropout 1: expected 0 to 0.999"), "{message}");
}

#[test]
fn a_sweep_has_every_value_and_more_operations_for_larger_ones() {
    let sweeps = vec![Axis::Models, Axis::Depth];
    let (report, _) = profile(&Options { sweeps, ..options(vec![Choice::Cpu]) });
    for (sweep, axis) in report.sweeps.iter().zip([Axis::Models, Axis::Depth]) {
        assert_eq!(sweep.points.iter().map(|point| point.value).collect::<Vec<_>>(), axis.values());
        assert!(sweep.points.is_sorted_by(|a, b| a.step_flops < b.step_flops));
        assert!(sweep.points[0].seconds[0].is_some_and(|seconds| seconds > 0.0), "{sweep:?}");
    }
}

/// D = 6, H = 5, C = 3, B = 4, M = 1: `W1` has 30 values, the batch 24 bytes of pixels.
#[test]
fn the_work_of_a_dispatch_is_that_of_its_formula() {
    let job = |models| Job {
        decay: vec![0.0; models],
        batch_size: 4,
        ..Job::new(ModelSpec::new(6, Hidden::new(&[5]), 3).unwrap())
    };
    let plan = |models| Plan::new(&job(models), &wgpu::Limits::default(), false, None).unwrap();
    let (one, three) = (plan(1), plan(3));
    // 2 · 4 · 6 · 5 operations; pixels, means and scales, W1, one partial sum of each hidden unit.
    assert_eq!(one.layers[0].slices, 1);
    assert_eq!(one.work(Use::Forward(0), 4, 0), Work { flops: 240, bytes: 24 + 48 + 120 + 80 });
    // The same product, and 120 of the second layer's; 8 · 4 for the biases; rate and decay, four operations on each of 30
    // and 23 values. W1 and the 23 read and written; hidden units and their gradients, the logits', the scores.
    let update = Work { flops: 240 + 120 + 32 + 4 * 53, bytes: 24 + 48 + 240 + 2 * 80 + 48 + 32 + 2 * 92 };
    assert_eq!(one.work(Use::Update(0), 4, 4), update);
    // With the next step's product: its operations, its pixels and its partial sums.
    let fused = Work { flops: update.flops + 240, bytes: update.bytes + 24 + 80 };
    assert_eq!(one.work(Use::FusedUpdate, 4, 4), fused);
    assert_eq!(three.work(Use::Forward(0), 4, 0).flops, 720);
    assert_eq!(three.work(Use::Forward(0), 4, 0).bytes, 24 + 48 + 3 * 200, "the models share the images");
    let [train, evaluate] = [Use::Head, Use::EvalHead].map(|of| one.work(of, 4, 0));
    assert_eq!(train.flops - evaluate.flops, 2 * 4 * 5 * 3, "the hidden units' gradient");
}

fn cyclone(arguments: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_cyclone")).args(arguments.split_whitespace()).output().unwrap()
}

#[test]
fn the_report_can_be_read_by_people_and_as_json() {
    let small = "profile --device cpu --data synthetic --hidden 3 --batch-size 11 --steps 7 --repeats 2";
    let output = cyclone(small);
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{text}");
    for part in ["3072-3-10", "µs/step", "CPU, ", "most, measured 3 times", "start-up", "evaluation"] {
        assert!(text.contains(part), "{part} in {text}");
    }
    assert!(text.lines().all(|line| line.chars().count() <= 101), "{text}");
    let output = cyclone(&format!("{small} --json"));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["devices"][0]["throughput"]["steps"], 7);
    assert_eq!(report["devices"][0]["throughput"]["images"], 77);
    assert_eq!(report["devices"][0]["throughput"]["seconds"].as_array().unwrap().len(), 2);
}

#[test]
fn a_trace_is_written_to_the_given_path_or_an_error_says_why_not() {
    let folder = tempfile::tempdir().unwrap();
    let small = "profile --device cpu --data synthetic --hidden 3 --batch-size 11 --steps 7 --repeats 1 --trace";
    let path = folder.path().join("trace.json");
    assert_eq!(cyclone(&format!("{small} {}", path.display())).status.code(), Some(0));
    let trace: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    assert!(!trace["traceEvents"].as_array().unwrap().is_empty());
    // A file is never overwritten, and this is checked before a device is opened.
    let again = cyclone(&format!("profile --device gpu:999 --data synthetic --trace {}", path.display()));
    assert_eq!(again.status.code(), Some(2));
    let nowhere = folder.path().join("no/such/folder/trace.json");
    assert_eq!(cyclone(&format!("{small} {}", nowhere.display())).status.code(), Some(4));
}

#[test]
fn a_flag_out_of_range_is_a_usage_error_that_names_it() {
    for flag in ["--steps 0", "--repeats 0", "--models 0", "--batch-size 0", "--hidden 0", "--device gpu:x"] {
        let output = cyclone(&format!("profile --data synthetic --device cpu {flag}"));
        let message = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{flag}: {message}");
        assert!(message.contains(flag.split(' ').next().unwrap()), "{flag}: {message}");
    }
    assert_eq!(cyclone("profile --matmul --device cpu").status.code(), Some(2), "the CPU has no such kernels");
}

#[test]
fn products_are_checked_and_timed() {
    let Choice::Gpu(choice) = any_gpu() else { unreachable!() };
    if !Gpu::open(&choice).unwrap().is_software() {
        eprintln!("note: a real GPU: the large products are timed");
    }
    let products = cyclone::profile::matrix_products(&options(vec![any_gpu()]), &mut |_| ()).unwrap();
    assert!(products.len() >= 4, "{products:?}");
    for product in &products {
        assert!(product.error <= 1.0 && product.seconds.median() > 0.0 && product.of_flops > 0.0, "{product:?}");
    }
}
