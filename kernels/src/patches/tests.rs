use proptest::prelude::*;

use super::*;
use crate::device::Buffer;
use crate::testing::{assert_near, device, noise, read};

proptest! {
    #[test]
    fn patches_agree_with_the_reference(n in 1_usize..12, p in 1_usize..9, c in 1_usize..5) {
        let side = n * p;
        let image = noise(c * side * side, 1);
        let (mut expected, mut found) = (vec![0.0; image.len()], vec![0.0; image.len()]);
        reference::patches(&image, side, p, &mut expected);
        patches(&image, side, p, &mut found).unwrap();
        assert_eq!(expected, found);
    }

    #[test]
    fn merged_cells_agree_with_the_reference(half in 1_usize..20, c in 1_usize..20) {
        let side = 2 * half;
        let cells = noise(side * side * c, 1);
        let (mut expected, mut found) = (vec![0.0; cells.len()], vec![0.0; cells.len()]);
        reference::merge(&cells, side, c, &mut expected);
        merge(&cells, side, c, &mut found).unwrap();
        assert_eq!(expected, found);
    }
}

#[test]
fn what_makes_no_whole_squares_is_refused() {
    assert!(patches(&[0.0; 27], 3, 2, &mut [0.0; 27]).is_err(), "3 is no multiple of 2");
    assert!(patches(&[0.0; 27], 3, 0, &mut [0.0; 27]).is_err());
    assert!(patches(&[0.0; 26], 3, 3, &mut [0.0; 26]).is_err());
    assert!(patches(&[0.0; 27], 3, 3, &mut [0.0; 18]).is_err());
    assert!(merge(&[0.0; 9], 3, 1, &mut [0.0; 9]).is_err());
    assert!(merge(&[0.0; 16], 4, 2, &mut [0.0; 16]).is_err());
}

#[test]
fn cuda_agrees_with_the_host() {
    let Some(place) = device() else { return };
    for (c, side, p) in [(3, 12, 4), (1, 35, 5), (5, 6, 2)] {
        let image = noise(c * side * side, 1);
        let mut expected = vec![0.0; image.len()];
        let on_device = Buffer::of(&place, &image).unwrap();
        let mut rows = Buffer::new(&place, image.len()).unwrap();
        patches(&image, side, p, &mut expected).unwrap();
        patches(&on_device, side, p, &mut rows).unwrap();
        assert_eq!(read(&rows), expected);
        let mut halves = Buffer::of_products(&place, image.len()).unwrap();
        patches(&on_device, side, p, &mut halves).unwrap();
        assert_near(&expected, &read(&halves), 1.0 / 256.0);
        if side % 2 == 0 {
            merge(&image, side, c, &mut expected).unwrap();
            merge(&on_device, side, c, &mut rows).unwrap();
            assert_eq!(read(&rows), expected);
        }
    }
}
