use fast_image_resize as oracle;
use fast_image_resize::images::Image;
use proptest::prelude::*;

use super::*;
use crate::device::Buffer;
use crate::frame::{ChromaSite, ColorMatrix, ColorRange, Orientation, Plane, Upload};
use crate::resize::{Size, opencv_linear};
use crate::{device, layout};

/// A frame that owns its planes, with padded rows.
struct Owned {
    format: PixelFormat,
    width: usize,
    height: usize,
    planes: Vec<(Vec<u8>, usize)>,
    colorimetry: Colorimetry,
}

impl Owned {
    fn new(
        format: PixelFormat,
        width: usize,
        height: usize,
        colorimetry: Colorimetry,
        padding: usize,
    ) -> Self {
        let planes = (0..format.n_planes()).map(|i| {
            let (row, rows) = format.plane_size(i, width, height).unwrap();
            // The last row has no padding, as in buffers from real cameras.
            (vec![0; (row + padding) * (rows - 1) + row], row + padding)
        });
        Self { format, width, height, planes: planes.collect(), colorimetry }
    }

    fn noise(mut self, seed: u32) -> Self {
        let mut state = seed.wrapping_mul(2_654_435_761).wrapping_add(12345);
        for v in self.planes.iter_mut().flat_map(|(data, _)| data) {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            *v = (state >> 24) as u8;
        }
        self
    }

    /// Sets each channel from the position of its samples in pixels.
    fn paint(mut self, value: impl Fn(usize, f32, f32) -> f32) -> Self {
        let site = self.colorimetry.site;
        for (c, channel) in layout::channels(self.format).iter().enumerate() {
            for y in (0..self.height).step_by(1 << channel.shift_y) {
                for x in (0..self.width).step_by(1 << channel.shift_x) {
                    let dx = if channel.shift_x > 0 { site.x } else { 0.0 };
                    let dy = if channel.shift_y > 0 { site.y } else { 0.0 };
                    let (data, stride) = &mut self.planes[channel.plane];
                    let v = value(c, x as f32 + dx + 0.5, y as f32 + dy + 0.5);
                    let samples = layout::samples(self.format);
                    let unit = samples.unit(self.colorimetry.range) as f32;
                    // Around the middle of chroma, which does not move with full range.
                    let middle = if c == 0 || layout::family(self.format) != layout::Family::Ycbcr {
                        0.0
                    } else {
                        128.0
                    };
                    let above = if middle > 0.0 { samples.middle() as f32 } else { 0.0 };
                    let stored = ((v - middle) * unit + above).round() as u16;
                    samples.store(data, *stride, *channel, [x, y], stored);
                }
            }
        }
        self
    }

    fn frame(&self) -> Frame<'_> {
        let planes: Vec<_> =
            self.planes.iter().map(|(data, stride)| Plane { data, stride: *stride }).collect();
        Frame::new(self.format, self.width, self.height, &planes, self.colorimetry).unwrap()
    }
}

const COLORIMETRIES: [Colorimetry; 3] = [
    Colorimetry { matrix: ColorMatrix::BT601, range: ColorRange::Limited, site: ChromaSite::LEFT },
    Colorimetry { matrix: ColorMatrix::BT709, range: ColorRange::Full, site: ChromaSite::CENTER },
    Colorimetry { matrix: ColorMatrix::BT2020, range: ColorRange::Limited, site: ChromaSite::TOP_LEFT },
];

fn preprocess(spec: PreprocessSpec, frame: &Frame) -> Vec<f32> {
    let mut out = vec![f32::NAN; spec.output_len()];
    Preprocessor::new(spec).unwrap().run(frame, &mut out).unwrap();
    out
}

/// The spec whose output is the colour itself, in 0..255.
fn plain(size: Grid, fit: Fit) -> PreprocessSpec {
    PreprocessSpec { mean: [0.0; 3], std: [1.0 / 255.0; 3], ..PreprocessSpec::imagenet(size, fit) }
}

/// Wide and tall, the last two with less than a band of rows and with less than a vector of columns.
const RECTANGLES: [Grid; 4] = [
    Grid { rows: 14, columns: 28 },
    Grid { rows: 28, columns: 14 },
    Grid { rows: 3, columns: 41 },
    Grid { rows: 41, columns: 3 },
];

/// Outputs of every fit, square and not where the fit allows it, with a crop of `paper` to 28 pixels.
fn outputs(paper: Fit) -> Vec<(Grid, Fit)> {
    let mut outputs = vec![(Grid::square(28), paper)];
    for size in [Grid::square(28)].into_iter().chain(RECTANGLES) {
        outputs.extend([(size, Fit::Full), (size, Fit::Letterbox)]);
    }
    outputs
}

fn assert_close(fast: &[f32], slow: &[f32], tolerance: f32, what: &str) {
    for (i, (a, b)) in fast.iter().zip(slow).enumerate() {
        assert!((a - b).abs() <= tolerance, "{what}: element {i} is {a}, the reference says {b}");
    }
}

fn check(spec: PreprocessSpec, owned: &Owned) {
    check_turned(spec, owned, Orientation::UPRIGHT);
}

fn check_turned(spec: PreprocessSpec, owned: &Owned, orientation: Orientation) {
    let frame = owned.frame().with_orientation(orientation);
    let mut expected = vec![0.0; spec.output_len()];
    reference::run(&spec, &frame, &mut expected);
    // A f32 colour conversion can fall on the other side of a rounding than the f64 one; then a byte differs by 1.
    let paper = matches!(spec.fit, Fit::Paper { .. }) && layout::family(owned.format) != layout::Family::Rgb;
    let tolerance = if paper { 1.01 / 255.0 / 0.224 } else { 2e-5 };
    let what = format!("{:?} {}x{} to {} {:?}", owned.format, owned.width, owned.height, spec.size, spec.fit);
    assert_close(&preprocess(spec, &frame), &expected, tolerance, &format!("{what} {orientation:?}"));
}

#[test]
fn every_format_and_fit_agrees_with_the_reference() {
    for format in PixelFormat::ALL {
        for (i, (w, h)) in [(1, 1), (2, 1), (17, 33), (64, 48), (101, 30)].into_iter().enumerate() {
            let owned = Owned::new(format, w, h, COLORIMETRIES[i % 3], 5 * i).noise(i as u32);
            for (size, fit) in outputs(Fit::paper(28)) {
                check(PreprocessSpec::imagenet(size, fit), &owned);
            }
        }
    }
}

#[test]
fn regions_of_every_format_agree_with_the_reference() {
    let region = Rect { x: 0.21, y: 0.1, w: 0.5, h: 0.63 };
    for format in PixelFormat::ALL {
        let owned = Owned::new(format, 37, 53, COLORIMETRIES[0], 3).noise(7);
        for (size, fit) in outputs(Fit::paper(28)) {
            check(PreprocessSpec { region, ..PreprocessSpec::imagenet(size, fit) }, &owned);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn any_shape_agrees_with_the_reference(
        format in 0_usize..PixelFormat::ALL.len(), w in 1_usize..120, h in 1_usize..120, rows in 1_usize..40,
        columns in 1_usize..40, colorimetry in 0_usize..3, fit in 0_usize..3, orientation in 0_usize..8,
        seed in 0_u32..1000,
    ) {
        let (size, fit) = [
            (Grid { rows, columns }, Fit::Full),
            (Grid { rows, columns }, Fit::Letterbox),
            (Grid::square(rows), Fit::paper(rows)),
        ][fit];
        let orientation = Orientation::all().nth(orientation).unwrap();
        let owned = Owned::new(PixelFormat::ALL[format], w, h, COLORIMETRIES[colorimetry], 2).noise(seed);
        check_turned(PreprocessSpec::imagenet(size, fit), &owned, orientation);
    }
}

#[test]
fn the_triangle_is_that_of_other_libraries() {
    for (w, h, rows, columns) in
        [(200, 120, 56, 56), (33, 47, 64, 64), (640, 100, 28, 28), (200, 120, 28, 56), (90, 130, 70, 42)]
    {
        let size = Grid { rows, columns };
        let owned = Owned::new(PixelFormat::Rgb, w, h, Colorimetry::FULL_RANGE, 0).noise(3);
        let floats: Vec<u8> = owned.planes[0].0.iter().flat_map(|&v| f32::from(v).to_le_bytes()).collect();
        let src = Image::from_vec_u8(w as u32, h as u32, floats, oracle::PixelType::F32x3).unwrap();
        let mut dst = Image::new(columns as u32, rows as u32, oracle::PixelType::F32x3);
        let filter = oracle::ResizeAlg::Convolution(oracle::FilterType::Bilinear);
        let options = oracle::ResizeOptions::new().resize_alg(filter);
        oracle::Resizer::new().resize(&src, &mut dst, &options).unwrap();
        let theirs: Vec<f32> =
            dst.buffer().as_chunks::<4>().0.iter().map(|&v| f32::from_le_bytes(v)).collect();
        let ours = preprocess(plain(size, Fit::Full), &owned.frame());
        for (i, v) in theirs.iter().enumerate() {
            let here = ours[i % 3 * size.cells() + i / 3];
            assert!((v - here).abs() < 2e-3, "{w}x{h} to {size}: {here} against {v}");
        }
    }
}

#[test]
fn paper_is_opencv_crop_and_exact_normalisation() {
    let (w, h, side) = (97, 61, 49);
    let owned = Owned::new(PixelFormat::Bgra, w, h, Colorimetry::FULL_RANGE, 7).noise(11);
    let (data, stride) = &owned.planes[0];
    let rows = data.chunks(*stride).map(|row| &row[..4 * w]);
    let rgb: Vec<u8> = rows.flat_map(|row| row.chunks(4).flat_map(|p| [p[2], p[1], p[0]])).collect();
    let resized = opencv_linear(&rgb, Size { width: w, height: h }, Size::square(56), 3).unwrap();
    let spec = PreprocessSpec::imagenet(Grid::square(side), Fit::paper(side));
    let out = preprocess(spec, &owned.frame());
    for c in 0..3 {
        for y in 0..side {
            for x in 0..side {
                let v = f32::from(resized[((y + 3) * 56 + x + 3) * 3 + c]);
                let expected = (v / 255.0 - spec.mean[c]) / spec.std[c];
                assert_eq!(out[(c * side + y) * side + x], expected);
            }
        }
    }
}

#[test]
fn known_colours_come_out_in_every_format() {
    // Limited BT.709 white, black and red; the last as published: Y 63, Cb 102, Cr 240.
    let colorimetry =
        Colorimetry { matrix: ColorMatrix::BT709, range: ColorRange::Limited, site: ChromaSite::LEFT };
    let known =
        [([235, 128, 128], [255.0; 3]), ([16, 128, 128], [0.0; 3]), ([63, 102, 240], [255.0, 0.0, 0.0])];
    for format in PixelFormat::ALL.into_iter().filter(|&f| layout::family(f) == layout::Family::Ycbcr) {
        for (samples, rgb) in known {
            let owned = Owned::new(format, 17, 33, colorimetry, 1).paint(|c, _, _| samples[c] as f32);
            for fit in [Fit::Full, Fit::paper(14)] {
                let out = preprocess(plain(Grid::square(14), fit), &owned.frame());
                for (i, v) in out.iter().enumerate() {
                    assert!((v - rgb[i / 196]).abs() < 1.5, "{format:?} {samples:?}: {v}");
                }
            }
        }
    }
}

#[test]
fn chroma_lies_where_its_site_says() {
    // Cr grows with x and Cb with y, both sampled where the site says, so red and blue must follow the position.
    for site in [ChromaSite::LEFT, ChromaSite::CENTER, ChromaSite::TOP_LEFT] {
        for format in [PixelFormat::Nv12, PixelFormat::Yv12, PixelFormat::Yuy2] {
            let colorimetry = Colorimetry { site, ..Colorimetry::FULL_RANGE };
            let owned =
                Owned::new(format, 64, 64, colorimetry, 0).paint(|c, x, y| [120.0, 96.0 + y, 96.0 + x][c]);
            let out = preprocess(plain(Grid::square(16), Fit::Full), &owned.frame());
            for y in 2..14 {
                for x in 2..14 {
                    let (cr, cb) = (4.0 * x as f32 + 2.0 - 32.0, 4.0 * y as f32 + 2.0 - 32.0);
                    let (red, blue) = (out[y * 16 + x], out[512 + y * 16 + x]);
                    assert!((red - (120.0 + 1.402 * cr)).abs() < 0.8, "{format:?} {site:?} red {red}");
                    assert!((blue - (120.0 + 1.772 * cb)).abs() < 1.0, "{format:?} {site:?} blue {blue}");
                }
            }
        }
    }
}

#[test]
fn letterbox_keeps_the_aspect_and_fills_with_zero() {
    let owned = Owned::new(PixelFormat::Rgb, 160, 80, Colorimetry::FULL_RANGE, 0).paint(|_, _, _| 255.0);
    for (rows, columns, [x, y, width, height]) in [
        (28, 28, [0, 7, 28, 14]),
        (14, 28, [0, 0, 28, 14]),
        (28, 42, [0, 3, 42, 21]),
        (14, 42, [7, 0, 28, 14]),
        (42, 14, [0, 17, 14, 7]),
        (1, 28, [13, 0, 2, 1]),
    ] {
        let spec = PreprocessSpec::imagenet(Grid { rows, columns }, Fit::Letterbox);
        let inner = spec.placement(160, 80).inner;
        assert_eq!(inner, PixelRect { x, y, width, height }, "{}", spec.size);
        for (i, &v) in preprocess(spec, &owned.frame()).iter().enumerate() {
            let (row, column) = (i / columns % rows, i % columns);
            let inside = (y..y + height).contains(&row) && (x..x + width).contains(&column);
            assert_eq!(v != 0.0, inside, "{}: row {row}, column {column} holds {v}", spec.size);
        }
    }
}

#[test]
fn paper_shows_the_middle_seven_eighths() {
    let placement = PreprocessSpec::imagenet(Grid::square(392), Fit::paper(392)).placement(1920, 1080);
    assert_eq!(Fit::paper(392), Fit::Paper { resize: 448 });
    assert_eq!(placement.inner, PixelRect { x: 0, y: 0, width: 392, height: 392 });
    assert_eq!(placement.source, Rect { x: 1.0 / 16.0, y: 1.0 / 16.0, w: 7.0 / 8.0, h: 7.0 / 8.0 });
}

#[test]
fn a_new_geometry_makes_new_tables() {
    let size = Grid { rows: 28, columns: 14 };
    let mut preprocessor = Preprocessor::new(PreprocessSpec::imagenet(size, Fit::Full)).unwrap();
    let mut out = vec![0.0; preprocessor.spec().output_len()];
    for (format, w, h) in
        [(PixelFormat::Nv12, 64, 48), (PixelFormat::Rgb, 31, 9), (PixelFormat::Nv12, 64, 48)]
    {
        let owned = Owned::new(format, w, h, COLORIMETRIES[0], 4).noise(5);
        preprocessor.run(&owned.frame(), &mut out).unwrap();
        assert_eq!(out, preprocess(*preprocessor.spec(), &owned.frame()));
    }
}

#[test]
fn wrong_specs_and_lengths_are_errors() {
    let good = PreprocessSpec::imagenet(Grid::square(28), Fit::Full);
    for (rows, columns) in [(0, 0), (0, 28), (28, 0)] {
        assert!(Preprocessor::new(PreprocessSpec { size: Grid { rows, columns }, ..good }).is_err());
    }
    let size = Grid { rows: 14, columns: 28 };
    let refused = Preprocessor::new(PreprocessSpec::imagenet(size, Fit::paper(28))).unwrap_err().to_string();
    assert_eq!(refused, "preprocess: expected a square output for the published crop, found 14 x 28");
    assert!(Preprocessor::new(PreprocessSpec { std: [0.2, 0.0, 0.2], ..good }).is_err());
    assert!(Preprocessor::new(PreprocessSpec { fit: Fit::Paper { resize: 27 }, ..good }).is_err());
    assert!(
        Preprocessor::new(PreprocessSpec { region: Rect { w: 0.7, x: 0.4, ..Rect::WHOLE }, ..good }).is_err()
    );
    let owned = Owned::new(PixelFormat::Gray8, 8, 8, Colorimetry::FULL_RANGE, 0);
    assert!(Preprocessor::new(good).unwrap().run(&owned.frame(), &mut [0.0; 28]).is_err());
}

/// The frame that is stored such that `orientation` turns it into `upright`, which has 1 plane of `step` bytes a pixel.
fn stored(upright: &Owned, orientation: Orientation, step: usize) -> Owned {
    let (width, height) = orientation.size(upright.width, upright.height);
    let mut stored = Owned::new(upright.format, width, height, upright.colorimetry, 3);
    for (plane, (from, from_stride)) in stored.planes.iter_mut().zip(&upright.planes) {
        let (data, stride) = plane;
        for y in 0..upright.height {
            for x in 0..upright.width {
                let [(sx, _), (sy, _)] = orientation.stored((x, 1, upright.width), (y, 1, upright.height));
                data[sy * *stride + sx * step..][..step]
                    .copy_from_slice(&from[y * from_stride + x * step..][..step]);
            }
        }
    }
    stored
}

#[test]
fn a_turned_frame_gives_what_its_upright_picture_gives() {
    let regions = [Rect::WHOLE, Rect { x: 0.1, y: 0.25, w: 0.4, h: 0.6 }];
    for (format, step) in [(PixelFormat::Rgb, 3), (PixelFormat::Gray16Le, 2), (PixelFormat::Y444, 1)] {
        let upright = Owned::new(format, 53, 34, COLORIMETRIES[0], 3).noise(9);
        for orientation in Orientation::all() {
            let stored = stored(&upright, orientation, step);
            for (size, fit) in outputs(Fit::paper(28)).into_iter().chain(outputs(Fit::Paper { resize: 33 })) {
                let tolerance = if matches!(fit, Fit::Paper { .. }) { 1.01 } else { 2e-4 };
                for region in regions {
                    let spec = PreprocessSpec { region, ..plain(size, fit) };
                    let expected = preprocess(spec, &upright.frame());
                    let found = preprocess(spec, &stored.frame().with_orientation(orientation));
                    assert_close(
                        &found,
                        &expected,
                        tolerance,
                        &format!("{format:?} {orientation:?} {size} {fit:?}"),
                    );
                }
            }
        }
    }
}

#[test]
fn turned_frames_of_every_format_agree_with_the_reference() {
    let region = Rect { x: 0.21, y: 0.1, w: 0.5, h: 0.63 };
    for format in PixelFormat::ALL {
        for orientation in Orientation::all() {
            let owned = Owned::new(format, 37, 52, COLORIMETRIES[0], 4).noise(7);
            for (size, fit) in outputs(Fit::paper(28)) {
                let spec = PreprocessSpec { region, ..PreprocessSpec::imagenet(size, fit) };
                check_turned(spec, &owned, orientation);
            }
        }
    }
}

#[test]
fn the_range_of_a_format_is_black_to_white_at_every_depth() {
    for range in [ColorRange::Full, ColorRange::Limited] {
        let colorimetry = Colorimetry { range, ..COLORIMETRIES[0] };
        let formats = PixelFormat::ALL.into_iter().filter(|&f| layout::family(f) != layout::Family::Rgb);
        for format in formats {
            for (level, expected) in [(0.0, 0.0), (1.0, 255.0), (0.4, 102.0)] {
                let luma = if range == ColorRange::Full { 255.0 * level } else { 16.0 + 219.0 * level };
                let luma_only = layout::family(format) == layout::Family::Grey;
                let owned = Owned::new(format, 20, 18, colorimetry, 2)
                    .paint(|c, _, _| if c == 0 || luma_only { luma } else { 128.0 });
                for fit in [Fit::Full, Fit::paper(14)] {
                    for v in preprocess(plain(Grid::square(14), fit), &owned.frame()) {
                        assert!((v - expected).abs() < 1.0, "{format:?} {range:?} {level}: {v}");
                    }
                }
            }
        }
    }
}

#[test]
fn unused_bits_of_words_do_not_count() {
    for (format, unused) in [(PixelFormat::I42010Le, [0, 0xfc]), (PixelFormat::P01010Le, [0x3f, 0])] {
        let clean =
            Owned::new(format, 33, 18, COLORIMETRIES[1], 2).paint(|c, x, _| [x * 4.0, 90.0, 140.0][c]);
        let mut soiled = Owned { planes: clean.planes.clone(), ..clean };
        for (data, _) in &mut soiled.planes {
            data.chunks_exact_mut(2).for_each(|word| word.iter_mut().zip(unused).for_each(|(b, u)| *b |= u));
        }
        for fit in [Fit::Full, Fit::paper(14)] {
            let spec = PreprocessSpec::imagenet(Grid::square(14), fit);
            assert_eq!(preprocess(spec, &clean.frame()), preprocess(spec, &soiled.frame()), "{format:?}");
        }
    }
}

#[test]
fn a_preprocessor_takes_turns_of_frames_of_one_format() {
    let owned = Owned::new(PixelFormat::Nv12, 64, 48, COLORIMETRIES[0], 4).noise(5);
    let spec = PreprocessSpec::imagenet(Grid { rows: 14, columns: 28 }, Fit::Letterbox);
    let (mut preprocessor, mut out) = (Preprocessor::new(spec).unwrap(), vec![0.0; spec.output_len()]);
    for orientation in Orientation::all().chain(Orientation::all()) {
        let frame = owned.frame().with_orientation(orientation);
        preprocessor.run(&frame, &mut out).unwrap();
        assert_eq!(out, preprocess(spec, &frame), "{orientation:?}");
    }
}

/// Compares what a device makes of a frame with the reference.
fn check_there(spec: PreprocessSpec, frame: &Frame, upload: &mut Upload, place: &device::Place) {
    let mut expected = vec![0.0; spec.output_len()];
    reference::run(&spec, frame, &mut expected);
    let mut out = Buffer::new(place, expected.len()).unwrap();
    let mut preprocessor = Preprocessor::new(spec).unwrap();
    // Twice: the tables of the first are kept.
    for _ in 0..2 {
        preprocessor.run_there(&upload.copy(frame).unwrap(), &mut out).unwrap();
    }
    // With 8-bit roundings a pixel may be one of 256 levels off where the matrix rounds otherwise.
    let level = 1.01 / (255.0 * 0.224);
    let tolerance = if matches!(spec.fit, Fit::Paper { .. }) { level } else { 2e-4 };
    let what = format!("{:?} {:?} to {} {:?}", frame.format(), frame.orientation(), spec.size, spec.fit);
    assert_close(&crate::testing::read(&out), &expected, tolerance, &what);
}

#[test]
fn cuda_agrees_with_the_reference() {
    let Some(place) = crate::testing::device() else { return };
    let mut upload = Upload::new(&place).unwrap();
    let fits = [Fit::Full, Fit::Letterbox, Fit::Paper { resize: 27 }];
    let region = Rect { x: 0.13, y: 0.2, w: 0.7, h: 0.61 };
    for (i, format) in PixelFormat::ALL.into_iter().enumerate() {
        let colorimetry = COLORIMETRIES[i % COLORIMETRIES.len()];
        let orientation = Orientation::all().nth(i % 8).unwrap();
        let owned = Owned::new(format, 45, 31, colorimetry, 5).noise(i as u32);
        let frame = owned.frame().with_orientation(orientation);
        for fit in fits {
            let spec = PreprocessSpec { region, ..PreprocessSpec::imagenet(Grid::square(23), fit) };
            check_there(spec, &frame, &mut upload, &place);
        }
    }
}

#[test]
fn cuda_turns_rectangles_as_the_reference_does() {
    let Some(place) = crate::testing::device() else { return };
    let mut upload = Upload::new(&place).unwrap();
    for (i, format) in [PixelFormat::Rgb, PixelFormat::Nv12].into_iter().enumerate() {
        let owned = Owned::new(format, 45, 31, COLORIMETRIES[i], 5).noise(i as u32);
        for orientation in Orientation::all() {
            let frame = owned.frame().with_orientation(orientation);
            for size in RECTANGLES {
                for fit in [Fit::Full, Fit::Letterbox] {
                    check_there(PreprocessSpec::imagenet(size, fit), &frame, &mut upload, &place);
                }
            }
        }
    }
}
