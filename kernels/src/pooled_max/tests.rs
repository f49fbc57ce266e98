use proptest::prelude::*;

use super::*;
use crate::testing::{assert_close, device, noise, read};

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
        prop_assert_eq!(peak(&x).unwrap(), reference::peak(&x));
    }
}

#[test]
fn cuda_agrees_with_the_reference() {
    let Some(place) = device() else { return };
    for (h, w, window, stride, lift) in [(1, 1, 16, 2, 0.0), (37, 20, 16, 2, -3.0), (9, 33, 4, 3, 0.5)] {
        let x: Vec<f32> = noise(h * w, 6).iter().map(|v| v + lift).collect();
        let expected = [reference::pooled_max(&x, w, window, stride), reference::peak(&x)];
        let x = Buffer::of(&place, &x).unwrap();
        let (mut scratch, mut found) = (Buffer::new(&place, 2).unwrap(), Buffer::new(&place, 2).unwrap());
        scores_there(&x, w, window, stride, &mut scratch, &mut found).unwrap();
        assert_close(&expected, &read(&found), 1e-5);
    }
}
