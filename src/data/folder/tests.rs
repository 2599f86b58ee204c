use image::{DynamicImage, GrayImage, ImageBuffer, ImageFormat, Luma, Rgb, RgbImage, Rgba};
use tempfile::TempDir;

use super::super::cifar::{self, PLANE};
use super::*;

/// An image whose pixels depend on the image, the position and the channel.
fn image(seed: u8, width: u32, height: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| Rgb([seed, (x * 7) as u8, (y * 5) as u8]))
}

/// An image folder with three classes, of 2, 3 and 4 training images and 1 test image each.
fn sample() -> TempDir {
    let folder = TempDir::new().unwrap();
    for (place, class) in ["ant", "bee", "cow"].into_iter().enumerate() {
        for (part, count) in [("train", 2 + place), ("test", 1)] {
            let target = folder.path().join(part).join(class);
            fs::create_dir_all(&target).unwrap();
            for number in 0..count {
                let seed = (100 * usize::from(part == "test") + 10 * place + number) as u8;
                image(seed, 32, 32).save(target.join(format!("{number}.png"))).unwrap();
            }
        }
    }
    folder
}

/// The image folder with another file instead of the first ant.
fn with(name: &str, save: impl FnOnce(&Path)) -> TempDir {
    let folder = sample();
    fs::remove_file(folder.path().join("train/ant/0.png")).unwrap();
    save(&folder.path().join("train/ant").join(name));
    folder
}

#[track_caller]
fn refuses(folder: &TempDir, place: &str, expected: &str) {
    let error = open(folder.path()).unwrap_err();
    let message = error.to_string();
    assert_eq!(error.exit_code(), 3, "{message}");
    // Collecting the components removes a separator at the end.
    let place: PathBuf = folder.path().join(place).components().collect();
    assert!(message.starts_with(&format!("{}: ", place.display())), "{message}");
    assert!(message.contains(expected), "{message}");
}

/// Red of the first pixel, which is the seed of [`image`].
fn seed_of(dataset: &Dataset, row: usize) -> u8 {
    dataset.image(row as u32)[0]
}

#[test]
fn every_image_is_read_with_its_class_and_its_planes() {
    let dataset = open(sample().path()).unwrap();
    assert_eq!((dataset.train, dataset.labels.len()), (9, 12));
    assert_eq!(dataset.classes, ["ant", "bee", "cow"]);
    assert_eq!((dataset.batches.len(), dataset.notice.as_ref()), (0, None));
    let mut found: Vec<_> = (0..9).map(|row| (seed_of(&dataset, row), dataset.labels[row])).collect();
    assert!(!found.is_sorted(), "the training images are shuffled");
    found.sort_unstable();
    assert_eq!(found, [(0, 0), (1, 0), (10, 1), (11, 1), (12, 1), (20, 2), (21, 2), (22, 2), (23, 2)]);
    assert_eq!((9..12).map(|row| seed_of(&dataset, row)).collect::<Vec<_>>(), [100, 110, 120]);
    let pixels = dataset.image(0);
    assert_eq!((pixels[PLANE + 3], pixels[2 * PLANE + 3 * SIDE]), (3 * 7, 3 * 5));
}

#[test]
fn the_images_of_the_binary_files_saved_as_png_are_the_same_images() {
    let binary = cifar::tests::dataset();
    let folder = TempDir::new().unwrap();
    for row in 0..binary.labels.len() {
        let part = if row < binary.train { "train" } else { "test" };
        let planes = binary.image(row as u32);
        let saved = RgbImage::from_fn(32, 32, |x, y| {
            let at = y as usize * SIDE + x as usize;
            Rgb([planes[at], planes[PLANE + at], planes[2 * PLANE + at]])
        });
        for (label, class) in binary.classes.iter().enumerate() {
            let target = folder.path().join(part).join(class);
            fs::create_dir_all(&target).unwrap();
            if label == usize::from(binary.labels[row]) {
                saved.save(target.join(format!("{row}.png"))).unwrap();
            }
        }
    }
    // Three test images cannot fill ten test classes: the others get one each, which is not compared.
    let fillers = 10 - (binary.labels.len() - binary.train);
    for class in &binary.classes {
        let target = folder.path().join("test").join(class);
        if fs::read_dir(&target).unwrap().next().is_none() {
            image(0, 32, 32).save(target.join("filler.png")).unwrap();
        }
    }
    let read = open(folder.path()).unwrap();
    assert_eq!((read.train, read.labels.len()), (binary.train, binary.labels.len() + fillers));
    let sorted = |dataset: &Dataset, rows: std::ops::Range<usize>| {
        let mut images: Vec<_> = rows.map(|row| (dataset.labels[row], dataset.image(row as u32).to_vec())).collect();
        images.sort();
        images
    };
    assert_eq!(sorted(&read, 0..read.train), sorted(&binary, 0..binary.train));
    let test = sorted(&read, read.train..read.labels.len());
    assert!(sorted(&binary, binary.train..binary.labels.len()).iter().all(|image| test.contains(image)));
}

#[test]
fn grey_transparent_and_deep_images_become_rgb() {
    let grey = GrayImage::from_fn(32, 32, |x, _| Luma([x as u8]));
    let clear = ImageBuffer::from_fn(32, 32, |x, _| Rgba([x as u8, x as u8, x as u8, 7]));
    let deep = ImageBuffer::from_fn(32, 32, |x, _| Luma([x as u16 * 257]));
    for image in [DynamicImage::from(grey), DynamicImage::from(clear), DynamicImage::from(deep)] {
        let folder = with("other.png", |path| image.save(path).unwrap());
        let dataset = open(folder.path()).unwrap();
        let expected: Vec<u8> = (0..3 * 1024u32).map(|at| (at % 32) as u8).collect();
        assert!((0..dataset.train as u32).any(|row| dataset.image(row) == expected));
        assert_eq!(dataset.notice, None);
    }
}

#[test]
fn jpegs_are_read_under_any_name() {
    let folder = with("photo", |path| image(77, 32, 32).save_with_format(path, ImageFormat::Jpeg).unwrap());
    let dataset = open(folder.path()).unwrap();
    assert!((0..9).any(|row| seed_of(&dataset, row).abs_diff(77) < 10));
}

#[test]
fn other_sizes_are_resized_and_counted() {
    let flat = RgbImage::from_pixel(57, 40, Rgb([9, 90, 200]));
    let folder = with("large.png", |path| flat.save(path).unwrap());
    let dataset = open(folder.path()).unwrap();
    assert_eq!(dataset.notice.as_deref(), Some("Data: 1 of 12 images were resized to 32 x 32 pixels."));
    let expected = [[9; PLANE], [90; PLANE], [200; PLANE]].concat();
    assert!((0..9).any(|row| dataset.image(row) == expected));
}

#[test]
fn a_file_that_is_not_an_image_is_named() {
    for (name, bytes) in [("0.txt", &b"hello"[..]), ("empty.png", b""), ("page.jpg", b"<html>"), ("a.gif", b"GIF89a")] {
        let folder = with(name, |path| fs::write(path, bytes).unwrap());
        refuses(&folder, &format!("train/ant/{name}"), "neither PNG nor JPEG");
    }
}

#[test]
fn a_damaged_image_is_named() {
    for (format, expected) in
        [(ImageFormat::Png, "expected a PNG or JPEG image"), (ImageFormat::Jpeg, "the JPEG image does not end")]
    {
        let folder = with("cut", |path| {
            image(0, 32, 32).save_with_format(path, format).unwrap();
            let bytes = fs::read(path).unwrap();
            fs::write(path, &bytes[..bytes.len() / 2]).unwrap();
        });
        refuses(&folder, "train/ant/cut", expected);
    }
}

#[test]
fn a_bomb_is_refused_by_its_header() {
    // The header of a PNG of 65,535 x 65,535 pixels: 12 GiB if it were true.
    let folder = with("bomb.png", |path| {
        image(0, 32, 32).save(path).unwrap();
        let mut bytes = fs::read(path).unwrap();
        bytes[16..24].copy_from_slice(&[0, 0, 255, 255, 0, 0, 255, 255]);
        let mut checksum = flate2::Crc::new();
        checksum.update(&bytes[12..29]);
        bytes[29..33].copy_from_slice(&checksum.sum().to_be_bytes());
        fs::write(path, bytes).unwrap();
    });
    refuses(
        &folder,
        "train/ant/bomb.png",
        "65,535 x 65,535 pixels, 12,884,508,675 bytes decoded: expected 16,384 pixels a side",
    );
}

#[test]
fn classes_must_be_the_same_in_both_parts() {
    let folder = sample();
    fs::create_dir(folder.path().join("test/dog")).unwrap();
    refuses(&folder, "", "class dog is in test but not in train");
    let folder = sample();
    fs::remove_dir_all(folder.path().join("test/bee")).unwrap();
    refuses(&folder, "", "class bee is in train but not in test");
}

#[test]
fn one_class_or_an_empty_one_is_refused() {
    let folder = sample();
    for part in ["train", "test"] {
        for class in ["bee", "cow"] {
            fs::remove_dir_all(folder.path().join(part).join(class)).unwrap();
        }
    }
    refuses(&folder, "train", "1 classes, expected 2 to 256");
    let folder = sample();
    fs::remove_file(folder.path().join("test/cow/0.png")).unwrap();
    refuses(&folder, "test/cow", "no images");
}

#[test]
fn hidden_files_are_skipped_and_stray_files_are_named() {
    let folder = sample();
    fs::write(folder.path().join("train/.DS_Store"), b"x").unwrap();
    fs::write(folder.path().join("train/ant/.DS_Store"), b"x").unwrap();
    assert_eq!(open(folder.path()).unwrap().train, 9);
    fs::create_dir(folder.path().join("train/ant/deeper")).unwrap();
    refuses(&folder, "train/ant/deeper", "not searched");
    fs::write(folder.path().join("train/labels.csv"), b"x").unwrap();
    refuses(&folder, "train/labels.csv", "a file, expected a folder");
}

#[cfg(unix)]
#[test]
fn links_to_folders_and_circular_links_are_not_followed() {
    for (link, target, expected) in [
        ("train/loop", ".", "a link, expected a folder"),
        ("train/ant/up", "..", "not searched"),
        ("train/ant/loop.png", "loop.png", "symbolic links"),
    ] {
        let folder = sample();
        std::os::unix::fs::symlink(target, folder.path().join(link)).unwrap();
        refuses(&folder, link, expected);
    }
}
