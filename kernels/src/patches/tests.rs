use proptest::prelude::*;

use super::*;
use crate::device::Buffer;
use crate::testing::{assert_near, device, noise, read};

proptest! {
    #[test]
    fn patches_agree_with_the_reference(
        down in 1_usize..12, across in 1_usize..12, p in 1_usize..9, c in 1_usize..5
    ) {
        let size = Grid { rows: down * p, columns: across * p };
        let image = noise(c * size.cells(), 1);
        let (mut expected, mut found) = (vec![0.0; image.len()], vec![0.0; image.len()]);
        reference::patches(&image, size, p, &mut expected);
        patches(&image, size, p, &mut found).unwrap();
        assert_eq!(expected, found);
    }

    #[test]
    fn merged_cells_agree_with_the_reference(down in 1_usize..16, across in 1_usize..16, c in 1_usize..20) {
        let grid = Grid { rows: 2 * down, columns: 2 * across };
        let cells = noise(grid.cells() * c, 1);
        let (mut expected, mut found) = (vec![0.0; cells.len()], vec![0.0; cells.len()]);
        reference::merge(&cells, grid, c, &mut expected);
        merge(&cells, grid, c, &mut found).unwrap();
        assert_eq!(expected, found);
    }
}

#[test]
fn what_makes_no_whole_squares_is_refused() {
    let three = Grid::square(3);
    assert!(patches(&[0.0; 27], three, 2, &mut [0.0; 27]).is_err(), "3 is no multiple of 2");
    assert!(patches(&[0.0; 27], three, 0, &mut [0.0; 27]).is_err());
    assert!(patches(&[0.0; 26], three, 3, &mut [0.0; 26]).is_err());
    assert!(patches(&[0.0; 27], three, 3, &mut [0.0; 18]).is_err());
    for size in [Grid { rows: 2, columns: 3 }, Grid { rows: 3, columns: 2 }] {
        let refused = patches(&[0.0; 6], size, 2, &mut [0.0; 6]).unwrap_err().to_string();
        let expected =
            format!("patches: expected planes of {size} pixels, whole patches of 2, found 6 values");
        assert_eq!(refused, expected);
        let refused = merge(&[0.0; 6], size, 1, &mut [0.0; 6]).unwrap_err().to_string();
        assert_eq!(refused, format!("merge: expected even rows and columns, found {size}"));
    }
    assert!(patches(&[], Grid { rows: 0, columns: 2 }, 2, &mut []).is_err());
    assert!(merge(&[0.0; 9], three, 1, &mut [0.0; 9]).is_err());
    assert!(merge(&[0.0; 16], Grid::square(4), 2, &mut [0.0; 16]).is_err());
}

#[test]
fn cuda_agrees_with_the_host() {
    let Some(place) = device() else { return };
    for (c, rows, columns, p) in
        [(3, 12, 12, 4), (1, 35, 35, 5), (5, 6, 6, 2), (3, 14, 28, 7), (2, 40, 12, 4), (1, 15, 10, 5)]
    {
        let size = Grid { rows, columns };
        let image = noise(c * size.cells(), 1);
        let mut expected = vec![0.0; image.len()];
        let on_device = Buffer::of(&place, &image).unwrap();
        let mut rows = Buffer::new(&place, image.len()).unwrap();
        patches(&image, size, p, &mut expected).unwrap();
        patches(&on_device, size, p, &mut rows).unwrap();
        assert_eq!(read(&rows), expected);
        let mut halves = Buffer::of_products(&place, image.len()).unwrap();
        patches(&on_device, size, p, &mut halves).unwrap();
        assert_near(&expected, &read(&halves), 1.0 / 256.0);
        if [size.rows, size.columns].iter().all(|n| n.is_multiple_of(2)) {
            merge(&image, size, c, &mut expected).unwrap();
            merge(&on_device, size, c, &mut rows).unwrap();
            assert_eq!(read(&rows), expected);
        }
    }
}
