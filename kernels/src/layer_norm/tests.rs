use proptest::prelude::*;

use super::*;
use crate::testing::{assert_close, noise};

proptest! {
    #[test]
    fn agrees_with_the_reference(m in 1_usize..20, d in 1_usize..200) {
        let (x, w, b) = (noise(m * d, 1), noise(d, 2), noise(d, 3));
        let (mut expected, mut found) = (vec![0.0; m * d], vec![0.0; m * d]);
        reference::layer_norm(&x, &w, &b, 1e-6, &mut expected);
        layer_norm(&x, &w, &b, 1e-6, &mut found).unwrap();
        // Two equal elements have no variance: 1/sqrt(eps) then magnifies the rounding of the mean.
        assert_close(&expected, &found, if d < 4 { 2e-3 } else { 1e-5 });
    }
}

#[test]
fn a_constant_row_becomes_the_bias() {
    let mut y = [0.0; 3];
    layer_norm(&[7.0; 3], &[2.0; 3], &[0.5, 1.0, 1.5], 1e-6, &mut y).unwrap();
    assert_eq!(y, [0.5, 1.0, 1.5]);
}

#[test]
fn a_ragged_input_is_refused() {
    assert!(layer_norm(&[0.0; 5], &[1.0; 2], &[0.0; 2], 1e-6, &mut [0.0; 5]).is_err());
}
