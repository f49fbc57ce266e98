use proptest::prelude::*;

use super::*;
use crate::testing::{noise, windows_over_maps};

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
