use proptest::prelude::*;

use super::*;
use crate::testing::{assert_close, assert_gradient, dot, noise};

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

#[test]
fn gradients_are_the_slopes_of_the_reference() {
    for (sequences, len, d) in [(2, 9, 5), (3, 2, 17), (1, 40, 3)] {
        let n = sequences * len * d;
        let (x, w, bias, dy) = (noise(n, 1), noise(TAPS * d, 2), noise(d, 3), noise(n, 4));
        let loss = |x: &[f32], w: &[f32], bias: &[f32]| {
            let mut y = vec![0.0; n];
            reference::causal_conv(x, len, w, bias, &mut y);
            dot(&y, &dy)
        };
        let (mut dx, mut dw, mut db) = (vec![f32::NAN; n], vec![f32::NAN; w.len()], vec![f32::NAN; d]);
        let gradients = backward::Gradients { x: &mut dx, w: &mut dw, bias: &mut db };
        backward::causal_conv_backward(&x, len, &w, &bias, &dy, gradients).unwrap();
        assert_gradient(&x, &dx, 1e-3, |x| loss(x, &w, &bias));
        assert_gradient(&w, &dw, 1e-3, |w| loss(&x, w, &bias));
        assert_gradient(&bias, &db, 1e-3, |bias| loss(&x, &w, bias));
    }
}
