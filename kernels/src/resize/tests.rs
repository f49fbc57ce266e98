use proptest::prelude::*;

use super::*;

/// SplitMix64 finaliser of a seeded counter, the source of all test pictures.
fn bits(key: &str, i: u64) -> u64 {
    let x = fnv(key.as_bytes()).wrapping_add(i.wrapping_mul(0x9E37_79B9_7F4A_7C15));
    let x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ (x >> 31)
}

fn fnv(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |h, &b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3))
}

/// A picture with rings, stripes, noise and hard edges, by integer arithmetic alone.
fn picture(key: &str, size: Size) -> Vec<u8> {
    let (w, h) = (size.width as i64, size.height as i64);
    let value = |y: i64, x: i64, c: i64| {
        let (dx, dy) = (2 * x - w, 2 * y - h);
        let ring = ((dx * dx + dy * dy) / (512 + 128 * c)) % 256;
        let ring = if ring >= 128 { 255 - ring } else { ring };
        let stripe = ((3 * x + (5 - 2 * c) * y) / 11) % 64;
        let mut v = 24 + ring + stripe + (bits(key, ((y * w + x) * 3 + c) as u64) >> 60) as i64;
        if (7 * x - 5 * y - w).abs() < 28 && y > h / 3 && y < h / 2 + h / 4 {
            v = 255 - v / 2;
        }
        if 4 * x > 3 * w && 8 * y > 6 * h && (x / 6 + y / 6) % 2 == 0 {
            v = v / 3 + 10 * c;
        }
        v as u8
    };
    let pixels = (0..h).flat_map(|y| (0..w).map(move |x| (y, x)));
    pixels.flat_map(|(y, x)| [value(y, x, 0), value(y, x, 1), value(y, x, 2)]).collect()
}

/// Pictures a, b, c with the FNV-1a hashes of their bytes and of what OpenCV 4.6.0 and Pillow 12.3 made of them.
const KNOWN: [(&str, Size, u64, u64, u64); 3] = [
    (
        "preprocess.a",
        Size { width: 517, height: 389 },
        0x7047_527a_1ab4_9975,
        0x3eee_9de3_785f_100a,
        0xf164_9409_f93d_c4fe,
    ),
    (
        "preprocess.b",
        Size { width: 900, height: 900 },
        0xde78_b91a_3214_7db9,
        0x339d_e75c_ed90_cbdd,
        0xf377_01af_1d4d_377d,
    ),
    (
        "preprocess.c",
        Size { width: 333, height: 301 },
        0xc22f_c5a3_0e6c_f150,
        0x2469_0704_1e10_9a69,
        0x785e_16ef_094a_7504,
    ),
];

#[test]
fn the_test_pictures_are_the_published_ones() {
    for (key, size, image, _, _) in KNOWN {
        assert_eq!(fnv(&picture(key, size)), image, "{key}");
    }
}

#[test]
fn linear_gives_the_bytes_of_opencv() {
    for (key, size, _, hash, _) in KNOWN {
        let out = opencv_linear(&picture(key, size), size, Size::square(448), 3).unwrap();
        assert_eq!(fnv(&out), hash, "{key}");
    }
}

#[test]
fn bilinear_gives_the_bytes_of_pillow() {
    for (key, size, _, _, hash) in KNOWN {
        let out = pil_bilinear(&picture(key, size), size, Size::square(256), 3).unwrap();
        assert_eq!(fnv(&out), hash, "{key}");
    }
}

#[test]
fn same_size_is_a_copy() {
    let size = Size { width: 31, height: 17 };
    let image = picture("copy", size);
    assert_eq!(opencv_linear(&image, size, size, 3).unwrap(), image);
    assert_eq!(pil_bilinear(&image, size, size, 3).unwrap(), image);
}

#[test]
fn halving_is_the_rounded_mean_of_four() {
    let (src, dst) = (Size { width: 64, height: 20 }, Size { width: 32, height: 10 });
    let image = picture("half", src);
    let out = opencv_linear(&image, src, dst, 3).unwrap();
    for (i, &v) in out.iter().enumerate() {
        let (y, x, c) = (i / 96, i % 96 / 3, i % 3);
        let at = |dy: usize, dx: usize| u32::from(image[((2 * y + dy) * 64 + 2 * x + dx) * 3 + c]);
        assert_eq!(u32::from(v), (at(0, 0) + at(0, 1) + at(1, 0) + at(1, 1) + 2) / 4);
    }
}

#[test]
fn wrong_lengths_and_empty_sizes_are_errors() {
    let (src, dst) = (Size::square(4), Size::square(2));
    assert!(opencv_linear(&[0; 47], src, dst, 3).is_err());
    assert!(pil_bilinear(&[0; 49], src, dst, 3).is_err());
    assert!(OpencvLinear::new(Size { width: 0, height: 4 }, dst, 3).is_err());
    assert!(PilBilinear::new(src, dst, 0).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]
    #[test]
    fn tables_agree_with_the_formula(
        sw in 1_usize..90, sh in 1_usize..90, dw in 1_usize..90, dh in 1_usize..90, channels in 1_usize..5,
    ) {
        let (src, dst) = (Size { width: sw, height: sh }, Size { width: dw, height: dh });
        let image: Vec<u8> = (0..src.bytes(channels) as u64).map(|i| (bits("any", i) >> 56) as u8).collect();
        prop_assert_eq!(
            opencv_linear(&image, src, dst, channels).unwrap(),
            reference::opencv_linear(&image, src, dst, channels)
        );
        prop_assert_eq!(
            pil_bilinear(&image, src, dst, channels).unwrap(),
            reference::pil_bilinear(&image, src, dst, channels)
        );
    }
}
