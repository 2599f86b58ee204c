//! `tally` and `squares`: sums for evaluations. `gather`: copies, moved or not, and so exact.

use super::case::{BEFORE, Bench, sum_limit};
use super::inputs::side_by_side;
use crate::data::spec::Augment;
use crate::data::{Mix, Move, Planes};
use crate::gpu::plan::{PART, TALLY};
use crate::proof::compare::Rule;
use crate::verify::launch::{Expected, Launch, Tensor};

/// Sums of losses and of right answers over groups of 64 images.
pub fn tally(mut bench: Bench) -> Launch {
    let (_, _, models, b) = bench.sizes();
    let groups = b.div_ceil(TALLY as usize);
    let mut scores = bench.draw.numbers((b + 3) * models * 2, 3.0);
    for score in scores.chunks_exact_mut(2) {
        score[1] = if score[1] > 0.0 { 1.0 } else { 0.0 };
    }
    // Other batches' tallies must stay as they are.
    let before = bench.draw.numbers((BEFORE.2 + groups + 2) * models * 2, 3.0);
    let sums = |part: usize, of: &dyn Fn(f64) -> f64| -> Vec<f64> {
        let mut after: Vec<f64> = before.iter().skip(part).step_by(2).map(|sum| f64::from(*sum)).collect();
        for group in 0..groups {
            for m in 0..models {
                let images = group * TALLY as usize..b.min((group + 1) * TALLY as usize);
                after[(BEFORE.2 + group) * models + m] =
                    images.map(|b| of(f64::from(scores[(b * models + m) * 2 + part]))).sum();
            }
        }
        after
    };
    let rule = bench.rule(sum_limit(TALLY, 0), || sums(0, &f64::abs).iter().map(|sum| sum.abs()).collect());
    let expected = vec![
        Expected { of: (0, 2), ..Expected::new("tallies", "losses", sums(0, &|loss| loss), rule) },
        Expected { of: (1, 2), ..Expected::new("tallies", "right answers", sums(1, &|right| right), Rule::Exact) },
    ];
    bench.launch(vec![Tensor::floats("scores", &scores), Tensor::floats("tallies", &before)], expected)
}

/// Sums of squares of W1, whose columns are strided.
pub fn squares(mut bench: Bench) -> Launch {
    let (h, padded, models, _) = bench.sizes();
    let d = bench.case.shape.d;
    let w1: Vec<_> = (0..models).map(|_| bench.draw.numbers(d * h, 0.05)).collect();
    let parts = w1.iter().flat_map(|w1| w1.chunks(PART as usize));
    let values: Vec<f64> = parts.map(|part| part.iter().map(|w| f64::from(*w).powi(2)).sum()).collect();
    let rule = bench.rule(sum_limit(PART.min((d * h) as u64), 0), || values.clone());
    // What pads a model is zero in training; here it is not, to see that it does not count.
    let mut matrix = side_by_side(&w1, h, padded);
    for (i, value) in matrix.iter_mut().enumerate() {
        if i % padded >= h {
            *value = 7.0;
        }
    }
    let tensors = vec![Tensor::floats("matrix", &matrix), Tensor::unwritten("squares", values.len())];
    let expected = vec![Expected::new("squares", "squares", values, rule)];
    bench.launch(tensors, expected)
}

/// `d` inputs as planes of odd shapes: 3,072 are 3 of 32 × 32 pixels, 1,001 are 7 of 11 × 13.
fn planes(d: usize) -> Planes {
    let channels = [7, 5, 3, 2].into_iter().find(|count| d.is_multiple_of(*count)).unwrap_or(1);
    let plane = d / channels;
    let height = (1..=plane).rfind(|height| plane.is_multiple_of(*height) && height * height <= plane).unwrap_or(1);
    Planes { channels, height, width: plane / height }
}

/// Rows of a chunk out of the images of one buffer, of two, two of three rows moved; the other's rows must stay as they are.
pub fn gather(mut bench: Bench) -> Launch {
    let (d, b) = (bench.case.shape.d, bench.case.shape.b);
    let row_bytes = d.next_multiple_of(4);
    let (first, count) = (5, 7);
    let mut images = bench.draw.pixels(count * row_bytes);
    // What pads an image.
    images.chunks_exact_mut(row_bytes).for_each(|image| image[d..].fill(0));
    let planes = planes(d);
    let draw = bench.draw.labels(2 * b, 256);
    // Up to the largest shift that a side allows.
    let by = |draw: u32, side: usize| {
        let most = (side - 1).min(Augment::MAX_SHIFT);
        (draw as usize % (2 * most + 1)) as i8 - most as i8
    };
    let moves = (0..b).map(|i| match i % 3 {
        0 => Move::default(),
        turn => Move { flip: turn == 1, dx: by(draw[2 * i], planes.width), dy: by(draw[2 * i + 1], planes.height) },
    });
    let moves: Vec<Move> = moves.collect();
    // Every fourth image is mixed with one of this buffer.
    let mixes = (0..b).map(|i| match i % 4 {
        3 => Mix { row: (first + i * 5 % count) as u32, by: moves[i / 2], share: 1 + draw[i] as u8 / 2 },
        _ => Mix::default(),
    });
    let mixes: Vec<Mix> = mixes.collect();
    // Rows of this buffer, of the one before it and of one behind it.
    let rows: Vec<u32> = (0..b).map(|i| (i * 11 % (first + count + 4)) as u32).collect();
    let pixels = bench.draw.pixels(b * row_bytes);
    let mut expected = pixels.clone();
    let copied = |image: usize, by: Move, out: &mut [u8]| planes.copy(by, &images[image * row_bytes..][..d], out);
    let changes = moves.iter().zip(&mixes);
    for ((row, (by, mix)), pixels) in rows.iter().zip(changes.clone()).zip(expected.chunks_exact_mut(row_bytes)) {
        if let Some(image) = (*row as usize).checked_sub(first).filter(|image| *image < count) {
            pixels.fill(0);
            copied(image, *by, &mut pixels[..d]);
            if mix.share > 0 {
                let mut other = vec![0; d];
                copied(mix.row as usize - first, mix.by, &mut other);
                mix.mix(&mut pixels[..d], &other);
            }
        }
    }
    let words = changes.flat_map(|(by, mix)| [by.word(), mix.row, mix.by.word(), mix.share.into()]);
    // Words as numbers: exact even where they are tiny, so any other word differs.
    let expected = Tensor::bytes("pixels", &expected);
    let values = expected.words.iter().map(|word| f32::from_bits(*word).into()).collect();
    let tensors = vec![
        Tensor::bytes("images", &images),
        Tensor::integers("rows", rows),
        Tensor::integers("changes", words.collect()),
        Tensor::bytes("pixels", &pixels),
    ];
    let mut launch = bench.launch(tensors, vec![Expected::new("pixels", "pixels", values, Rule::Exact)]);
    let sides = [("WIDTH", planes.width as f64), ("HEIGHT", planes.height as f64)];
    launch.constants.extend([("FIRST", first as f64), ("COUNT", count as f64)].into_iter().chain(sides));
    launch
}
