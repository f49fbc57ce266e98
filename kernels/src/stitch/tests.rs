use proptest::prelude::*;

use super::*;
use crate::testing::{assert_near, noise};

proptest! {
    #[test]
    fn agrees_with_the_reference(
        (left, w, right) in (0_usize..9, 0_usize..40, 0_usize..9),
        (above, h, below) in (0_usize..9, 0_usize..9, 0_usize..9),
        (x, y) in (0_usize..9, 0_usize..9),
    ) {
        let (width, height) = (left + w + right, above + h + below);
        let (map_width, map_height) = (x + w + 3, y + h + 2);
        let (rows, columns) = (noise(h, 1), noise(w, 2));
        let window = PixelRect { x: left, y: above, width: w, height: h };
        let piece = Piece { window, at: (x, y), rows: &rows[..], columns: &columns };
        let tile = noise(width * height, 3);
        let (mut expected, mut found) = (noise(map_width * map_height, 4), noise(map_width * map_height, 4));
        reference::stitch(&tile, width, &piece, &mut expected, map_width);
        stitch(&tile, width, piece, &mut found, map_width).unwrap();
        assert_near(&expected, &found, 1e-6);
    }
}

#[test]
fn tiles_whose_weights_sum_to_one_make_an_even_map() {
    let mut map = [0.0; 6];
    for (at, columns) in [(0, [1.0, 1.0, 0.75, 0.25]), (2, [0.25, 0.75, 1.0, 1.0])] {
        let window = PixelRect { x: 0, y: 0, width: 4, height: 1 };
        let piece = Piece { window, at: (at, 0), rows: &[1.0][..], columns: &columns };
        stitch(&[3.0; 4], 4, piece, &mut map, 6).unwrap();
    }
    assert_eq!(map, [3.0; 6]);
}

#[test]
fn nothing_of_a_tile_without_a_width_changes_nothing() {
    let window = PixelRect { x: 0, y: 0, width: 0, height: 1 };
    let piece = Piece { window, at: (0, 0), rows: &[1.0][..], columns: &[] };
    let mut map = [2.0; 4];
    stitch(&[], 0, piece, &mut map, 2).unwrap();
    assert_eq!(map, [2.0; 4]);
    assert!(stitch(&[1.0], 0, piece, &mut map, 2).is_err(), "elements without a width");
}

#[test]
fn what_lies_outside_and_weights_that_are_missing_are_refused() {
    let window = PixelRect { x: 1, y: 0, width: 2, height: 1 };
    let piece = |at, rows: &'static [f32], columns: &'static [f32]| Piece { window, at, rows, columns };
    let run = |piece: Piece<&[f32]>, tile: &[f32]| stitch(tile, 3, piece, &mut [0.0; 8], 4);
    assert!(run(piece((2, 1), &[1.0], &[1.0; 2]), &[0.0; 3]).is_ok());
    assert!(run(piece((3, 0), &[1.0], &[1.0; 2]), &[0.0; 3]).is_err(), "beside the map");
    assert!(run(piece((0, 2), &[1.0], &[1.0; 2]), &[0.0; 3]).is_err(), "below the map");
    assert!(run(piece((0, 0), &[1.0; 2], &[1.0; 2]), &[0.0; 3]).is_err(), "a weight too many");
    assert!(run(piece((0, 0), &[1.0], &[1.0]), &[0.0; 3]).is_err(), "a weight is missing");
    assert!(run(piece((0, 0), &[1.0], &[1.0; 2]), &[0.0; 4]).is_err(), "no whole rows");
}
