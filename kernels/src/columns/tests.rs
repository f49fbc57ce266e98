use proptest::prelude::*;

use super::*;
use crate::device::Buffer;
use crate::testing::{assert_close, device, noise, read};

proptest! {
    #[test]
    fn agrees_with_the_reference(n in 1_usize..600, c in 1_usize..20, first in 0_usize..9, more in 0_usize..9) {
        let place = Place { width: first + c + more, first };
        let (x, mut expected) = (noise(n * c, 1), noise(n * place.width, 2));
        let mut found = expected.clone();
        reference::columns(&x, c, 0.7, place, &mut expected);
        columns(&x, c, 0.7, place, &mut found).unwrap();
        assert_eq!(expected, found);
    }
}

#[test]
fn columns_beyond_the_last_are_refused() {
    let place = Place { width: 5, first: 3 };
    let refused = columns(&[0.0; 6], 3, 1.0, place, &mut [0.0; 10]).unwrap_err().to_string();
    assert_eq!(refused, "columns: expected columns among 5, found 3 from 3 on");
    assert!(columns(&[0.0; 5], 2, 1.0, place, &mut [0.0; 10]).is_err());
    assert!(columns(&[0.0; 4], 2, 1.0, place, &mut [0.0; 9]).is_err());
    columns(&[], 2, 1.0, place, &mut []).unwrap();
}

#[test]
fn cuda_agrees_with_the_reference() {
    let Some(there) = device() else { return };
    for (n, c, first, width) in [(1, 1, 0, 1), (9, 33, 0, 66), (30, 7, 5, 13), (3, 100, 31, 131)] {
        let place = Place { width, first };
        let (x, y) = (noise(n * c, 1), noise(n * width, 2));
        let mut expected = y.clone();
        reference::columns(&x, c, 0.7, place, &mut expected);
        let x = Buffer::of(&there, &x).unwrap();
        let mut found = Buffer::of(&there, &y).unwrap();
        columns(&x, c, 0.7, place, &mut found).unwrap();
        assert_close(&expected, &read(&found), 1e-7);
        let mut halves = Buffer::of_products(&there, y.len()).unwrap();
        halves.write(&y).unwrap();
        columns(&x, c, 0.7, place, &mut halves).unwrap();
        assert_close(&expected, &read(&halves), 1.0 / 256.0);
        assert!(columns(&x, c, 0.7, place, &mut vec![0.0; n * width]).is_err(), "operands that live apart");
    }
}
