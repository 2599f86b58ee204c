//! Images as they are trained on: rows of a data set, each perhaps mirrored and shifted, and mixed with another.

use std::ops::Range;

use rayon::prelude::*;

/// An image's bytes as colour planes, `[channels][height][width]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Planes {
    /// Colours.
    pub channels: usize,
    /// Rows of pixels.
    pub height: usize,
    /// Pixels of a row.
    pub width: usize,
}

impl Planes {
    /// Those of CIFAR-10, to which every picture here is resized.
    pub const CIFAR: Self = Self { channels: 3, height: 32, width: 32 };

    /// Pixels of a plane.
    pub const fn plane(&self) -> usize {
        self.height * self.width
    }

    /// Bytes of an image.
    pub const fn inputs(&self) -> usize {
        self.channels * self.plane()
    }

    /// Copies `image` to `out`, moved `by` less than a side. Pixel `(x, y)` of `out` is pixel `(x' + dx, y + dy)` of `image`, `x'`
    /// being `width − 1 − x` if mirrored, else `x`; borders are reflected without repeating the edge, as by `numpy.pad`'s mode
    /// `reflect`. The shader's twin: `shaders/gather.wgsl`.
    pub fn copy(&self, by: Move, image: &[u8], out: &mut [u8]) {
        let Move { flip, dx, dy } = by;
        for (plane, out) in image.chunks_exact(self.plane()).zip(out.chunks_exact_mut(self.plane())) {
            for (y, out) in out.chunks_exact_mut(self.width).enumerate() {
                let from = reflected(y.cast_signed() + isize::from(dy), self.height);
                shift(&plane[from * self.width..][..self.width], dx.into(), out);
                if flip {
                    out.reverse();
                }
            }
        }
    }
}

/// A place beyond the ends of `0..length` reflected: 2, 1, 0, 1, 2 …
fn reflected(place: isize, length: usize) -> usize {
    let inside = place.unsigned_abs();
    inside.min(2 * (length - 1) - inside)
}

/// `out[x] = row[reflected(x + dx)]`, but that what stays inside is copied at once: an image of CIFAR-10, mirrored or not and
/// shifted by up to 2, takes 0.7 µs, and 1.1 by a table of columns (AMD EPYC, the least of 60 times, 2026-11-27).
fn shift(row: &[u8], dx: isize, out: &mut [u8]) {
    let (width, edge) = (row.len(), dx.unsigned_abs());
    let (kept, reflects) = if dx < 0 { (edge..width, 0..edge) } else { (0..width - edge, width - edge..width) };
    out[kept.clone()].copy_from_slice(&row[kept.start.wrapping_add_signed(dx)..][..kept.len()]);
    for x in reflects {
        out[x] = row[reflected(x.cast_signed() + dx, width)];
    }
}

/// How an image is moved; the default is not at all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Move {
    /// Whether it is mirrored, left to right.
    pub flip: bool,
    /// Pixels to the right of a pixel of the image from where it is taken.
    pub dx: i8,
    /// The same, down.
    pub dy: i8,
}

impl Move {
    /// As shaders read it: bit 0 mirrors, bytes 1 and 2 are `dx` and `dy` in two's complement.
    pub fn word(self) -> u32 {
        u32::from_le_bytes([self.flip.into(), self.dx.cast_unsigned(), self.dy.cast_unsigned(), 0])
    }
}

/// What an image is mixed with, pixel by pixel: of a byte `a` of the image and `b` of the other, once both are moved, comes
/// `((256 − share)·a + share·b + 128) / 256`, rounded down. The default is nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mix {
    /// The other image's row.
    pub row: u32,
    /// How that one is moved.
    pub by: Move,
    /// Its share, in 256ths.
    pub share: u8,
}

impl Mix {
    /// Mixes `other` into `image`. The shader's twin: `shaders/gather.wgsl`.
    pub fn mix(self, image: &mut [u8], other: &[u8]) {
        let share = u32::from(self.share);
        for (a, &b) in image.iter_mut().zip(other) {
            *a = (((256 - share) * u32::from(*a) + share * u32::from(b) + 128) >> 8) as u8;
        }
    }
}

/// Some images of a data set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Images<'a> {
    /// Their rows.
    pub rows: &'a [u32],
    /// How each is moved; empty if none is.
    pub moves: &'a [Move],
    /// What each is mixed with; empty if none is.
    pub mixes: &'a [Mix],
}

impl<'a, R: AsRef<[u32]> + ?Sized> From<&'a R> for Images<'a> {
    /// The images of these rows as they are.
    fn from(rows: &'a R) -> Self {
        Self { rows: rows.as_ref(), moves: &[], mixes: &[] }
    }
}

impl<'a> Images<'a> {
    /// How many.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Those at these places, as far as there are so many.
    #[must_use]
    pub fn part(&self, places: Range<usize>) -> Self {
        let part = |len: usize| places.start.min(len)..places.end.min(len);
        Self {
            rows: &self.rows[part(self.rows.len())],
            moves: &self.moves[part(self.moves.len())],
            mixes: &self.mixes[part(self.mixes.len())],
        }
    }

    /// The first `count`, and the others.
    pub fn split_at(&self, count: usize) -> (Self, Self) {
        (self.part(0..count), self.part(count..self.len()))
    }

    /// `size` after `size` of them; the last may be fewer.
    pub fn chunks(self, size: usize) -> impl Iterator<Item = Self> {
        (0..self.len()).step_by(size).map(move |first| self.part(first..first + size))
    }

    /// The same for threads.
    pub fn par_chunks(self, size: usize) -> impl IndexedParallelIterator<Item = Self> + 'a {
        let part = move |place| self.part(place * size..(place + 1) * size);
        (0..self.len().div_ceil(size)).into_par_iter().map(part)
    }

    /// Whether they are the images of the data set as they are.
    pub fn are_unchanged(&self) -> bool {
        self.moves.is_empty() && self.mixes.is_empty()
    }

    /// Each row with its move and what it is mixed with.
    pub fn iter(self) -> impl Iterator<Item = (u32, Move, Mix)> + 'a {
        let move_of = move |place| self.moves.get(place).copied().unwrap_or_default();
        let mix_of = move |place| self.mixes.get(place).copied().unwrap_or_default();
        self.rows.iter().enumerate().map(move |(place, &row)| (row, move_of(place), mix_of(place)))
    }
}

/// Images of its own.
#[derive(Clone, Debug, Default)]
pub struct ImageList {
    pub(super) rows: Vec<u32>,
    pub(super) moves: Vec<Move>,
    pub(super) mixes: Vec<Mix>,
}

impl ImageList {
    /// A view of them.
    pub fn images(&self) -> Images<'_> {
        Images { rows: &self.rows, moves: &self.moves, mixes: &self.mixes }
    }

    /// Adds these behind the others.
    pub fn append(&mut self, images: Images<'_>) {
        let before = self.rows.len();
        self.rows.extend_from_slice(images.rows);
        append(&mut self.moves, images.moves, before, self.rows.len());
        append(&mut self.mixes, images.mixes, before, self.rows.len());
    }

    /// Removes all.
    pub fn clear(&mut self) {
        self.rows.clear();
        self.moves.clear();
        self.mixes.clear();
    }
}

/// Appends what happens to some images, nothing if there is none, to what happens to the `before` ones, so that it is `all`.
fn append<T: Copy + Default>(list: &mut Vec<T>, more: &[T], before: usize, all: usize) {
    if !(list.is_empty() && more.is_empty()) {
        list.resize(before, T::default());
        list.extend_from_slice(more);
        list.resize(all, T::default());
    }
}

impl<'a> FromIterator<Images<'a>> for ImageList {
    fn from_iter<I: IntoIterator<Item = Images<'a>>>(parts: I) -> Self {
        let mut list = Self::default();
        parts.into_iter().for_each(|images| list.append(images));
        list
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every move by less than the sides of `planes`.
    fn moves(planes: &Planes) -> Vec<Move> {
        let [height, width] = [planes.height, planes.width].map(|side| side as i8);
        let of =
            |flip| (1 - height..height).flat_map(move |dy| (1 - width..width).map(move |dx| Move { flip, dx, dy }));
        [false, true].into_iter().flat_map(of).collect()
    }

    #[test]
    fn every_pixel_is_the_one_that_its_move_names() {
        for (channels, height, width) in [(3, 5, 7), (1, 1, 4), (2, 6, 1)] {
            let planes = Planes { channels, height, width };
            let image: Vec<u8> = (0..planes.inputs()).map(|at| (at * 7 + 3) as u8).collect();
            for by in moves(&planes) {
                let mut moved = vec![0; planes.inputs()];
                planes.copy(by, &image, &mut moved);
                for (at, pixel) in moved.into_iter().enumerate() {
                    let (plane, y, x) = (at / planes.plane(), at / width % height, at % width);
                    let x = if by.flip { width - 1 - x } else { x };
                    // Walks to the pixel, and turns round at a border.
                    let walk = |mut place: usize, by: i8, length: usize| {
                        let mut forward = by > 0;
                        for _ in 0..by.unsigned_abs() {
                            forward = if forward { place + 1 < length } else { place == 0 };
                            place = if forward { place + 1 } else { place - 1 };
                        }
                        place
                    };
                    let (y, x) = (walk(y, by.dy, height), walk(x, by.dx, width));
                    assert_eq!(pixel, image[plane * planes.plane() + y * width + x], "{planes:?}, {by:?}, place {at}");
                }
            }
        }
    }

    #[test]
    fn borders_are_those_of_numpy() {
        // numpy.pad([1, 2, 3, 4, 5], 2, "reflect") is 3 2 1 2 3 4 5 4 3.
        let planes = Planes { channels: 1, height: 1, width: 5 };
        let moved = |flip, dx| {
            let mut out = [0; 5];
            planes.copy(Move { flip, dx, dy: 0 }, &[1, 2, 3, 4, 5], &mut out);
            out
        };
        assert_eq!(
            [-2, -1, 0, 1, 2].map(|dx| moved(false, dx)),
            [[3, 2, 1, 2, 3], [2, 1, 2, 3, 4], [1, 2, 3, 4, 5], [2, 3, 4, 5, 4], [3, 4, 5, 4, 3]]
        );
        assert_eq!(moved(true, 2), [3, 4, 5, 4, 3]);
        assert_eq!(moved(true, 1), [4, 5, 4, 3, 2]);
    }

    #[test]
    fn a_move_is_one_word() {
        assert_eq!(Move::default().word(), 0);
        assert_eq!(Move { flip: true, dx: 3, dy: -2 }.word(), 0x00fe_0301);
    }

    #[test]
    fn images_that_are_moved_stand_beside_others_that_are_not() {
        let by = Move { flip: true, dx: 1, dy: -1 };
        let moved = Images { rows: &[4, 5], moves: &[by; 2], mixes: &[] };
        let (plain, none) = (Images::from(&[7, 8, 9]), Move::default());
        let list: ImageList = [plain, moved, plain.part(2..9)].into_iter().collect();
        let found: Vec<_> = list.images().iter().map(|(row, by, _)| (row, by)).collect();
        assert_eq!(found, [(7, none), (8, none), (9, none), (4, by), (5, by), (9, none)]);
        let plain: ImageList = [plain; 2].into_iter().collect();
        assert!(plain.images().moves.is_empty() && plain.images().len() == 6);
        let (first, rest) = list.images().split_at(4);
        assert_eq!((first.rows, rest.rows, rest.moves), (&[7, 8, 9, 4][..], &[5, 9][..], &[by, none][..]));
        assert_eq!(list.images().chunks(4).collect::<Vec<_>>(), [first, rest]);
        let mix = Mix { row: 3, by, share: 7 };
        let plain = Images::from(&[7, 8, 9]);
        let list: ImageList = [plain, Images { mixes: &[mix], ..(&[5]).into() }].into_iter().collect();
        assert_eq!(list.images().mixes, [Mix::default(), Mix::default(), Mix::default(), mix]);
    }

    #[test]
    fn a_mixed_byte_is_the_nearest_to_the_weighted_mean() {
        for share in 0..=u8::MAX {
            let mut images = [0, 0, 10, 200, 255, 255];
            Mix { share, ..Mix::default() }.mix(&mut images, &[0, 255, 200, 10, 0, 255]);
            let exact = |a: f64, b: f64| a + (b - a) * f64::from(share) / 256.0;
            let expected = [(0.0, 0.0), (0.0, 255.0), (10.0, 200.0), (200.0, 10.0), (255.0, 0.0), (255.0, 255.0)];
            for (found, (a, b)) in images.into_iter().zip(expected) {
                assert!((f64::from(found) - exact(a, b)).abs() <= 0.5, "{share}: {found}, {}", exact(a, b));
            }
        }
    }
}
