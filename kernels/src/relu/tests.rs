use proptest::prelude::*;

use super::*;
use crate::testing::noise;

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
