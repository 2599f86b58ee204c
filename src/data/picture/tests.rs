use std::fs::File;

use image::ImageEncoder;
use image::codecs::jpeg::JpegEncoder;
use image::codecs::png::PngEncoder;
use tempfile::TempDir;

use super::super::cifar::INPUTS;
use super::*;

/// EXIF data with only an orientation: a TIFF header, and a directory with one entry.
fn exif(orientation: u8) -> Vec<u8> {
    [b"II\x2a\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0".as_slice(), &[orientation, 0, 0, 0, 0, 0, 0, 0]].concat()
}

/// The quarter of 2 x 2, row by row, that is red after decoding an image that is stored with a red lower left.
fn red_quarter<E: ImageEncoder>(orientation: u8, width: u32, height: u32, encoder: impl FnOnce(File) -> E) -> usize {
    let stored = RgbImage::from_fn(width, height, |x, y| Rgb([255 * u8::from(x < width / 2 && y >= height / 2), 0, 0]));
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("picture");
    let mut encoder = encoder(File::create(&path).unwrap());
    encoder.set_exif_metadata(exif(orientation)).unwrap();
    encoder.write_image(&stored, width, height, image::ExtendedColorType::Rgb8).unwrap();
    let mut pixels = vec![0; INPUTS];
    assert_eq!(read(&path, &mut pixels).unwrap(), (width, height) != (32, 32));
    let quarters = [(8, 8), (24, 8), (8, 24), (24, 24)].map(|(x, y)| pixels[y * SIDE + x] > 128);
    assert_eq!(quarters.iter().filter(|red| **red).count(), 1, "{quarters:?}");
    quarters.iter().position(|red| *red).unwrap()
}

/// EXIF 2.32, section 4.6.4: the sides of the image where the first row and the first column are.
#[test]
fn the_exif_orientation_is_applied() {
    let [upper_left, upper_right, lower_left, lower_right] = [0, 1, 2, 3];
    // 6: the stored first row is the right side: the camera was rotated, and the stored left side is the top.
    let mirrored_or_turned = [lower_right, upper_right, upper_left, upper_right, upper_left, lower_left, lower_right];
    let red = [&[lower_left], &mirrored_or_turned[..], &[lower_left]].concat();
    for (orientation, expected) in (1..).zip(red) {
        for (width, height) in [(32, 32), (96, 48)] {
            let jpeg = red_quarter(orientation, width, height, |file| JpegEncoder::new_with_quality(file, 95));
            let png = red_quarter(orientation, width, height, PngEncoder::new);
            assert_eq!((jpeg, png), (expected, expected), "orientation {orientation}, {width} x {height}");
        }
    }
}

#[test]
fn an_image_has_at_most_16384_pixels_a_side() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("wide.png");
    let mut pixels = vec![0; INPUTS];
    RgbImage::from_pixel(16_384, 1, Rgb([7, 8, 9])).save(&path).unwrap();
    assert!(read(&path, &mut pixels).unwrap());
    assert_eq!(pixels, [[7; PLANE], [8; PLANE], [9; PLANE]].concat());
    RgbImage::new(1, 16_385).save(&path).unwrap();
    let error = read(&path, &mut pixels).unwrap_err();
    assert_eq!(error.exit_code(), 3);
    assert!(
        error.to_string().contains("1 x 16,385 pixels") && error.to_string().contains("16,384 pixels a side"),
        "{error}"
    );
}

#[test]
fn a_file_of_more_than_a_gibibyte_is_not_read() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("long.jpg");
    RgbImage::new(32, 32).save(&path).unwrap();
    // A sparse file, which takes no disk space.
    File::options().write(true).open(&path).unwrap().set_len((1 << 30) + 1).unwrap();
    let error = read(&path, &mut vec![0; INPUTS]).unwrap_err();
    assert!(error.to_string().contains("1,073,741,825 bytes, expected 1,073,741,824 at most"), "{error}");
}

#[test]
fn a_truncated_jpeg_is_refused_even_if_its_thumbnail_is_complete() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("cut.jpg");
    // Noise, so that most of the file is image data.
    let noise = RgbImage::from_fn(64, 64, |x, y| Rgb([0, 1, 2].map(|c| (x * 31 + y * 17 + c * x * y).pow(2) as u8)));
    let mut thumbnail = Vec::new();
    JpegEncoder::new(&mut thumbnail).encode_image(&noise).unwrap();
    let mut whole = Vec::new();
    let mut encoder = JpegEncoder::new(&mut whole);
    encoder.set_exif_metadata([exif(1), thumbnail].concat()).unwrap();
    encoder.encode_image(&noise).unwrap();
    let mut pixels = vec![0; INPUTS];
    for length in (0..whole.len()).step_by(97).chain([whole.len() - 1]) {
        fs::write(&path, &whole[..length]).unwrap();
        assert_eq!(read(&path, &mut pixels).unwrap_err().exit_code(), 3, "{length} of {} bytes", whole.len());
    }
    // Fill bytes may precede a marker (ITU-T T.81, B.1.1.2).
    let filled = [&whole[..2], &[0xff; 3], &whole[2..]].concat();
    fs::write(&path, filled).unwrap();
    read(&path, &mut pixels).unwrap();
    // Some cameras append data.
    for end in [&b""[..], b"\0\0\0", b"SEFT"] {
        fs::write(&path, [&whole, end].concat()).unwrap();
        read(&path, &mut pixels).unwrap();
    }
}
