use proptest::prelude::*;

use super::*;
use crate::testing::{assert_close, noise};

proptest! {
    #[test]
    fn agrees_with_the_reference(n in 0_usize..5000, scale in 0.0_f32..100.0) {
        let mut expected: Vec<f32> = noise(n, 1).iter().map(|v| v * scale).collect();
        let mut found = expected.clone();
        reference::sigmoid(&mut expected);
        sigmoid(&mut found).unwrap();
        assert_close(&expected, &found, 2e-7);
    }
}

#[test]
fn logits_beyond_all_bounds_stay_probabilities() {
    let mut x = [f32::MAX, f32::MIN, 0.0];
    sigmoid(&mut x).unwrap();
    assert_eq!(x, [1.0, 0.0, 0.5]);
}
