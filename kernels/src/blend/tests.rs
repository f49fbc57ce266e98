use proptest::prelude::*;

use super::*;
use crate::device::{Buffer, BufferViewMut};
use crate::frame::{
    ChromaSite, ColorMatrix, ColorRange, Colorimetry, DeviceFrameMut, FrameMut, PixelFormat, PlaneMut,
};
use crate::layout::{self, Family};
use crate::testing::device;

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

fn check(format: PixelFormat, size: [usize; 2], tile: Tile<&[u8]>, colorimetry: Colorimetry) {
    let mut fast = planes(format, size[0], size[1], 4);
    let mut slow = fast.clone();
    with_frame(&mut fast, format, size[0], size[1], colorimetry, |frame| blend(frame, tile).unwrap());
    with_frame(&mut slow, format, size[0], size[1], colorimetry, |frame| reference::blend(frame, &tile));
    compare(format, size, &mut fast, &slow);
}

/// Samples are within 1 of each other, and all else is the same.
fn compare(format: PixelFormat, size: [usize; 2], fast: &mut [(Vec<u8>, usize)], slow: &[(Vec<u8>, usize)]) {
    let samples = layout::samples(format);
    for channel in layout::channels(format) {
        let ((fast, stride), (slow, _)) = (&mut fast[channel.plane], &slow[channel.plane]);
        for y in (0..size[1]).step_by(1 << channel.shift_y) {
            for x in (0..size[0]).step_by(1 << channel.shift_x) {
                let a = samples.load(fast, *stride, channel, x, y);
                let b = samples.load(slow, *stride, channel, x, y);
                // The f32 sum may fall on the other side of a rounding.
                assert!(a.abs_diff(b) <= 1, "{format:?} {size:?} {channel:?} at {x}, {y}: {a}, not {b}");
                samples.store(fast, *stride, channel, [x, y], b);
            }
        }
    }
    assert!(fast == slow, "{format:?} {size:?}: something beside the samples changed");
}

#[test]
fn every_format_agrees_with_the_reference_at_any_place() {
    let pixels = bytes(4 * 13 * 11, 5);
    for format in PixelFormat::ALL {
        for size in [[17, 33], [16, 12], [1, 1], [40, 7]] {
            for (x, y) in [(0, 0), (3, 5), (4, 6), (-5, 1), (2, -7), (11, 25), (10, 3), (-40, 0), (0, 90)] {
                for colorimetry in [STUDIO, Colorimetry::FULL_RANGE] {
                    check(format, size, Tile::packed(&pixels, 13, 11, x, y), colorimetry);
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn any_tile_agrees_with_the_reference(
        format in 0_usize..PixelFormat::ALL.len(), w in 1_usize..300, h in 1_usize..40, tw in 1_usize..300, th in 1_usize..40,
        x in -50_isize..300, y in -20_isize..40,
    ) {
        let pixels = bytes((4 * tw + 5) * th, w);
        let tile = Tile { pixels: &pixels[..], width: tw, height: th, stride: 4 * tw + 5, x, y };
        check(PixelFormat::ALL[format], [w, h], tile, STUDIO);
    }
}

#[test]
fn alpha_zero_leaves_every_byte() {
    let pixels: Vec<u8> = bytes(4 * 40 * 40, 1).chunks(4).flat_map(|p| [p[0], p[1], p[2], 0]).collect();
    for format in PixelFormat::ALL {
        let before = planes(format, 33, 29, 2);
        let mut after = before.clone();
        let tile = Tile::packed(&pixels, 40, 40, -3, -1);
        with_frame(&mut after, format, 33, 29, STUDIO, |frame| blend(frame, tile).unwrap());
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
        with_frame(&mut after, format, 21, 13, STUDIO, |frame| blend(frame, tile).unwrap());
        let expected = match layout::family(format) {
            Family::Rgb => [220, 40, 90],
            // BT.709 studio range of (220, 40, 90), by the definition.
            _ => [86, 132, 205],
        };
        let samples = layout::samples(format);
        let mut covered = after.clone();
        for (c, channel) in layout::channels(format).into_iter().enumerate() {
            let (data, stride) = &mut covered[channel.plane];
            for y in (2..8).step_by(1 << channel.shift_y) {
                for x in (4..12).step_by(1 << channel.shift_x) {
                    let c = if layout::family(format) == Family::Grey { 0 } else { c };
                    // Grey is listed three times, so that what is covered may be as before already.
                    let found = samples.load(&after[channel.plane].0, *stride, channel, x, y);
                    let found = (found + (1 << (samples.bits - 8) >> 1)) >> (samples.bits - 8);
                    assert_eq!(found, expected[c], "{format:?} channel {c} at {x}, {y}");
                    let (before, stride) = &before[channel.plane];
                    let before = samples.load(before, *stride, channel, x, y);
                    samples.store(data, *stride, channel, [x, y], before);
                }
            }
        }
        assert_eq!(covered, before, "{format:?}: something beside the covered samples changed");
    }
}

#[test]
fn a_short_slice_is_an_error() {
    let mut data = [0; 48];
    let mut frame = FrameMut::rgb(&mut data, 4, 4).unwrap();
    assert!(blend(&mut frame, Tile::packed(&[0; 15], 2, 2, 0, 0)).is_err());
    assert!(blend(&mut frame, Tile { stride: 7, ..Tile::packed(&[0; 64], 2, 2, 0, 0) }).is_err());
}

/// On a device a frame is within 1 of the reference, and nothing beside the samples changes.
#[test]
fn cuda_blend_agrees_with_the_reference_at_any_place() {
    let Some(place) = device() else { return };
    let pixels = bytes(4 * 13 * 11, 5);
    let there = Buffer::of(&place, &pixels).unwrap();
    for format in PixelFormat::ALL.into_iter().filter(|format| *format != PixelFormat::Gray10Le32) {
        for (size, (x, y), colorimetry) in [
            ([17, 33], (3, 5), STUDIO),
            ([16, 12], (-5, 1), Colorimetry::FULL_RANGE),
            ([40, 7], (2, -7), STUDIO),
            // Over the last column and row, of which a sample of colour has half.
            ([15, 11], (4, 3), STUDIO),
        ] {
            let before = planes(format, size[0], size[1], 4);
            let mut slow = before.clone();
            with_frame(&mut slow, format, size[0], size[1], colorimetry, |frame| {
                reference::blend(frame, &Tile::packed(&pixels, 13, 11, x, y));
            });
            let mut own: Vec<Buffer<u8>> =
                before.iter().map(|(data, _)| Buffer::of(&place, data).unwrap()).collect();
            let views = own.iter_mut().zip(&before).map(|(plane, (_, stride))| match plane.view_mut() {
                BufferViewMut::Cuda(data) => (data, *stride),
                BufferViewMut::Host(_) => panic!("on the host"),
            });
            let mut frame =
                DeviceFrameMut::new(format, size[0], size[1], views.collect(), colorimetry).unwrap();
            blend_there(&mut frame, Tile::packed(&there, 13, 11, x, y)).unwrap();
            let mut fast = before.clone();
            fast.iter_mut().zip(&own).for_each(|((data, _), own)| own.read(data).unwrap());
            compare(format, size, &mut fast, &slow);
        }
    }
    let mut plane = Buffer::<u8>::new(&place, 4 * 4).unwrap();
    let BufferViewMut::Cuda(data) = plane.view_mut() else { panic!("on the host") };
    let mut frame = DeviceFrameMut::new(PixelFormat::Gray10Le32, 3, 4, vec![(data, 4)], STUDIO).unwrap();
    let refused = blend_there(&mut frame, Tile::packed(&there, 13, 11, 0, 0)).unwrap_err().to_string();
    assert!(refused.contains("samples of whole bytes, on a device"), "{refused}");
    assert!(blend_there(&mut frame, Tile::packed(&pixels[..], 13, 11, 0, 0)).is_err());
    assert!(blend_there(&mut frame, Tile::packed(&there, 13, 12, 0, 0)).is_err());
}
