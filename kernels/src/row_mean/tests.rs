use proptest::prelude::*;

use super::*;
use crate::device::Buffer;
use crate::testing::{assert_close, device, noise, read};

proptest! {
    #[test]
    fn agrees_with_the_reference(m in 0_usize..600, d in 1_usize..70) {
        let x = noise(m * d, 1);
        let (mut expected, mut found) = (vec![0.0; m], vec![0.0; m]);
        reference::row_mean(&x, d, &mut expected);
        row_mean(&x, d, &mut found).unwrap();
        assert_close(&expected, &found, 1e-6);
    }
}

#[test]
fn ragged_and_empty_rows_are_refused() {
    assert!(row_mean(&[0.0; 5], 2, &mut [0.0; 2]).is_err() && row_mean(&[], 0, &mut [0.0; 2]).is_err());
}

#[test]
fn cuda_agrees_with_the_reference() {
    let Some(place) = device() else { return };
    for (m, d) in [(1, 1), (9, 70), (30, 31)] {
        let x = noise(m * d, 1);
        let mut expected = vec![0.0; m];
        reference::row_mean(&x, d, &mut expected);
        let (x, mut y) = (Buffer::of(&place, &x).unwrap(), Buffer::new(&place, m).unwrap());
        row_mean(&x, d, &mut y).unwrap();
        assert_close(&expected, &read(&y), 1e-6);
    }
}
