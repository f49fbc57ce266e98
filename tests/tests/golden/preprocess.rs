use snarm_kernels::Grid;
use snarm_kernels::frame::Frame;
use snarm_kernels::preprocess::{Fit, PreprocessSpec, Preprocessor};
use snarm_kernels::resize::{self, Size};

use crate::file::Golden;

/// The three golden images: name, rows, columns.
const IMAGES: [(&str, usize, usize); 3] = [("a", 389, 517), ("b", 900, 900), ("c", 301, 333)];

/// Channel `c` of pixel (y, x) of a formula image.
fn pixel(bits: u64, [h, w]: [i64; 2], [y, x]: [i64; 2], c: i64) -> u8 {
    let (dx, dy) = (2 * x - w, 2 * y - h);
    let ring = ((dx * dx + dy * dy) / (512 + 128 * c)).rem_euclid(256);
    let ring = if ring >= 128 { 255 - ring } else { ring };
    let stripe = (3 * x + (5 - 2 * c) * y).div_euclid(11).rem_euclid(64);
    let mut v = 24 + ring + stripe + (bits >> 60) as i64;
    if (7 * x - 5 * y - w).abs() < 28 && y > h / 3 && y < h / 2 + h / 4 {
        v = 255 - v / 2;
    }
    if 4 * x > 3 * w && 8 * y > 6 * h && (x / 6 + y / 6) % 2 == 0 {
        v = v / 3 + 10 * c;
    }
    v as u8
}

fn image(name: &str, h: usize, w: usize) -> Vec<u8> {
    let seed = format!("preprocess.{name}")
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0000_0100_0000_01b3));
    let bits = |i: u64| {
        let mut x = seed.wrapping_add(i.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        x ^ (x >> 31)
    };
    (0..h * w * 3)
        .map(|i| {
            let (p, c) = (i / 3, i % 3);
            pixel(bits(i as u64), [h as i64, w as i64], [(p / w) as i64, (p % w) as i64], c as i64)
        })
        .collect()
}

#[test]
fn the_formula_gives_the_golden_image() {
    assert!(image("a", 389, 517) == Golden::open("preprocess").u8s("a.image"));
}

#[test]
fn opencvs_bilinear_is_matched_byte_for_byte() {
    let golden = Golden::open("preprocess");
    for (name, h, w) in IMAGES {
        let resized =
            resize::opencv_linear(&image(name, h, w), Size { width: w, height: h }, Size::square(448), 3)
                .unwrap();
        if name == "c" {
            assert!(resized == golden.u8s("c.resize448"));
        }
        let crop: Vec<u8> =
            (28..420).flat_map(|y| &resized[(y * 448 + 28) * 3..][..392 * 3]).copied().collect();
        assert!(crop == golden.u8s(&format!("{name}.crop392")), "{name}");
    }
}

#[test]
fn pillows_bilinear_is_matched_byte_for_byte() {
    let golden = Golden::open("preprocess");
    for (name, h, w) in IMAGES {
        let resized =
            resize::pil_bilinear(&image(name, h, w), Size { width: w, height: h }, Size::square(256), 3)
                .unwrap();
        assert!(resized == golden.u8s(&format!("{name}.pil256")), "{name}");
        let places = golden.u32s("norm256.index");
        let expected = golden.f32s(&format!("{name}.norm256.sample"));
        let spec = PreprocessSpec::imagenet(Grid::square(256), Fit::Full);
        for (place, expected) in places.iter().zip(expected) {
            let (c, at) = (*place as usize / (256 * 256), *place as usize % (256 * 256));
            let unit = f32::from(resized[at * 3 + c]) / 255.0;
            let found = (unit - spec.mean[c]) / spec.std[c];
            assert!((found - expected).abs() <= 2.4e-7, "{name}: expected {expected}, found {found}");
        }
    }
}

#[test]
fn the_published_crop_is_normalised_as_published() {
    let golden = Golden::open("preprocess");
    for (name, h, w) in IMAGES {
        let image = image(name, h, w);
        let spec = PreprocessSpec::imagenet(Grid::square(392), Fit::paper(392));
        let mut input = vec![0.0; spec.output_len()];
        Preprocessor::new(spec).unwrap().run(&Frame::rgb(&image, w, h).unwrap(), &mut input).unwrap();
        let expected = golden.f32s(&format!("{name}.norm392.sample"));
        for (place, expected) in golden.u32s("norm392.index").iter().zip(expected) {
            let found = input[*place as usize];
            assert!((found - expected).abs() <= 2.4e-7, "{name}: expected {expected}, found {found}");
        }
    }
}
