use proptest::prelude::*;

use super::*;
use crate::device::Buffer;
use crate::testing::{assert_close, device, noise, read};

proptest! {
    #[test]
    fn agrees_with_the_reference(
        planes in 1_usize..4, height in 1_usize..14, width in 1_usize..14, side in 1_usize..8, step in 1_usize..5
    ) {
        let x = noise(planes * height * width, 1);
        let n = height.div_ceil(step) * width.div_ceil(step) * planes * side * side;
        let (mut expected, mut found) = (vec![0.0; n], vec![f32::NAN; n]);
        reference::unfold(&x, [height, width], Window { side, step }, &mut expected);
        unfold(&x, height, width, Window { side, step }, &mut found).unwrap();
        assert_eq!(expected, found);
    }
}

#[test]
fn the_odd_zero_lies_behind() {
    let mut y = [f32::NAN; 18];
    unfold(&[1.0, 2.0, 3.0, 4.0], 1, 4, Window { side: 3, step: 2 }, &mut y).unwrap();
    assert_eq!((&y[3..6], &y[12..15]), (&[1.0, 2.0, 3.0][..], &[3.0, 4.0, 0.0][..]));
}

#[test]
fn broken_images_are_refused() {
    let window = Window { side: 3, step: 2 };
    let refused = unfold(&[0.0; 7], 2, 3, window, &mut []).unwrap_err().to_string();
    assert_eq!(refused, "unfold: expected x of 6 elements, found 7");
    assert!(unfold(&[0.0; 6], 2, 3, window, &mut [0.0; 9]).is_err());
    assert!(unfold(&[0.0; 6], 2, 3, Window { side: 3, step: 0 }, &mut []).is_err());
    unfold(&[], 0, 3, window, &mut []).unwrap();
}

#[test]
fn cuda_agrees_with_the_reference() {
    let Some(place) = device() else { return };
    for (planes, [height, width], side, step) in
        [(3, [9, 12], 8, 2), (1, [1, 5], 3, 2), (2, [7, 7], 3, 1), (3, [4, 4], 1, 3)]
    {
        let x = noise(planes * height * width, 1);
        let n = height.div_ceil(step) * width.div_ceil(step) * planes * side * side;
        let mut expected = vec![0.0; n];
        reference::unfold(&x, [height, width], Window { side, step }, &mut expected);
        let x = Buffer::of(&place, &x).unwrap();
        let (mut found, mut halves) =
            (Buffer::new(&place, n).unwrap(), Buffer::of_products(&place, n).unwrap());
        for found in [&mut found, &mut halves] {
            unfold(&x, height, width, Window { side, step }, found).unwrap();
        }
        assert_close(&expected, &read(&found), 0.0);
        assert_close(&expected, &read(&halves), 1.0 / 256.0);
        assert!(unfold(&x, height, width, Window { side, step }, &mut vec![0.0; n]).is_err());
    }
}
