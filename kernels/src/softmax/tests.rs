use proptest::prelude::*;

use super::*;
use crate::testing::{assert_close, noise};

proptest! {
    #[test]
    fn agrees_with_the_reference(m in 1_usize..90, n in 1_usize..50) {
        let x: Vec<f32> = noise(m * n, 1).iter().map(|v| v * 5.0).collect();
        let g = noise(m * n, 2);
        let (mut y, mut dx) = (vec![0.0; m * n], vec![0.0; m * n]);
        softmax(&x, n, &mut y).unwrap();
        softmax_gradient(&y, &g, n, &mut dx).unwrap();
        for (row, x) in x.chunks_exact(n).enumerate() {
            let at = row * n..(row + 1) * n;
            let expected: Vec<f32> = reference::softmax(x).iter().map(|v| *v as f32).collect();
            assert_close(&expected, &y[at.clone()], 1e-6);
            assert_close(&reference::gradient(x, &g[at.clone()]), &dx[at], 2e-6);
        }
    }
}

#[test]
fn broken_rows_are_refused() {
    assert!(softmax(&[0.0; 5], 2, &mut [0.0; 5]).is_err());
    assert!(softmax_gradient(&[0.0; 4], &[0.0; 3], 2, &mut [0.0; 4]).is_err());
}
