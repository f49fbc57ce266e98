use proptest::prelude::*;

use super::*;
use crate::testing::noise;

proptest! {
    #[test]
    fn agrees_with_the_reference(h in 1_usize..40, w in 1_usize..40, window in 1_usize..20, stride in 1_usize..4) {
        let x = noise(h * w, 6);
        let found = pooled_max(&x, w, window, stride, &mut Vec::new()).unwrap();
        prop_assert!((found - reference::pooled_max(&x, w, window, stride)).abs() < 1e-6);
    }
}

#[test]
fn an_empty_map_is_refused() {
    let refused = |x: &[f32], w| pooled_max(x, w, 16, 2, &mut Vec::new()).is_err();
    assert!(refused(&[], 4) && refused(&[1.0], 0) && refused(&[1.0; 5], 4) && !refused(&[1.0; 8], 4));
}

proptest! {
    #[test]
    fn the_peak_is_the_highest_value(n in 0_usize..300, lift in -2.0_f32..2.0) {
        let x: Vec<f32> = noise(n, 7).iter().map(|v| v + lift).collect();
        prop_assert_eq!(peak(&x), reference::peak(&x));
    }
}
