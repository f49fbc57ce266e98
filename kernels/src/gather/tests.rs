use proptest::prelude::*;

use super::*;
use crate::device::Buffer;
use crate::testing::{assert_close, device, noise, read};

proptest! {
    #[test]
    fn agrees_with_the_reference(n in 1_usize..50, d in 1_usize..40, places in prop::collection::vec(0_u32..60, 0..99)) {
        let from: Vec<u32> = places.iter().map(|p| if (*p as usize) < n { *p } else { KEEP }).collect();
        let (x, mut expected) = (noise(n * d, 1), noise(from.len() * d, 2));
        let mut found = expected.clone();
        reference::gather(&x, d, &from, &mut expected);
        gather(&x, d, &from, &mut found).unwrap();
        assert_eq!(expected, found);
    }
}

#[test]
fn a_place_outside_is_refused() {
    let refused = gather(&[0.0; 6], 2, &[2, 3], &mut [0.0; 4]).unwrap_err();
    assert_eq!(refused.to_string(), "gather: expected places among 3 rows, found 3");
}

#[test]
fn cuda_agrees_with_the_reference() {
    let Some(place) = device() else { return };
    for (n, d, from) in [
        (1, 1, vec![0, KEEP, 0]),
        (9, 33, vec![8, 0, KEEP, 3, 3, KEEP, 7]),
        (70, 5, (0..70).rev().collect()),
        (4, 6, vec![]),
    ] {
        let (x, y) = (noise(n * d, 1), noise(from.len() * d, 2));
        let mut expected = y.clone();
        reference::gather(&x, d, &from, &mut expected);
        let (x, from) = (Buffer::of(&place, &x).unwrap(), Buffer::of(&place, &from).unwrap());
        let mut found = Buffer::of(&place, &y).unwrap();
        gather(&x, d, &from, &mut found).unwrap();
        assert_eq!(expected, read(&found));
        let mut halves = Buffer::of_products(&place, y.len()).unwrap();
        halves.write(&y).unwrap();
        gather(&x, d, &from, &mut halves).unwrap();
        assert_close(&expected, &read(&halves), 1.0 / 256.0);
        assert!(gather(&x, d, &vec![0; from.len()], &mut found).is_err(), "operands that live apart");
    }
    // A place outside leaves the row as it is.
    let (x, from) = (Buffer::of(&place, &[1.0, 2.0]).unwrap(), Buffer::of(&place, &[2, 1]).unwrap());
    let mut y = Buffer::of(&place, &[5.0, 6.0]).unwrap();
    gather(&x, 1, &from, &mut y).unwrap();
    assert_eq!(read(&y), [5.0, 2.0]);
}
