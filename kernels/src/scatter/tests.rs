use proptest::prelude::*;

use super::*;
use crate::testing::noise;

proptest! {
    #[test]
    fn agrees_with_the_reference(n in 1_usize..40, d in 1_usize..9, places in prop::collection::vec(0_u32..1000, 0..60)) {
        let places: Vec<u32> = places.iter().map(|place| place % n as u32).collect();
        let (x, mut expected) = (noise(places.len(), 1), noise(n * d, 2));
        let mut found = expected.clone();
        reference::scatter(&x, &places, d / 2, d, &mut expected);
        scatter(&x, &places, d / 2, d, &mut found).unwrap();
        assert_eq!(expected, found);
    }
}

#[test]
fn what_lies_outside_is_refused() {
    assert!(scatter(&[0.0], &[2], 0, 2, &mut [0.0; 4]).is_err(), "no row");
    assert!(scatter(&[0.0], &[0], 2, 2, &mut [0.0; 4]).is_err(), "no column");
    assert!(scatter(&[0.0], &[], 0, 2, &mut [0.0; 4]).is_err(), "no place");
}
