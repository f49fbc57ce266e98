use proptest::prelude::*;

use super::*;
use crate::device::Buffer;
use crate::testing::{assert_close, device, noise, read};

proptest! {
    #[test]
    fn agrees_with_the_reference(n in 0_usize..600, c in 1_usize..70) {
        let (a, b) = (noise(n * c, 1), noise(n * c, 2));
        let (mut expected, mut found) = (vec![0.0; n], vec![f32::NAN; n]);
        reference::cosine_distance(&a, &b, c, &mut expected);
        cosine_distance(&a, &b, c, &mut found).unwrap();
        assert_close(&expected, &found, 1e-6);
    }
}

#[test]
fn a_row_without_length_is_like_no_other() {
    let mut y = [f32::NAN; 3];
    cosine_distance(&[0.0, 0.0, 1.0, 0.0, 1.0, 1.0], &[1.0, 0.0, -2.0, 0.0, 3.0, 3.0], 2, &mut y).unwrap();
    assert_close(&[1.0, 2.0, 0.0], &y, 1e-6);
}

#[test]
fn other_sizes_are_refused() {
    assert!(cosine_distance(&[0.0; 5], &[0.0; 4], 2, &mut [0.0; 2]).is_err());
    assert!(cosine_distance(&[0.0; 4], &[0.0; 2], 2, &mut [0.0; 2]).is_err());
}

#[test]
fn cuda_agrees_with_the_reference() {
    let Some(place) = device() else { return };
    for (n, c) in [(1, 1), (9, 33), (70, 64), (8, 256)] {
        let (mut a, b, mut expected) = (noise(n * c, 1), noise(n * c, 2), vec![0.0; n]);
        a[..c].fill(0.0);
        reference::cosine_distance(&a, &b, c, &mut expected);
        let [a, b] = [&a, &b].map(|values| Buffer::of(&place, values).unwrap());
        let mut found = Buffer::new(&place, n).unwrap();
        cosine_distance(&a, &b, c, &mut found).unwrap();
        assert_close(&expected, &read(&found), 1e-6);
        assert!(cosine_distance(&a, &b, c, &mut expected).is_err());
    }
}
