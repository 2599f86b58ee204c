//! Images flipped from left to right.

use super::dataset::{Dataset, blank_pixels};
use super::moves::{Images, Move};
use crate::error::Result;

/// The images `rows` of a data set, each flipped from left to right, as a data set of their own; an error if they are no
/// pictures.
pub fn mirrored(dataset: &Dataset, rows: &[u32]) -> Result<Dataset> {
    dataset.planes_for("--mirror")?;
    let mut pixels = blank_pixels(rows.len() * dataset.inputs)?;
    let moves = vec![Move { flip: true, ..Move::default() }; rows.len()];
    dataset.gather(Images { moves: &moves, ..rows.into() }, &mut pixels);
    let labels = rows.iter().map(|&row| dataset.labels[row as usize]).collect();
    let (name, classes) = (dataset.name.clone(), dataset.classes.clone());
    Ok(Dataset::in_memory(name, classes, dataset.inputs, pixels, labels, rows.len()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::INPUTS;
    use crate::data::cifar::{PLANE, SIDE};

    #[test]
    fn each_row_of_each_plane_is_reversed_and_twice_is_the_image() {
        let pixels: Vec<u8> = (0..3 * INPUTS).map(|place| (place % 251) as u8).collect();
        let dataset = Dataset::in_memory("tiny", vec!["a".into(), "b".into()], INPUTS, pixels, vec![0, 1, 0], 2);
        let once = mirrored(&dataset, &[2, 1]).unwrap();
        assert_eq!((&once.labels[..], once.train), (&[0, 1][..], 2));
        for (row, of) in [(0, 2), (1, 1)] {
            for (channel, y, x) in [(0, 0, 0), (1, 3, 5), (2, 31, 31)] {
                let at = |x| channel * PLANE + y * SIDE + x;
                assert_eq!(once.image(row)[at(x)], dataset.image(of)[at(SIDE - 1 - x)], "{channel} {y} {x}");
            }
        }
        assert_eq!(mirrored(&once, &[0]).unwrap().image(0), dataset.image(2));
    }
}
