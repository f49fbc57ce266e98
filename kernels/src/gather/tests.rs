use proptest::prelude::*;

use super::*;
use crate::testing::noise;

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
