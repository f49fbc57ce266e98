use proptest::prelude::*;

use super::*;
use crate::testing::{assert_close, noise};

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
