use proptest::prelude::*;

use super::*;
use crate::grid::Grid;
use crate::preprocess::Fit;
use crate::testing::{assert_close, noise};

fn spec(rows: usize, columns: usize) -> PreprocessSpec {
    PreprocessSpec::imagenet(Grid { rows, columns }, Fit::Full)
}

fn values(cells: &[Cell]) -> Vec<f32> {
    cells.iter().flat_map(|cell| cell.colours.into_iter().chain([cell.detail])).collect()
}

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
        let found = cells(&picture[..], &spec, visible).unwrap();
        assert_close(&values(&reference::cells(&picture, &spec, visible)), &values(&found), 1e-4);
        let (mut expected, mut relit) = (picture.clone(), picture);
        reference::relight(&mut expected, &spec, visible, &GAINS);
        relight(&mut relit[..], &spec, visible, &GAINS).unwrap();
        assert_close(&expected, &relit, 1e-4);
    }
}

#[test]
fn a_plain_picture_has_its_colour_everywhere_and_no_detail() {
    let spec = spec(33, 47);
    let whole = PixelRect { x: 0, y: 0, width: 47, height: 33 };
    for cell in cells(&plain(&spec, [0.2, 0.4, 0.6])[..], &spec, whole).unwrap() {
        assert_close(&[0.2, 0.4, 0.6, 0.0], &values(&[cell]), 1e-5);
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
    relight(&mut picture[..], &spec, whole, &gains).unwrap();
    assert_close(&plain(&spec, [0.1, 0.4, 1.0]), &picture, 1e-4);
}

#[test]
fn other_sizes_are_refused() {
    let spec = spec(8, 8);
    let whole = PixelRect { x: 0, y: 0, width: 8, height: 8 };
    assert!(cells(&[0.0; 8][..], &spec, whole).is_err());
    for wrong in [PixelRect { x: 1, ..whole }, PixelRect { width: 0, ..whole }] {
        let error = cells(&[0.0; 192][..], &spec, wrong).unwrap_err().to_string();
        assert!(error.contains("light") && error.contains("8 x 8 pixels"), "{error}");
    }
}
