use proptest::prelude::*;

use super::*;
use crate::testing::{assert_close, noise};

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
