use proptest::prelude::*;

use super::*;
use crate::frame::{ChromaSite, ColorMatrix, ColorRange, Colorimetry, FrameMut, PixelFormat, PlaneMut};
use crate::layout::{self, Family};

const STUDIO: Colorimetry =
    Colorimetry { matrix: ColorMatrix::BT709, range: ColorRange::Limited, site: ChromaSite::LEFT };

fn bytes(len: usize, seed: usize) -> Vec<u8> {
    (0..len).map(|i| (((i + 1) * (2 * seed + 7919) * 2_654_435_761) >> 20) as u8).collect()
}

/// Planes with `padding` bytes after each row.
fn planes(format: PixelFormat, width: usize, height: usize, padding: usize) -> Vec<(Vec<u8>, usize)> {
    let plane = |i: usize| {
        let (row, rows) = format.plane_size(i, width, height).unwrap();
        (bytes((row + padding) * rows, i + width), row + padding)
    };
    (0..format.n_planes()).map(plane).collect()
}

fn with_frame(
    planes: &mut [(Vec<u8>, usize)],
    format: PixelFormat,
    width: usize,
    height: usize,
    colorimetry: Colorimetry,
    draw: impl FnOnce(&mut FrameMut),
) {
    let mut given = planes.iter_mut().map(|(data, stride)| PlaneMut { data, stride: *stride });
    let mut next = || given.next().unwrap();
    let frame = match format.n_planes() {
        1 => FrameMut::new(format, width, height, [next()], colorimetry),
        2 => FrameMut::new(format, width, height, [next(), next()], colorimetry),
        _ => FrameMut::new(format, width, height, [next(), next(), next()], colorimetry),
    };
    draw(&mut frame.unwrap());
}

fn check(format: PixelFormat, size: [usize; 2], tile: &Tile, colorimetry: Colorimetry) {
    let mut fast = planes(format, size[0], size[1], 4);
    let mut slow = fast.clone();
    with_frame(&mut fast, format, size[0], size[1], colorimetry, |frame| blend(frame, tile).unwrap());
    with_frame(&mut slow, format, size[0], size[1], colorimetry, |frame| reference::blend(frame, tile));
    let wide = layout::is_16_bit(format);
    for (i, ((a, _), (b, _))) in fast.iter().zip(&slow).enumerate() {
        for (at, (a, b)) in
            a.chunks(if wide { 2 } else { 1 }).zip(b.chunks(if wide { 2 } else { 1 })).enumerate()
        {
            // The f32 sum may fall on the other side of a rounding; in a 16-bit sample that can carry.
            let value = |v: &[u8]| v.iter().rev().fold(0, |value, &byte| 256 * value + i32::from(byte));
            let (fast, slow) = (value(a), value(b));
            assert!(
                (fast - slow).abs() <= 1,
                "{format:?} {size:?} plane {i} sample {at}: {fast}, not {slow}"
            );
        }
    }
}

#[test]
fn every_format_agrees_with_the_reference_at_any_place() {
    let pixels = bytes(4 * 13 * 11, 5);
    for format in PixelFormat::ALL {
        for size in [[17, 33], [16, 12], [1, 1], [40, 7]] {
            for (x, y) in [(0, 0), (3, 5), (4, 6), (-5, 1), (2, -7), (11, 25), (10, 3), (-40, 0), (0, 90)] {
                for colorimetry in [STUDIO, Colorimetry::FULL_RANGE] {
                    check(format, size, &Tile::packed(&pixels, 13, 11, x, y), colorimetry);
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn any_tile_agrees_with_the_reference(
        format in 0_usize..18, w in 1_usize..300, h in 1_usize..40, tw in 1_usize..300, th in 1_usize..40,
        x in -50_isize..300, y in -20_isize..40,
    ) {
        let pixels = bytes((4 * tw + 5) * th, w);
        let tile = Tile { pixels: &pixels, width: tw, height: th, stride: 4 * tw + 5, x, y };
        check(PixelFormat::ALL[format], [w, h], &tile, STUDIO);
    }
}

#[test]
fn alpha_zero_leaves_every_byte() {
    let pixels: Vec<u8> = bytes(4 * 40 * 40, 1).chunks(4).flat_map(|p| [p[0], p[1], p[2], 0]).collect();
    for format in PixelFormat::ALL {
        let before = planes(format, 33, 29, 2);
        let mut after = before.clone();
        let tile = Tile::packed(&pixels, 40, 40, -3, -1);
        with_frame(&mut after, format, 33, 29, STUDIO, |frame| blend(frame, &tile).unwrap());
        assert_eq!(before, after, "{format:?}");
    }
}

#[test]
fn alpha_255_sets_the_colour_and_nothing_else() {
    let pixels = [220, 40, 90, 255].repeat(8 * 6);
    let tile = Tile::packed(&pixels, 8, 6, 4, 2);
    for format in PixelFormat::ALL {
        let before = planes(format, 21, 13, 1);
        let mut after = before.clone();
        with_frame(&mut after, format, 21, 13, STUDIO, |frame| blend(frame, &tile).unwrap());
        let expected = match layout::family(format) {
            Family::Rgb => [220, 40, 90],
            // BT.709 studio range of (220, 40, 90), by the definition.
            _ => [86, 132, 205],
        };
        let mut touched = 0;
        for (c, channel) in layout::channels(format).into_iter().enumerate() {
            let stride = after[channel.plane].1;
            for y in (2..8).step_by(1 << channel.shift_y) {
                for x in (4..12).step_by(1 << channel.shift_x) {
                    let mut at = channel.at(stride, x, y);
                    let c = if layout::family(format) == Family::Grey { 0 } else { c };
                    if layout::is_16_bit(format) {
                        at += 1;
                    }
                    assert_eq!(after[channel.plane].0[at], expected[c], "{format:?} channel {c} at {x}, {y}");
                    touched += 1;
                }
            }
        }
        let changed: usize = before
            .iter()
            .zip(&after)
            .map(|((b, _), (a, _))| b.iter().zip(a).filter(|(b, a)| b != a).count())
            .sum();
        assert!(changed <= touched, "{format:?}: {changed} bytes changed, {touched} are covered");
    }
}

#[test]
fn a_short_slice_is_an_error() {
    let mut data = [0; 48];
    let mut frame = FrameMut::rgb(&mut data, 4, 4).unwrap();
    assert!(blend(&mut frame, &Tile::packed(&[0; 15], 2, 2, 0, 0)).is_err());
    assert!(blend(&mut frame, &Tile { stride: 7, ..Tile::packed(&[0; 64], 2, 2, 0, 0) }).is_err());
}
