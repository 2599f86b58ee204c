use std::time::{Duration, Instant};

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::config::Settings;
use crate::config::preset::Preset;
use crate::model::Hidden;
use crate::model::params::{Init, bias};

pub(super) const SHAPES: Shapes =
    Shapes { model: ModelSpec { inputs: 5, hidden: Hidden::new(&[3]), classes: 2 }, models: 1 };

pub(super) fn run() -> Run {
    let settings = Settings::from(&Preset::Best.config());
    Run { settings, data: "0123456789abcdef-and-so-on".into(), device: "CPU, 2 threads, f32".into() }
}

fn state(step: u64, models: usize) -> State {
    let params = (0..models).map(|model| Params::init(&SHAPES.model, step + model as u64, Init::Report)).collect();
    // A third has no end in binary; its text must bring back the same bits.
    let sums = (0..models).map(|model| 1.0 / 3.0 + model as f64).collect();
    let timing = Timing { training: Duration::from_nanos(1_234_567_891), steps: step, images: 9, ..Timing::default() };
    State {
        step,
        params,
        losses: BatchLosses { steps: step.min(4), sums },
        best: Some(Best { accuracy: 0.1 + 0.2, step: step.min(3) }),
        checks: Some(Checks { times: step, worst: 0.3 }),
        timing,
    }
}

pub(super) fn checkpoint(step: u64) -> Checkpoint {
    Checkpoint { run: run(), state: state(step, 1) }
}

fn decode(bytes: &[u8]) -> Result<Checkpoint, Fault> {
    Checkpoint::decode(bytes, bytes.len() as u64, &run(), &SHAPES)
}

#[track_caller]
fn damage(bytes: &[u8]) -> String {
    match decode(bytes) {
        Err(Fault::Damaged(what)) => what,
        other => panic!("expected damage, found {other:?}"),
    }
}

fn parts(bytes: &[u8]) -> (Value, Vec<u8>) {
    let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    (serde_json::from_slice(&bytes[8..8 + length]).unwrap(), bytes[8 + length..].to_vec())
}

fn file(header: &str, data: &[u8]) -> Vec<u8> {
    [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), data].concat()
}

/// A whole checkpoint whose header `edit` has changed; its metadata is then signed again.
fn edited(edit: impl FnOnce(&mut Value, &mut Value)) -> Vec<u8> {
    let (mut header, data) = parts(&checkpoint(7).encode().unwrap());
    let entry = header["__metadata__"][KEY].as_str().unwrap().to_owned();
    let mut meta = serde_json::from_str(entry.split_once(' ').unwrap().1).unwrap();
    edit(&mut header, &mut meta);
    let text = meta.to_string();
    header["__metadata__"][KEY] = format!("{} {text}", sha256(text.as_bytes())).into();
    file(&header.to_string(), &data)
}

#[test]
fn what_is_saved_comes_back_with_the_same_bits() {
    let saved = checkpoint(7);
    assert_eq!(decode(&saved.encode().unwrap()).unwrap(), saved);
    assert_eq!(saved.encode().unwrap(), saved.encode().unwrap());

    let saved = Checkpoint { state: State { best: None, ..state(9, 3) }, ..saved };
    let bytes = saved.encode().unwrap();
    let shapes = Shapes { models: 3, ..SHAPES };
    assert_eq!(Checkpoint::decode(&bytes[..], bytes.len() as u64, &run(), &shapes).unwrap(), saved);
}

#[test]
fn every_flipped_bit_is_noticed() {
    let bytes = checkpoint(7).encode().unwrap();
    for bit in 0..8 * bytes.len() {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert!(decode(&flipped).is_err(), "bit {} of byte {} of {}", bit % 8, bit / 8, bytes.len());
    }
}

#[test]
fn every_cut_is_noticed_and_so_is_a_tail() {
    let bytes = checkpoint(7).encode().unwrap();
    for length in 0..bytes.len() {
        damage(&bytes[..length]);
    }
    let message = damage(&[bytes.clone(), vec![0]].concat());
    assert!(message.contains("bytes, expected"), "{message}");
}

#[test]
fn a_checkpoint_from_before_a_setting_was_there_is_of_the_same_run() {
    let bytes = edited(|_, meta| {
        let settings = meta["run"]["settings"].as_object_mut().unwrap();
        settings.retain(|key, _| !["flip", "shift", "standardise"].contains(&key.as_str()));
    });
    assert_eq!(decode(&bytes).unwrap().state, checkpoint(7).state);
}

#[test]
fn unaligned_data_is_read() {
    let (header, data) = parts(&checkpoint(7).encode().unwrap());
    for spaces in 0..9 {
        let bytes = file(&format!("{header}{}", " ".repeat(spaces)), &data);
        assert_eq!(decode(&bytes).unwrap(), checkpoint(7), "{spaces} spaces behind the header");
    }
}

#[test]
fn a_malicious_header_is_refused_at_once_and_with_bounded_memory() {
    let start = Instant::now();
    let data = [0; 64];
    let huge = [&u64::MAX.to_le_bytes()[..], b"{}"].concat();
    assert!(damage(&huge).contains("18,446,744,073,709,551,615 bytes, expected 66,560 at most"), "{}", damage(&huge));
    for depth in [200, 30_000] {
        let deep = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        damage(&file(&deep, &data));
        damage(&file(&format!("{{\"a\":{deep}}}"), &data));
    }
    for header in ["", "{", "[]", "null", "{\"__metadata__\":{\"cyclone\":7}}", "{\"__metadata__\":{\"cyclone\":\"\"}}"]
    {
        damage(&file(header, &data));
    }
    assert!(start.elapsed() < Duration::from_secs(1), "took {:?}", start.elapsed());
}

#[test]
fn an_entry_that_is_there_twice_is_refused() {
    let (header, data) = parts(&checkpoint(7).encode().unwrap());
    let text = header.to_string();
    let twice = |name: &str, first: &str| {
        let entry = format!("{name:?}:");
        assert!(text.contains(&entry), "{entry} in {text}");
        // The first of the two is wrong; a reader that takes the last would not notice.
        let text = text.replacen(&entry, &format!("{entry}{first},{entry}"), 1);
        damage(&file(&text, &data))
    };
    for (name, first) in [("fc2.bias", "{\"dtype\":\"U8\"}"), ("__metadata__", "7"), ("cyclone", "\"\"")] {
        let message = twice(name, first);
        assert!(message.contains(&format!("{name:?} is there twice")), "{message}");
    }
    let message = twice("data_offsets", "[0,0]");
    assert!(message.contains("duplicate field `data_offsets`"), "{message}");
}

#[test]
fn places_that_overlap_leave_gaps_or_overflow_are_refused() {
    for place in [json!([0, 12]), json!([1, 13]), json!([12, 0]), json!([0, u64::MAX]), json!([u64::MAX - 3, 8])] {
        damage(&edited(|header, _| header["fc1.weight"]["data_offsets"] = place));
    }
    damage(&edited(|header, _| header["fc1.weight"]["shape"] = json!([u64::MAX, u64::MAX])));
}

#[test]
fn another_name_type_shape_or_number_of_tensors_is_refused() {
    let message = damage(&edited(|header, _| {
        // As many bytes as before.
        header["fc1.weight"]["shape"] = json!([5, 3]);
    }));
    assert_eq!(message, "fc1.weight: F32 [5, 3], expected F32 [3, 5]");
    let message = damage(&edited(|header, _| header["fc1.weight"]["dtype"] = "I32".into()));
    assert_eq!(message, "fc1.weight: I32 [3, 5], expected F32 [3, 5]");
    let message = damage(&edited(|header, _| {
        let tensor = header["fc2.bias"].take();
        header.as_object_mut().unwrap().remove("fc2.bias");
        header["fc3.bias"] = tensor;
    }));
    assert_eq!(message, "no tensor fc2.bias");
    let message = damage(&edited(|header, _| {
        header["more"] = json!({"dtype": "F32", "shape": [0], "data_offsets": [0, 0]});
    }));
    assert_eq!(message, "5 tensors, expected 4");
}

#[test]
fn weights_that_are_no_finite_numbers_are_refused_though_their_digest_is_right() {
    for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let mut saved = checkpoint(7);
        saved.state.params[0].values[bias(0)][2] = value;
        assert!(damage(&saved.encode().unwrap()).contains("expected a finite number"));
    }
}

#[test]
fn a_newer_format_is_named_and_no_damage() {
    let bytes = edited(|_, meta| {
        meta["version"] = 3.into();
        meta["program"] = "cyclone 9.0.0".into();
        meta["something new"] = 1.into();
    });
    let Err(Fault::Mismatch(message)) = decode(&bytes) else { panic!("not refused") };
    assert!(message.contains("written by cyclone 9.0.0 in format 3"), "{message}");
}

#[test]
fn metadata_with_what_no_version_has_is_refused() {
    assert!(damage(&edited(|_, meta| meta["more"] = 1.into())).contains("more"));
    damage(&edited(|_, meta| meta["losses"]["sums"] = json!([1.0, 2.0])));
    damage(&edited(|_, meta| meta["losses"]["steps"] = json!(8)));
    damage(&edited(|_, meta| meta["step"] = json!(-1)));
}

proptest! {
    #[test]
    fn no_bytes_are_taken_for_a_checkpoint(bytes in proptest::collection::vec(any::<u8>(), 0..300), length: u64) {
        prop_assert!(Checkpoint::decode(&bytes[..], length, &run(), &SHAPES).is_err());
    }

    #[test]
    fn no_header_is_taken_for_a_checkpoints(text in "[\\[\\]{}\":,a-c0-2\\\\ _]{0,80}", data in any::<[u8; 9]>()) {
        prop_assert!(decode(&file(&text, &data)).is_err());
    }

    #[test]
    fn a_checkpoint_with_a_piece_exchanged_is_that_checkpoint_or_refused(
        at in 0_usize..2000, piece in proptest::collection::vec(any::<u8>(), 1..9)
    ) {
        let mut bytes = checkpoint(7).encode().unwrap();
        let at = at % bytes.len();
        let end = (at + piece.len()).min(bytes.len());
        bytes.splice(at..end, piece);
        if let Ok(read) = decode(&bytes) {
            prop_assert_eq!(read, checkpoint(7));
        }
    }

    #[test]
    fn any_finite_state_comes_back(
        step in any::<u32>(), sum in proptest::num::f64::NORMAL | proptest::num::f64::SUBNORMAL | proptest::num::f64::ZERO,
        best in proptest::option::of(0.0..1.0), weight in proptest::num::f32::NORMAL | proptest::num::f32::SUBNORMAL,
    ) {
        let mut saved = checkpoint(step.into());
        saved.state.best = best.map(|accuracy| Best { accuracy, step: 2 });
        saved.state.losses.sums[0] = sum;
        saved.state.params[0].values[2][5] = weight;
        prop_assert_eq!(decode(&saved.encode().unwrap()).unwrap(), saved);
    }
}
