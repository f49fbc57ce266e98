use proptest::prelude::*;

use super::*;
use crate::device::Buffer;
use crate::testing::{assert_close, device, noise, read, windows_over_maps};

proptest! {
    #[test]
    fn agrees_with_the_reference((grid, c, window) in windows_over_maps()) {
        let x = noise(grid.cells() * c, 1);
        let n = window.outputs(grid).cells() * c;
        let (mut expected, mut found) = (vec![0.0; n], vec![f32::NAN; n]);
        reference::max_pool(&x, grid, c, window, &mut expected);
        max_pool(&x, grid, window, &mut found).unwrap();
        prop_assert_eq!(expected, found);
    }
}

#[test]
fn a_map_below_zero_stays_there() {
    let (window, mut y) = (Window { side: 3, step: 2, border: 1 }, [f32::NAN; 1]);
    max_pool(&[-3.0, -2.0, -4.0, -5.0], Grid::square(2), window, &mut y).unwrap();
    assert_eq!(y, [-2.0]);
}

#[test]
fn another_size_is_refused() {
    let window = Window { side: 3, step: 2, border: 1 };
    assert!(max_pool(&[0.0; 4], Grid::square(2), window, &mut [0.0; 2]).is_err());
}

#[test]
fn cuda_agrees_with_the_reference() {
    let Some(place) = device() else { return };
    for (grid, c, side, step, border) in [
        (Grid { rows: 9, columns: 7 }, 5, 3, 2, 1),
        (Grid { rows: 4, columns: 6 }, 33, 2, 2, 0),
        (Grid::square(5), 1, 5, 1, 2),
    ] {
        let window = Window { side, step, border };
        // Below zero, which the cells of the border must not be.
        let x: Vec<f32> = noise(grid.cells() * c, 1).iter().map(|v| v - 2.0).collect();
        let mut expected = vec![0.0; window.outputs(grid).cells() * c];
        reference::max_pool(&x, grid, c, window, &mut expected);
        let (x, mut found) = (Buffer::of(&place, &x).unwrap(), Buffer::new(&place, expected.len()).unwrap());
        max_pool(&x, grid, window, &mut found).unwrap();
        assert_close(&expected, &read(&found), 0.0);
        assert!(max_pool(&x, grid, window, &mut expected).is_err());
    }
}
