use proptest::prelude::*;

use super::*;
use crate::device::Buffer;
use crate::testing::{assert_close, device, noise, read};

proptest! {
    #[test]
    fn agrees_with_the_reference(n in 0_usize..40_000) {
        let (x, y) = (noise(n, 1), noise(n, 2));
        let (mut expected, mut found) = (y.clone(), y.clone());
        reference::add_relu(&x, &mut expected);
        add_relu(&x, &mut found).unwrap();
        prop_assert_eq!(&expected, &found);
        let (mut expected, mut found) = (y.clone(), y);
        reference::add_relu(&vec![0.0; n], &mut expected);
        relu(&mut found).unwrap();
        prop_assert_eq!(expected, found);
    }
}

#[test]
fn another_length_is_refused() {
    assert!(add_relu(&[0.0; 2], &mut [0.0; 3]).is_err());
}

#[test]
fn cuda_agrees_with_the_reference() {
    let Some(place) = device() else { return };
    for n in [1, 300, 1024] {
        let (x, y) = (noise(n, 1), noise(n, 2));
        let mut expected = y.clone();
        reference::add_relu(&x, &mut expected);
        let (x, mut found) = (Buffer::of(&place, &x).unwrap(), Buffer::of(&place, &y).unwrap());
        add_relu(&x, &mut found).unwrap();
        assert_close(&expected, &read(&found), 0.0);
        assert!(add_relu(&x, &mut expected).is_err());

        let mut expected = y.clone();
        reference::add_relu(&vec![0.0; n], &mut expected);
        let (mut found, mut halves) =
            (Buffer::of(&place, &y).unwrap(), Buffer::of_products(&place, n).unwrap());
        halves.write(&y).unwrap();
        for found in [&mut found, &mut halves] {
            relu(found).unwrap();
        }
        assert_close(&expected, &read(&found), 0.0);
        assert_close(&expected, &read(&halves), 1.0 / 256.0);
    }
}
