//! What comes out of picture files: every format, upright, in all their bits, within limits; and what masks mark.

use image::codecs::jpeg::JpegEncoder;
use image::codecs::png::PngEncoder;
use image::codecs::webp::WebPEncoder;
use image::{
    DynamicImage, ExtendedColorType, GrayAlphaImage, GrayImage, ImageBuffer, ImageEncoder, Luma, LumaA, Rgb,
    Rgb32FImage, RgbImage, Rgba, RgbaImage,
};

use super::*;

/// A picture that looks another way round in each orientation.
fn upright() -> RgbImage {
    RgbImage::from_fn(48, 32, |x, y| {
        if y < 16 {
            Rgb(if x < 16 { [250, 20, 30] } else { [20, 240, 40] })
        } else {
            Rgb(if x < 16 { [30, 20, 230] } else { [200, 200, 10] })
        }
    })
}

/// The picture as a camera stores it that says of it `orientation`: where row 0 and column 0 lie, by the EXIF standard.
fn stored(upright: &RgbImage, orientation: u8) -> RgbImage {
    let (w, h) = upright.dimensions();
    let (width, height) = if orientation < 5 { (w, h) } else { (h, w) };
    RgbImage::from_fn(width, height, |c, r| {
        let (x, y) = match orientation {
            1 => (c, r),
            2 => (w - 1 - c, r),
            3 => (w - 1 - c, h - 1 - r),
            4 => (c, h - 1 - r),
            5 => (r, c),
            6 => (w - 1 - r, c),
            7 => (w - 1 - r, h - 1 - c),
            _ => (r, h - 1 - c),
        };
        *upright.get_pixel(x, y)
    })
}

/// Notes that hold an orientation and nothing else.
fn exif(orientation: u8) -> Vec<u8> {
    let mut bytes = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0".to_vec();
    bytes.extend([orientation, 0, 0, 0, 0, 0, 0, 0]);
    bytes
}

/// An uncompressed TIFF file.
fn tiff(picture: &RgbImage, orientation: u8) -> Vec<u8> {
    let (width, height) = picture.dimensions();
    let data = picture.as_raw();
    let mut bytes = b"II*\0".to_vec();
    bytes.extend((8 + 6 + data.len() as u32).to_le_bytes());
    bytes.extend([8u8, 0, 8, 0, 8, 0]);
    bytes.extend(data);
    // Padding, so that offsets of 8 bytes of header and 6 of depths hold.
    bytes.extend([0, 0]);
    let entries: [(u16, u16, u32, u32); 10] = [
        (256, 4, 1, width),
        (257, 4, 1, height),
        (258, 3, 3, 8),
        (259, 3, 1, 1),
        (262, 3, 1, 2),
        (273, 4, 1, 14),
        (274, 3, 1, u32::from(orientation)),
        (277, 3, 1, 3),
        (278, 4, 1, height),
        (279, 4, 1, data.len() as u32),
    ];
    let at = bytes.len() as u32;
    bytes[4..8].copy_from_slice(&at.to_le_bytes());
    bytes.extend((entries.len() as u16).to_le_bytes());
    for (tag, kind, count, value) in entries {
        bytes.extend(tag.to_le_bytes());
        bytes.extend(kind.to_le_bytes());
        bytes.extend(count.to_le_bytes());
        bytes.extend(value.to_le_bytes());
    }
    bytes.extend([0; 4]);
    bytes
}

/// A file of that format with an orientation.
fn file(picture: &RgbImage, format: &str, orientation: u8) -> Vec<u8> {
    let mut bytes = Vec::new();
    let (data, (width, height)) = (picture.as_raw(), picture.dimensions());
    macro_rules! encode {
        ($encoder:expr) => {{
            let mut encoder = $encoder;
            encoder.set_exif_metadata(exif(orientation)).unwrap();
            encoder.write_image(data, width, height, ExtendedColorType::Rgb8).unwrap();
        }};
    }
    match format {
        "png" => encode!(PngEncoder::new(&mut bytes)),
        "jpg" => encode!(JpegEncoder::new_with_quality(&mut bytes, 100)),
        "webp" => encode!(WebPEncoder::new_lossless(&mut bytes)),
        _ => bytes = tiff(picture, orientation),
    }
    bytes
}

#[test]
fn pictures_are_upright_whatever_their_orientation_and_format() {
    let dir = tempfile::tempdir().unwrap();
    let upright = upright();
    for format in ["png", "jpg", "webp", "tif"] {
        for orientation in 1..=8 {
            let path = dir.path().join(format!("{orientation}.{format}"));
            std::fs::write(&path, file(&stored(&upright, orientation), format, orientation)).unwrap();
            let found = Picture::open(&path).unwrap();
            assert_eq!((found.width, found.height), (48, 32), "{format} {orientation}");
            let far = found.data.iter().zip(upright.as_raw()).map(|(a, b)| a.abs_diff(*b)).max().unwrap();
            assert!(far <= if format == "jpg" { 60 } else { 0 }, "{format} {orientation}: {far}");
            // A mask lies as its image does.
            let mask = Mask::open(&path).unwrap();
            assert_eq!((mask.width, mask.height), (48, 32), "{format} {orientation}");
        }
    }
}

/// Writes a picture with notes.
fn noted(mut encoder: impl ImageEncoder, picture: &RgbImage, notes: &[u8]) {
    let (width, height) = picture.dimensions();
    encoder.set_exif_metadata(notes.to_vec()).unwrap();
    encoder.write_image(picture.as_raw(), width, height, ExtendedColorType::Rgb8).unwrap();
}

/// Programs write notes behind the picture, with a name before them, and with numbers of another kind.
#[test]
fn pictures_are_upright_however_their_orientation_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let upright = upright();
    let lying = stored(&upright, 6);
    let plain = exif(6);
    let named = [&b"Exif\0\0"[..], &plain].concat();
    let mut of_four_bytes = plain.clone();
    of_four_bytes[12] = 4;
    let with = |format: &str, notes: &[u8]| {
        let mut bytes = Vec::new();
        match format {
            "webp" => noted(WebPEncoder::new_lossless(&mut bytes), &lying, notes),
            "jpg" => noted(JpegEncoder::new_with_quality(&mut bytes, 100), &lying, notes),
            _ => noted(PngEncoder::new(&mut bytes), &lying, notes),
        }
        bytes
    };
    // The notes of a PNG file behind its picture: 12 bytes of a chunk are its length, its name and its sum.
    let mut behind = with("png", &plain);
    let at = behind.windows(4).position(|name| name == b"eXIf").unwrap() - 4;
    let notes: Vec<u8> = behind.drain(at..at + 12 + plain.len()).collect();
    let end = behind.len() - 12;
    behind.splice(end..end, notes);
    for (name, bytes) in [
        ("behind.png", behind),
        ("named.png", with("png", &named)),
        ("named.webp", with("webp", &named)),
        ("long.jpg", with("jpg", &of_four_bytes)),
        ("long.png", with("png", &of_four_bytes)),
    ] {
        let path = dir.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        let found = Picture::open(&path).unwrap();
        assert_eq!((found.width, found.height), (48, 32), "{name}");
        let far = found.data.iter().zip(upright.as_raw()).map(|(a, b)| a.abs_diff(*b)).max().unwrap();
        assert!(far <= if name.ends_with("jpg") { 60 } else { 0 }, "{name}: {far}");
    }
}

#[test]
fn notes_that_make_no_sense_do_not_matter() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.png");
    for notes in [vec![], b"II*\0\xff\xff\xff\xff".to_vec(), exif(0), exif(9), exif(255)] {
        let mut bytes = Vec::new();
        let mut encoder = PngEncoder::new(&mut bytes);
        encoder.set_exif_metadata(notes).unwrap();
        encoder.write_image(upright().as_raw(), 48, 32, ExtendedColorType::Rgb8).unwrap();
        std::fs::write(&path, &bytes).unwrap();
        assert_eq!(&Picture::open(&path).unwrap().data, upright().as_raw());
    }
}

#[test]
fn every_format_gives_the_same_picture() {
    let dir = tempfile::tempdir().unwrap();
    let picture = upright();
    for ending in ["png", "PNG", "bmp", "BMP", "tif", "TIFF", "webp", "ppm"] {
        let path = dir.path().join(format!("a.{ending}"));
        let format = image::ImageFormat::from_extension(ending.to_ascii_lowercase()).unwrap();
        picture.save_with_format(&path, format).unwrap();
        assert!(is_image(&path), "{ending}");
        assert_eq!(&Picture::open(&path).unwrap().data, picture.as_raw(), "{ending}");
    }
    assert_eq!(images(dir.path()).unwrap().0.len(), 8);
    let grey = dir.path().join("grey.pgm");
    GrayImage::from_pixel(4, 3, Luma([77])).save(&grey).unwrap();
    assert_eq!(Picture::open(&grey).unwrap().data, [77; 36]);
    let numbers = dir.path().join("xyz.tiff");
    Rgb32FImage::from_pixel(4, 3, Rgb([0.5; 3])).save(&numbers).unwrap();
    let message = Picture::open(&numbers).unwrap_err().to_string();
    assert!(message.contains("expected a picture of 8 or 16 bits a sample, found floating"), "{message}");
}

/// Of several pictures in a file the others would not be looked at.
#[test]
fn a_file_of_several_pictures_is_refused_with_their_number() {
    let dir = tempfile::tempdir().unwrap();
    let picture = upright();
    let one = tiff(&picture, 1);
    let folder = u32::from_le_bytes(*one[4..].first_chunk().unwrap()) as usize;
    let mut pages = one.clone();
    let next = pages.len() - 4;
    pages[next..].copy_from_slice(&(one.len() as u32).to_le_bytes());
    pages.extend(&one[folder..]);
    // A smaller copy of the first page, as programs add for a preview.
    let mut preview = pages.clone();
    preview[one.len() + 2..][..12].copy_from_slice(&[254, 0, 4, 0, 1, 0, 0, 0, 1, 0, 0, 0]);
    let mut reversed = tiff(&picture, 2);
    let entry = reversed.windows(4).rposition(|part| part == [18, 1, 3, 0]).unwrap();
    reversed[entry..][..2].copy_from_slice(&266_u16.to_le_bytes());
    let mut bitmap = b"P6\n48 32\n255\n".to_vec();
    bitmap.extend(picture.as_raw());
    let mut animated = file(&picture, "png", 1);
    let chunk = [&8_u32.to_be_bytes(), b"acTL".as_slice(), &3_u32.to_be_bytes(), &[0; 4]].concat();
    animated.splice(33..33, [chunk, vec![0; 4]].concat());
    for (name, bytes, fault) in [
        ("one.tif", one, None),
        ("preview.tif", preview, None),
        ("pages.tif", pages, Some("expected a file of one picture, found 2 pages of a TIFF file")),
        ("reversed.tif", reversed, Some("(FillOrder 1), found FillOrder 2 in a TIFF file")),
        ("one.ppm", bitmap.clone(), None),
        ("two.ppm", bitmap.repeat(2), Some("found several behind each other in a PNM file")),
        ("a.png", animated, Some("expected a file of one picture, found 3 frames of an animated PNG file")),
    ] {
        let path = dir.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        let read = Picture::open(&path);
        match fault {
            None => assert_eq!(&read.unwrap().data, picture.as_raw(), "{name}"),
            Some(words) => {
                for message in [read.unwrap_err().to_string(), Mask::open(&path).unwrap_err().to_string()] {
                    assert!(message.contains(words) && message.contains(name), "{message}");
                }
            }
        }
    }
}

#[test]
fn pictures_larger_than_they_may_be_are_refused_before_they_are_decoded() {
    let dir = tempfile::tempdir().unwrap();
    let huge = dir.path().join("huge.pgm");
    std::fs::write(&huge, b"P5\n20000 20000\n255\n").unwrap();
    let message = Picture::open(&huge).unwrap_err().to_string();
    assert!(message.contains("expected a picture that takes at most 512 MiB (--picture-memory"), "{message}");
    assert!(message.contains("found 20000x20000 pixels that take 1526 MiB"), "{message}");
    assert!(Mask::open(&huge).is_err() && crate::view::IgnoreMask::open(&huge).is_err());
    // A square of 700 pixels: 0.5 MiB of grey and 1.4 of RGB.
    let reading = |mib: u64| Reading { memory: mib << 20, ..Reading::default() };
    for ending in ["png", "jpg", "bmp", "tif", "webp", "pgm"] {
        let path = dir.path().join(format!("a.{ending}"));
        if ending == "webp" {
            RgbImage::new(700, 700).save(&path).unwrap();
        } else {
            GrayImage::new(700, 700).save(&path).unwrap();
        }
        let message = Picture::read(&path, &reading(1)).unwrap_err().to_string();
        assert!(message.contains("700x700 pixels"), "{ending}: {message}");
        assert_eq!(Picture::read(&path, &reading(4)).unwrap().width, 700, "{ending}");
    }
    // The data set names them as it does other bad files.
    let dir = tiny(&[("train/good/0.png", 700), ("train/good/1.png", 8), ("test/good/2.png", 8)]);
    let mut set = Dataset::open(dir.path()).unwrap();
    set.reading = reading(1);
    let (set, bad) = set.checked(OnBadFile::Skip).unwrap();
    assert!(bad.len() == 1 && bad[0].reason.contains("at most 1 MiB"), "{bad:?}");
    assert_eq!(set.train.len(), 1);
}

/// A grey picture of 16 bits with these samples.
fn deep(path: &Path, samples: &[u16]) {
    let image = ImageBuffer::<Luma<u16>, _>::from_raw(samples.len() as u32, 1, samples.to_vec()).unwrap();
    DynamicImage::ImageLuma16(image).save(path).unwrap();
}

#[test]
fn bits_are_found_over_the_set() {
    for (largest, bits) in [
        (0, None),
        (1, Some(8)),
        (255, Some(8)),
        (256, Some(10)),
        (1020, Some(10)),
        (1024, Some(12)),
        (4095, Some(12)),
        (16320, Some(14)),
        (16384, Some(16)),
        (65535, Some(16)),
    ] {
        assert_eq!(Depth { pictures: 1, largest }.bits(), bits, "{largest}");
    }
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    deep(&path("dark.png"), &[0, 3, 40]);
    deep(&path("bright.tif"), &[1023, 512, 256]);
    GrayImage::from_pixel(3, 1, Luma([255])).save(path("grey.png")).unwrap();
    std::fs::write(path("broken.png"), b"no picture").unwrap();
    let (files, _) = images(dir.path()).unwrap();
    let depth = depth_of(&files, &Reading::default()).unwrap();
    assert_eq!(depth, Depth { pictures: 2, largest: 1023 });
    let reading = Reading { bits: depth.bits(), ..Reading::default() };
    let first = |name: &str, reading: &Reading| -> Vec<u8> {
        Picture::read(&path(name), reading).unwrap().data.into_iter().step_by(3).collect()
    };
    assert_eq!(first("bright.tif", &reading), [255, 128, 64]);
    assert_eq!(first("dark.png", &reading), [0, 1, 10]);
    assert_eq!(first("grey.png", &reading), [255; 3], "8 bits are 8 bits");
    assert_eq!(
        first("bright.tif", &Reading { bits: Some(8), ..reading }),
        [255; 3],
        "no sample wraps around"
    );
    assert_eq!(first("bright.tif", &Reading { bits: Some(16), ..reading }), [4, 2, 1]);
    let colors = ImageBuffer::<Rgba<u16>, _>::from_pixel(2, 1, Rgba([1023, 512, 0, 65535]));
    DynamicImage::ImageRgba16(colors).save(path("colors.png")).unwrap();
    let depth = depth_of(&[path("colors.png")], &Reading::default()).unwrap();
    assert_eq!(depth, Depth { pictures: 1, largest: 1023 }, "alpha says nothing about light");
    assert_eq!(Picture::read(&path("colors.png"), &reading).unwrap().data, [255, 128, 0, 255, 128, 0]);
}

/// Decoders scale the samples of PNM files, which name their white.
#[test]
fn pnm_files_are_white_where_they_say() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.pgm");
    let write = |white: u16, samples: [u16; 3]| {
        let samples = samples.map(u16::to_be_bytes).concat();
        std::fs::write(&path, [format!("P5\n3 1\n{white}\n").as_bytes(), &samples].concat()).unwrap();
    };
    let twelve = Reading { bits: Some(12), ..Reading::default() };
    let read = |reading: &Reading| Picture::read(&path, reading).unwrap().data;
    let depth = || depth_of(std::slice::from_ref(&path), &Reading::default()).unwrap();
    write(4095, [4095, 2048, 0]);
    assert_eq!(depth(), Depth::default());
    for reading in [twelve, Reading::default()] {
        assert_eq!(read(&reading), [255, 255, 255, 128, 128, 128, 0, 0, 0], "{reading:?}");
    }
    // The greatest number says nothing: cameras write any bits under it.
    write(65535, [4095, 2048, 0]);
    assert_eq!(depth(), Depth { pictures: 1, largest: 4095 });
    assert_eq!(read(&twelve), [255, 255, 255, 128, 128, 128, 0, 0, 0]);
}

#[test]
fn a_set_is_read_in_the_bits_that_it_holds() {
    let dir = folder(&["train/good/0.png", "test/good/1.png", "test/crack/2.png"]);
    for (name, samples) in
        [("train/good/0.png", [0, 900]), ("test/good/1.png", [70, 800]), ("test/crack/2.png", [4000, 5])]
    {
        deep(&dir.path().join(name), &samples);
    }
    let open = || Dataset::open(dir.path()).unwrap();
    let (set, _) = open().checked(OnBadFile::Fail).unwrap();
    assert_eq!((set.reading.bits, set.depth), (Some(12), Depth { pictures: 3, largest: 4000 }));
    let mut given = open();
    given.reading.bits = Some(16);
    assert_eq!(given.checked(OnBadFile::Fail).unwrap().0.reading.bits, Some(16));
}

#[test]
fn transparent_pixels_of_a_mask_mark_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("mask.png");
    let marks = || -> String {
        Mask::open(&path).unwrap().data.iter().map(|marked| if *marked { '#' } else { '.' }).collect()
    };
    let clear = |x: u32| u8::from(x == 2) * 255;
    let save = |color: fn(u32) -> [u8; 3], alpha: &dyn Fn(u32) -> u8| {
        let pixel = |x, _| {
            let [r, g, b] = color(x);
            Rgba([r, g, b, alpha(x)])
        };
        RgbaImage::from_fn(4, 1, pixel).save(&path).unwrap();
    };
    // White paint, white or black where nothing is; black paint; paint of one blue level.
    save(|_| [255; 3], &clear);
    assert_eq!(marks(), "..#.");
    save(|x| [u8::from(x == 2) * 255; 3], &clear);
    assert_eq!(marks(), "..#.");
    save(|_| [0; 3], &clear);
    assert_eq!(marks(), "..#.");
    save(|x| [0, 0, u8::from(x == 2)], &|_| 255);
    assert_eq!(marks(), "..#.");
    save(|_| [0; 3], &|_| 255);
    assert_eq!(marks(), "....");
    GrayAlphaImage::from_fn(4, 1, |x, _| LumaA([255, clear(x)])).save(&path).unwrap();
    assert_eq!(marks(), "..#.");
}

#[test]
fn noise_of_a_lossy_mask_marks_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let mask = GrayImage::from_fn(64, 64, |x, y| Luma([if x < 30 && y < 30 { 250 } else { 5 }]));
    let path = dir.path().join("mask.jpg");
    mask.save(&path).unwrap();
    let found = Mask::open(&path).unwrap();
    let wrong = found.data.iter().zip(mask.pixels()).filter(|(marked, pixel)| **marked != (pixel[0] > 127));
    assert_eq!(wrong.count(), 0);
    let path = dir.path().join("mask.webp");
    DynamicImage::ImageLuma8(mask).to_rgb8().save(&path).unwrap();
    assert!(
        Mask::open(&path).unwrap().data.iter().all(|marked| *marked),
        "without losses, what is not black counts"
    );
}

#[test]
fn a_mask_that_marks_everything_is_a_bad_file() {
    let dir = tiny(&[
        ("train/good/0.png", 8),
        ("test/good/1.png", 8),
        ("test/crack/2.png", 8),
        ("test/crack/3.png", 8),
        ("ground_truth/crack/2_mask.png", 8),
        ("ground_truth/crack/3_mask.png", 8),
    ]);
    let mask = dir.path().join("ground_truth/crack/3_mask.png");
    GrayImage::from_pixel(8, 8, Luma([1])).save(&mask).unwrap();
    let (set, bad) = Dataset::open(dir.path()).unwrap().checked(OnBadFile::Skip).unwrap();
    assert!(
        bad.len() == 1 && bad[0].path == mask && bad[0].reason.contains("marks the whole image"),
        "{bad:?}"
    );
    assert_eq!(set.test.len(), 2);
}
