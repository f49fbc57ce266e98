use proptest::prelude::*;

use super::*;
use crate::testing::{assert_close, noise};

proptest! {
    #[test]
    fn agrees_with_the_reference(m in 1_usize..3000, c in 1_usize..40) {
        let x: Vec<f32> = noise(m * c, 1).iter().map(|v| v * 12.0).collect();
        let (mut expected, mut found) = (vec![0.0; m], vec![0.0; m]);
        reference::mean_sigmoid(&x, c, &mut expected);
        mean_sigmoid(&x, &mut found).unwrap();
        assert_close(&expected, &found, 5e-7);
    }
}

#[test]
fn logits_beyond_all_bounds_stay_probabilities() {
    let mut y = [0.0; 2];
    mean_sigmoid(&[1e9, 1e9, -1e9, -1e9], &mut y).unwrap();
    assert!((y[0] - 1.0).abs() < 1e-6 && y[1].abs() < 1e-6, "{y:?}");
}

#[test]
fn rows_of_no_or_unequal_length_are_refused() {
    assert!(mean_sigmoid(&[0.0; 5], &mut [0.0; 2]).is_err() && mean_sigmoid(&[], &mut [0.0; 2]).is_err());
}
