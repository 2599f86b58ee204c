//! Readers of the program over any bytes: each takes them, or refuses them with the exit code of its kind. Nothing panics.
//!
//! `cargo fuzz run NAME` looks for bytes that break this (nightly, or `RUSTC_BOOTSTRAP=1`), starting from those in
//! `corpus/NAME`; `tests/replay.rs` runs the same functions over the same files with every `cargo test`.

#![allow(dead_code, reason = "each fuzz target uses one of them")]
#![allow(clippy::unwrap_used, reason = "a failure of the scratch folder is no finding, and must stop the search")]

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use cyclone::config::{Config, Settings};
use cyclone::data::spec::Source;
use cyclone::data::{Dataset, FILES, INPUTS, picture};
use cyclone::error::Result;
use cyclone::model::{Hidden, ModelSpec};
use cyclone::records::checkpoint::{Checkpoint, Fault, Run, Shapes};
use cyclone::records::csv::Csv;
use cyclone::records::initial::Initial;
use cyclone::records::run::RunDir;
use cyclone::records::trained::{Trained, Weights};
use cyclone::records::weights;
use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest, Sha256};
use tempfile::{TempDir, tempdir};

/// One of the functions below.
pub type Target = fn(&[u8]);

/// All of them, by name.
pub const TARGETS: [(&str, Target); 8] = [
    ("batch", batch),
    ("archive", archive),
    ("dataset", dataset),
    ("picture", picture),
    ("checkpoint", checkpoint),
    ("weights", weights),
    ("config", config),
    ("metrics", metrics),
];

/// A folder that goes away again, in memory where the system has such a place.
fn scratch() -> TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory).unwrap() } else { tempdir().unwrap() }
}

/// Demands one of some exit codes of an error.
#[track_caller]
fn refused<T>(outcome: Result<T>, codes: &[u8]) -> Option<T> {
    outcome.map_err(|error| assert!(codes.contains(&error.exit_code()), "{}: {error}", error.exit_code())).ok()
}

/// One record each in five files; the bytes are the other one.
fn batches(third: &[u8]) -> TempDir {
    let folder = scratch();
    for (place, name) in FILES.into_iter().enumerate() {
        let path = folder.path().join(name);
        if place == 2 {
            fs::write(path, third).unwrap();
        } else {
            fs::write(path, [vec![place as u8], vec![place as u8 * 40; INPUTS]].concat()).unwrap();
        }
    }
    folder
}

/// A batch file.
pub fn batch(bytes: &[u8]) {
    let folder = batches(bytes);
    if let Some(dataset) = refused(Dataset::open_small(folder.path(), 1), &[3]) {
        assert!(bytes.len() == INPUTS + 1 && dataset.labels[2] == bytes[0] && bytes[0] < 10);
    }
}

/// An archive: the bytes as they are, and as what a whole gzip stream unpacks to.
pub fn archive(bytes: &[u8]) {
    let folder = scratch();
    let path = folder.path().join("cifar-10-binary.tar.gz");
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(bytes).unwrap();
    for bytes in [bytes, &packed.finish().unwrap()] {
        fs::write(&path, bytes).unwrap();
        // 3: two files of the same images.
        refused(Dataset::open_small(&path, 1), &[3, 7]);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is unpacked");
    }
}

/// The description of an imported set.
pub fn dataset(bytes: &[u8]) {
    let folder = batches(&[vec![2], vec![80; INPUTS]].concat());
    fs::write(folder.path().join("dataset.toml"), bytes).unwrap();
    if let Some(dataset) = refused(Dataset::open(&Source::Path(folder.path().to_owned())), &[3]) {
        assert!(dataset.labels.iter().all(|&label| usize::from(label) < dataset.classes.len()));
    }
}

/// A picture.
pub fn picture(bytes: &[u8]) {
    let folder = scratch();
    let path = folder.path().join("picture");
    fs::write(&path, bytes).unwrap();
    refused(picture::read(&path, &mut vec![0; INPUTS]), &[3, 10]);
}

/// The shape of the networks here.
const SPEC: ModelSpec = ModelSpec { inputs: 3, hidden: Hidden::new(&[2]), classes: 2 };

/// A checkpoint: the bytes as they are; and as metadata that has its digest, over weights of the right shape.
pub fn checkpoint(bytes: &[u8]) {
    let decode = |bytes: &[u8]| {
        let run = Run { settings: Settings::default(), data: "digest".into(), device: "CPU".into() };
        let shapes = Shapes { model: SPEC, models: 1 };
        match Checkpoint::decode(bytes, bytes.len() as u64, &run, &shapes) {
            // What is accepted can be written, and reads back the same.
            Ok(checkpoint) => {
                let again = checkpoint.encode().unwrap();
                assert!(Checkpoint::decode(&again[..], again.len() as u64, &run, &shapes).unwrap() == checkpoint);
            }
            Err(Fault::Damaged(_) | Fault::Mismatch(_)) => {}
        }
    };
    decode(bytes);
    let text = String::from_utf8_lossy(bytes);
    let mut entry = String::new();
    for byte in Sha256::digest(text.as_bytes()) {
        let _ = write!(entry, "{byte:02x}");
    }
    let _ = write!(entry, " {text}");
    let header = serde_json::json!({
        "__metadata__": { "cyclone": entry },
        "fc1.weight": { "dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24] },
        "fc1.bias": { "dtype": "F32", "shape": [2], "data_offsets": [24, 32] },
        "fc2.weight": { "dtype": "F32", "shape": [2, 2], "data_offsets": [32, 48] },
        "fc2.bias": { "dtype": "F32", "shape": [2], "data_offsets": [48, 56] },
    })
    .to_string();
    decode(&[&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &[0; 56]].concat());
}

/// Weights to begin with, and each of the three files of a finished run in turn.
pub fn weights(bytes: &[u8]) {
    if let Ok(params) = weights::read_network(bytes, &SPEC) {
        assert!(params.is_finite());
    }
    let folder = scratch();
    let given = folder.path().join("given.safetensors");
    fs::write(&given, bytes).unwrap();
    // 2: a network of another shape.
    refused(Initial::open(&given, &SPEC, 1), &[2, 8]);
    let summary = br#"{"version": "", "platform": "", "command": [], "started": "", "engine": "", "seeds": [0],
        "device": {"kind": "cpu", "threads": 1}, "parameters": 14, "steps": 1, "epochs": 1, "images_per_second": 1,
        "data": {"name": "", "sha256": "", "classes": ["ant", "bee"], "train": 1, "validation": 0, "test": 0},
        "models": [{"train": {"loss": 1, "cost": 1, "accuracy": 0}}], "seconds": {"training": 1, "evaluation": 1},
        "microseconds_a_step": 1}"#;
    for name in ["summary.json", "standardisation.safetensors", "weights.safetensors"] {
        fs::write(folder.path().join("summary.json"), summary).unwrap();
        fs::write(folder.path().join("standardisation.safetensors"), tensors(&[("mean", &[3]), ("scale", &[3])]))
            .unwrap();
        let network: [(&str, &[usize]); 4] =
            [("fc1.weight", &[2, 3]), ("fc1.bias", &[2]), ("fc2.weight", &[2, 2]), ("fc2.bias", &[2])];
        fs::write(folder.path().join("weights.safetensors"), tensors(&network)).unwrap();
        Trained::open(folder.path(), None, Weights::Last).unwrap();
        fs::write(folder.path().join(name), bytes).unwrap();
        // 2: a summary may say that there are several networks.
        refused(Trained::open(folder.path(), None, Weights::Last), if name == "summary.json" { &[2, 8] } else { &[8] });
    }
}

/// A safetensors file of zeros.
fn tensors(shapes: &[(&str, &[usize])]) -> Vec<u8> {
    let mut header = serde_json::Map::new();
    let mut end = 0;
    for (name, shape) in shapes {
        let start = end;
        end += 4 * shape.iter().product::<usize>();
        let tensor = serde_json::json!({ "dtype": "F32", "shape": shape, "data_offsets": [start, end] });
        header.insert((*name).to_owned(), tensor);
    }
    let header = serde_json::Value::from(header).to_string();
    [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &vec![0; end]].concat()
}

/// A configuration file: what is taken is written as it was read.
pub fn config(bytes: &[u8]) {
    let folder = scratch();
    let read = |bytes: &[u8]| -> Result<Config> {
        let path = folder.path().join("config.toml");
        fs::write(&path, bytes).unwrap();
        let config = Config::default().with(Settings::read(&path)?);
        config.check().map(|()| config)
    };
    if let Some(config) = refused(read(bytes), &[2]) {
        let text = config.to_toml().unwrap();
        assert_eq!(read(text.as_bytes()).unwrap().to_toml().unwrap(), text);
    }
}

/// The metrics of a run that is resumed after step 100.
pub fn metrics(bytes: &[u8]) {
    let folder = scratch();
    let path: PathBuf = folder.path().join("metrics.jsonl");
    fs::write(folder.path().join("config.toml"), "").unwrap();
    fs::write(&path, bytes).unwrap();
    let (mut run, _) = RunDir::reopen(folder.path()).unwrap();
    let cut = refused(run.cut_metrics(100), &[8]);
    let left = fs::read(&path).unwrap();
    assert!(bytes.starts_with(&left));
    if cut.is_none() {
        assert_eq!(left, bytes, "what is refused is left alone");
        return;
    }
    assert!(left.is_empty() || left.ends_with(b"\n"));
    // Nothing is left to cut; that all records are lost is said again.
    assert_eq!(run.cut_metrics(100).unwrap().len(), usize::from(left.is_empty()));
    refused(Csv::create(folder.path()), &[8]);
}
