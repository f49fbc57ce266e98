use proptest::prelude::*;

use super::*;
use crate::device::Buffer;
use crate::testing::{assert_close, device, noise, read};

proptest! {
    #[test]
    fn agrees_with_the_reference(m in 0_usize..600, d in 0_usize..70) {
        let (x, w) = (noise(m * d, 1), noise(d, 2));
        let (mut expected, mut found) = (vec![0.5; m], vec![0.0; m]);
        if d > 0 {
            reference::row_dot(&x, &w, 0.5, &mut expected);
        }
        row_dot(&x, &w, 0.5, &mut found).unwrap();
        assert_close(&expected, &found, 5e-6);
    }
}

#[test]
fn a_ragged_input_is_refused() {
    assert!(row_dot(&[0.0; 5], &[1.0; 2], 0.0, &mut [0.0; 2]).is_err());
}

#[test]
fn cuda_agrees_with_the_reference() {
    let Some(place) = device() else { return };
    for (m, d) in [(1, 1), (9, 70), (30, 31), (17, 512)] {
        let (x, w) = (noise(m * d, 1), noise(d, 2));
        let mut expected = vec![0.0; m];
        reference::row_dot(&x, &w, 0.5, &mut expected);
        let (x, on_device) = (Buffer::of(&place, &x).unwrap(), Buffer::of(&place, &w).unwrap());
        let mut y = Buffer::new(&place, m).unwrap();
        row_dot(&x, &on_device, 0.5, &mut y).unwrap();
        assert_close(&expected, &read(&y), 2e-5);
        assert!(row_dot(&x, &w, 0.5, &mut y).is_err(), "operands that live apart");
    }
}
