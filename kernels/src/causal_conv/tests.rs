use proptest::prelude::*;

use super::*;
use crate::testing::{assert_close, noise};

proptest! {
    #[test]
    fn agrees_with_the_reference(sequences in 1_usize..4, len in 1_usize..40, d in 1_usize..70) {
        let (x, w, bias) = (noise(sequences * len * d, 1), noise(TAPS * d, 2), noise(d, 3));
        let (mut expected, mut found) = (vec![0.0; x.len()], vec![0.0; x.len()]);
        reference::causal_conv(&x, len, &w, &bias, &mut expected);
        causal_conv(&x, len, &w, &bias, &mut found).unwrap();
        assert_close(&expected, &found, 2e-6);
    }
}

#[test]
fn the_last_tap_meets_the_current_token() {
    let mut y = [0.0; 3];
    causal_conv(&[1.0, 2.0, 3.0], 3, &[0.0, 0.0, 0.0, 1.0], &[0.0], &mut y).unwrap();
    let silu = |x: f32| x / (1.0 + (-x).exp());
    assert_close(&[silu(1.0), silu(2.0), silu(3.0)], &y, 1e-6);
}

#[test]
fn broken_sequences_are_refused() {
    assert!(causal_conv(&[0.0; 6], 2, &[0.0; 4], &[0.0], &mut [0.0; 6]).is_ok());
    assert!(causal_conv(&[0.0; 6], 4, &[0.0; 4], &[0.0], &mut [0.0; 6]).is_err());
    assert!(causal_conv(&[0.0; 6], 2, &[0.0; 3], &[0.0], &mut [0.0; 6]).is_err());
}
