use proptest::prelude::*;

use super::*;
use crate::testing::{noise, windows_over_maps};

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
