use proptest::prelude::*;

use super::*;
use crate::device::Buffer;
use crate::testing::{assert_close, device, noise, read};

proptest! {
    #[test]
    fn agrees_with_the_reference(n in 0_usize..70_000, a in -2.0_f32..2.0) {
        let x = noise(n, 1);
        let (mut expected, mut found) = (noise(n, 2), noise(n, 2));
        reference::add_scaled(&x, a, &mut expected);
        add_scaled(&x, a, &mut found).unwrap();
        assert_close(&expected, &found, 5e-7);
    }
}

#[test]
fn another_length_is_refused() {
    assert!(add_scaled(&[0.0; 3], 1.0, &mut [0.0; 2]).is_err());
}

#[test]
fn cuda_agrees_with_the_reference() {
    let Some(place) = device() else { return };
    for (n, a) in [(1, 1.0), (255, -0.5), (1000, 1.5)] {
        let (x, mut expected) = (noise(n, 1), noise(n, 2));
        let mut y = Buffer::of(&place, &expected).unwrap();
        reference::add_scaled(&x, a, &mut expected);
        add_scaled(&Buffer::of(&place, &x).unwrap(), a, &mut y).unwrap();
        assert_close(&expected, &read(&y), 1e-6);
        assert!(add_scaled(&x, a, &mut y).is_err(), "x on the host");
    }
}
