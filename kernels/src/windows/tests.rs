use proptest::prelude::*;

use super::*;
use crate::device::Buffer;
use crate::testing::{assert_close, device, noise, read, windows_over_maps};

proptest! {
    #[test]
    fn agrees_with_the_reference((grid, c, window) in windows_over_maps()) {
        let x = noise(grid.cells() * c, 1);
        let n = window.outputs(grid).cells() * window.side * window.side * c;
        let (mut expected, mut found) = (vec![0.0; n], vec![f32::NAN; n]);
        reference::windows(&x, grid, c, window, &mut expected);
        windows(&x, grid, window, &mut found).unwrap();
        prop_assert_eq!(expected, found);
    }
}

#[test]
fn three_cells_every_second_one_begin_before_the_map() {
    let window = Window { side: 3, step: 2, border: 1 };
    assert_eq!(window.outputs(Grid { rows: 8, columns: 5 }), Grid { rows: 4, columns: 3 });
    let mut y = [f32::NAN; 18];
    windows(&[1.0, 2.0, 3.0, 4.0], Grid { rows: 1, columns: 4 }, window, &mut y).unwrap();
    assert_eq!((&y[3..6], &y[12..15]), (&[0.0, 1.0, 2.0][..], &[2.0, 3.0, 4.0][..]));
}

#[test]
fn broken_maps_are_refused() {
    let (grid, window) = (Grid { rows: 2, columns: 3 }, Window { side: 3, step: 2, border: 1 });
    let refused = windows(&[0.0; 7], grid, window, &mut []).unwrap_err().to_string();
    assert_eq!(refused, "windows: expected x of 6 elements, found 7");
    assert!(windows(&[0.0; 6], grid, window, &mut [0.0; 9]).is_err());
    for broken in [Window { step: 0, ..window }, Window { side: 0, ..window }, Window { border: 3, ..window }]
    {
        assert!(windows(&[0.0; 6], grid, broken, &mut []).is_err(), "{broken:?}");
    }
    windows(&[], Grid { rows: 0, columns: 3 }, window, &mut []).unwrap();
}

#[test]
fn cuda_agrees_with_the_reference() {
    let Some(place) = device() else { return };
    for (grid, c, side, step, border) in [
        (Grid { rows: 9, columns: 7 }, 5, 3, 2, 1),
        (Grid { rows: 4, columns: 6 }, 33, 1, 2, 0),
        (Grid::square(5), 1, 5, 1, 2),
    ] {
        let window = Window { side, step, border };
        let x = noise(grid.cells() * c, 1);
        let n = window.outputs(grid).cells() * side * side * c;
        let mut expected = vec![0.0; n];
        reference::windows(&x, grid, c, window, &mut expected);
        let mut halved = Buffer::of_products(&place, x.len()).unwrap();
        halved.write(&x).unwrap();
        let x = Buffer::of(&place, &x).unwrap();
        let (mut found, mut halves) =
            (Buffer::new(&place, n).unwrap(), Buffer::of_products(&place, n).unwrap());
        windows(&x, grid, window, &mut found).unwrap();
        assert_close(&expected, &read(&found), 0.0);
        for x in [&x, &halved] {
            windows(x, grid, window, &mut halves).unwrap();
            assert_close(&expected, &read(&halves), 1.0 / 256.0);
        }
        assert!(windows(&x, grid, window, &mut vec![0.0; n]).is_err());
    }
}
