use proptest::prelude::*;

use super::*;
use crate::device::Buffer;
use crate::grid::Grid;
use crate::preprocess::Fit;
use crate::testing::{assert_close, device, noise, read};

fn spec(rows: usize, columns: usize) -> PreprocessSpec {
    PreprocessSpec::imagenet(Grid { rows, columns }, Fit::Full)
}

/// The cells of a picture on the host.
fn measured(picture: &[f32], spec: &PreprocessSpec, visible: PixelRect) -> Vec<f32> {
    let mut found = vec![0.0; CELLS * NUMBERS];
    cells(picture, spec, visible, &mut found).unwrap();
    found
}

/// Planes and gains on the host.
fn compared(cells: &[Cell], usual: &[Usual], range: &[f32]) -> Vec<f32> {
    let (cells, usual): (&[f32], &[f32]) = (bytemuck::cast_slice(cells), bytemuck::cast_slice(usual));
    let mut found = vec![0.0; 2 * PLANES];
    compare(cells, usual, range, &mut found).unwrap();
    found
}

/// What cells usually look like, and cells in a light that has these planes, where parts and defects are, too.
fn scene(planes: [Gain; COLOURS], seed: u64) -> (Vec<Usual>, Vec<Cell>) {
    let noise = noise(2 * CELLS * NUMBERS, seed);
    let both = noise.chunks_exact(2 * NUMBERS).enumerate().map(|(cell, own)| {
        let median: [f32; NUMBERS] = std::array::from_fn(|i| (0.5 + 0.45 * own[i]).ln());
        let is_part = cell % SIDE > 4;
        let deviation = [if is_part { 0.3 } else { 0.01 + 0.02 * own[3].abs() }; NUMBERS];
        let [x, y] = [place(cell % SIDE, SIDE), place(cell / SIDE, SIDE)];
        let colours = std::array::from_fn(|c| {
            let light = planes[c].level + x * planes[c].slope_x + y * planes[c].slope_y;
            let other = if cell % 11 == 3 { -1.0 } else { deviation[c] * own[NUMBERS + c] };
            (median[c] + light + other).exp()
        });
        (Usual { median, deviation }, Cell { colours, detail: 0.1 })
    });
    both.unzip()
}

/// A range that many planes lie beside.
const RANGE: [f32; 2 * PLANES] = [
    -0.1, -0.02, -0.02, -0.05, -0.01, -0.01, -0.05, -0.01, -0.01, 0.1, 0.02, 0.02, 0.05, 0.01, 0.01, 0.05,
    0.01, 0.01,
];

/// A picture of one colour.
fn plain(spec: &PreprocessSpec, colours: [f32; COLOURS]) -> Vec<f32> {
    let plane = |c: usize| vec![(colours[c] - spec.mean[c]) / spec.std[c]; spec.size.cells()];
    (0..COLOURS).flat_map(plane).collect()
}

const GAINS: [Gain; COLOURS] = [
    Gain { level: 0.2, slope_x: 0.1, slope_y: -0.1 },
    Gain { level: -0.3, slope_x: 0.0, slope_y: 0.3 },
    Gain { level: 0.0, slope_x: -0.2, slope_y: 0.1 },
];

proptest! {
    #[test]
    fn agree_with_the_references(
        rows in 1_usize..70,
        columns in 1_usize..90,
        (left, top, right, bottom) in (0_usize..3, 0_usize..2, 0_usize..2, 0_usize..2),
        seed in 0_u64..50,
    ) {
        let spec = spec(rows + top + bottom, columns + left + right);
        let visible = PixelRect { x: left, y: top, width: columns, height: rows };
        let picture = noise(spec.output_len(), seed);
        let expected = reference::cells(&picture, &spec, visible);
        assert_close(bytemuck::cast_slice(&expected), &measured(&picture, &spec, visible), 1e-4);
        let (mut expected, mut relit) = (picture.clone(), picture);
        reference::relight(&mut expected, &spec, visible, &GAINS);
        relight(&mut relit[..], &spec, visible, numbers(&GAINS)).unwrap();
        assert_close(&expected, &relit, 1e-4);
    }

    #[test]
    fn planes_and_gains_agree_with_the_reference(seed in 0_u64..1000, strength in 0.0_f32..1.5) {
        let (usual, cells) = scene(by(strength), seed);
        let expected = reference::compare(&cells, &usual, &RANGE);
        assert_close(&expected, &compared(&cells, &usual, &RANGE), 1e-5);
    }
}

fn numbers(gains: &[Gain; COLOURS]) -> &[f32] {
    bytemuck::cast_slice(gains)
}

/// Gains that are so many times as strong.
fn by(strength: f32) -> [Gain; COLOURS] {
    GAINS.map(|Gain { level, slope_x, slope_y }| Gain {
        level: strength * level,
        slope_x: strength * slope_x,
        slope_y: strength * slope_y,
    })
}

#[test]
fn a_plain_picture_has_its_colour_everywhere_and_no_detail() {
    let spec = spec(33, 47);
    let whole = PixelRect { x: 0, y: 0, width: 47, height: 33 };
    for cell in measured(&plain(&spec, [0.2, 0.4, 0.6]), &spec, whole).chunks_exact(NUMBERS) {
        assert_close(&[0.2, 0.4, 0.6, 0.0], cell, 1e-5);
    }
}

#[test]
fn colours_grow_by_the_gain_and_end_at_white() {
    let spec = spec(8, 8);
    let whole = PixelRect { x: 0, y: 0, width: 8, height: 8 };
    let mut picture = plain(&spec, [0.2, 0.4, 0.9]);
    let gains = [
        Gain { level: 0.5_f32.ln(), ..Gain::default() },
        Gain::default(),
        Gain { level: 1.0, ..Gain::default() },
    ];
    relight(&mut picture[..], &spec, whole, numbers(&gains)).unwrap();
    assert_close(&plain(&spec, [0.1, 0.4, 1.0]), &picture, 1e-4);
    // Whiter than white stays, too, without gains.
    let mut picture = plain(&spec, [0.2, 0.4, 1.1]);
    relight(&mut picture[..], &spec, whole, &[0.0; PLANES]).unwrap();
    assert_eq!(picture, plain(&spec, [0.2, 0.4, 1.1]));
}

const TILTED: Gain = Gain { level: -0.2, slope_x: 0.1, slope_y: -0.05 };

/// The plane of cells that lie above the usual ones as `TILTED` says, after a change; each has that deviation.
fn plane_of(change: impl Fn(usize, &mut f32, &mut f32)) -> Gain {
    let (mut differences, mut deviations) = ([0.0; CELLS], [0.02; CELLS]);
    for cell in 0..CELLS {
        let [x, y] = [place(cell % SIDE, SIDE), place(cell / SIDE, SIDE)];
        differences[cell] = TILTED.level + x * TILTED.slope_x + y * TILTED.slope_y;
        change(cell, &mut differences[cell], &mut deviations[cell]);
    }
    fit::plane(&differences, &deviations)
}

fn close(a: Gain, b: Gain) -> bool {
    (a.level - b.level).abs() < 0.01
        && (a.slope_x - b.slope_x).abs() < 0.01
        && (a.slope_y - b.slope_y).abs() < 0.01
}

#[test]
fn cells_that_a_defect_changed_do_not_count() {
    assert!(close(plane_of(|_, _, _| ()), TILTED));
    // A third of the frame is black.
    let found = plane_of(|cell, difference, _| {
        if cell < CELLS / 3 {
            *difference -= 2.0;
        }
    });
    assert!(close(found, TILTED), "{found:?}");
}

#[test]
fn cells_that_usually_change_count_little() {
    // Parts cover two thirds of the frame, somewhat darker than usual.
    let found = plane_of(|cell, difference, deviation| {
        if cell >= CELLS / 3 {
            *difference -= 0.3;
            *deviation = 0.5;
        }
    });
    // What is steady lies in the upper third alone, which says less of the slope downwards.
    assert!((found.level + 0.2).abs() < 0.03 && (found.slope_x - 0.1).abs() < 0.02, "{found:?}");
}

#[test]
fn gains_end_at_the_range_and_are_none_from_afar() {
    let level = |by: f32| {
        let (usual, cells) = scene([Gain { level: by, ..Gain::default() }; COLOURS], 3);
        let found = compared(&cells, &usual, &RANGE);
        // Of parts and defects the planes keep a little.
        assert!((found[0] - by).abs() < 0.02, "{by}: {found:?}");
        found[PLANES..].to_vec()
    };
    assert!(level(0.05)[0].abs() < 0.02);
    assert!((level(-0.4)[0] - 0.3).abs() < 0.04 && (level(0.4)[0] + 0.3).abs() < 0.04);
    assert_eq!(level(-1.2), [0.0; PLANES]);
}

#[test]
fn other_sizes_are_refused() {
    let spec = spec(8, 8);
    let whole = PixelRect { x: 0, y: 0, width: 8, height: 8 };
    let mut room = [0.0; CELLS * NUMBERS];
    assert!(cells(&[0.0; 8], &spec, whole, &mut room).is_err());
    assert!(cells(&[0.0; 192], &spec, whole, &mut room[1..]).is_err());
    for wrong in [PixelRect { x: 1, ..whole }, PixelRect { width: 0, ..whole }] {
        let error = cells(&[0.0; 192], &spec, wrong, &mut room).unwrap_err().to_string();
        assert!(error.contains("light") && error.contains("8 x 8 pixels"), "{error}");
    }
    assert!(relight(&mut [0.0; 192], &spec, whole, &[0.0; PLANES - 1]).is_err());
    let (usual, mut found) = ([0.0; CELLS * 2 * NUMBERS], [0.0; 2 * PLANES]);
    assert!(compare(&room, &usual[1..], &RANGE, &mut found).is_err());
    assert!(compare(&room, &usual, &RANGE[1..], &mut found).is_err());
    assert!(compare(&room, &usual, &RANGE, &mut found[1..]).is_err());
}

#[test]
fn cuda_agrees_with_the_references() {
    let Some(place) = device() else { return };
    for (rows, columns, [left, top, right, bottom]) in [
        (1, 1, [0; 4]),
        (5, 3, [1, 0, 2, 3]),
        (61, 90, [0, 7, 0, 2]),
        (33, 290, [2, 0, 1, 0]),
        (150, 21, [0, 0, 5, 1]),
    ] {
        let spec = spec(rows + top + bottom, columns + left + right);
        let visible = PixelRect { x: left, y: top, width: columns, height: rows };
        let picture = noise(spec.output_len(), (rows * columns) as u64);
        let mut there = Buffer::of(&place, &picture).unwrap();
        let mut found = Buffer::new(&place, CELLS * NUMBERS).unwrap();
        cells(&there, &spec, visible, &mut found).unwrap();
        let expected = reference::cells(&picture, &spec, visible);
        assert_close(bytemuck::cast_slice(&expected), &read(&found), 1e-5);

        let mut expected = picture.clone();
        reference::relight(&mut expected, &spec, visible, &GAINS);
        let gains = Buffer::of(&place, &[0.0; PLANES]).unwrap();
        relight(&mut there, &spec, visible, &gains).unwrap();
        assert_eq!(read(&there), picture);
        let gains = Buffer::of(&place, numbers(&GAINS)).unwrap();
        relight(&mut there, &spec, visible, &gains).unwrap();
        assert_close(&expected, &read(&there), 1e-5);
        assert!(relight(&mut there, &spec, visible, numbers(&GAINS)).is_err(), "gains of the host");
        assert!(cells(&picture, &spec, visible, &mut found).is_err(), "a picture of the host");
    }
}

#[test]
fn cuda_planes_and_gains_agree_with_the_reference() {
    let Some(place) = device() else { return };
    let range = Buffer::of(&place, &RANGE).unwrap();
    for seed in 0..12 {
        let (usual, cells) = scene(by(seed as f32 / 6.0), seed);
        let expected = reference::compare(&cells, &usual, &RANGE);
        let [cells, usual] = [bytemuck::cast_slice(&cells), bytemuck::cast_slice(&usual)]
            .map(|values| Buffer::of(&place, values).unwrap());
        let mut found = Buffer::new(&place, 2 * PLANES).unwrap();
        compare(&cells, &usual, &range, &mut found).unwrap();
        assert_close(&expected, &read(&found), 1e-5);
        assert!(compare(&cells, &usual, &RANGE, &mut found).is_err(), "a range of the host");
    }
}
