use proptest::prelude::*;

use super::*;
use crate::device::Buffer;
use crate::testing::{assert_close, device, noise, read};

proptest! {
    #[test]
    fn agrees_with_the_reference(m in 0_usize..600, d in 1_usize..70) {
        let (mut expected, mut found) = (noise(m * d, 1), noise(m * d, 1));
        reference::unit_rows(&mut expected, d);
        unit_rows(&mut found, d).unwrap();
        assert_close(&expected, &found, 3e-6);
    }
}

#[test]
fn a_row_of_zeros_stays_as_it_is() {
    let mut x = [0.0, 0.0, 3.0, 4.0];
    unit_rows(&mut x, 2).unwrap();
    assert_eq!(x[..2], [0.0, 0.0]);
    assert_close(&[0.848_528_1, 1.131_370_9], &x[2..], 1e-6);
}

#[test]
fn parts_of_rows_are_refused() {
    assert!(unit_rows(&mut [0.0; 5], 2).is_err() && unit_rows(&mut [0.0; 4], 0).is_err());
}

#[test]
fn cuda_agrees_with_the_reference() {
    let Some(place) = device() else { return };
    for (m, d) in [(1, 1), (9, 33), (70, 96), (8, 200)] {
        let mut expected = noise(m * d, 1);
        expected[..d].fill(0.0);
        let mut found = Buffer::of(&place, &expected).unwrap();
        reference::unit_rows(&mut expected, d);
        unit_rows(&mut found, d).unwrap();
        assert_close(&expected, &read(&found), 3e-6);
    }
}
