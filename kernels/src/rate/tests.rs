use proptest::prelude::*;

use super::*;
use crate::testing::{assert_close, noise};

proptest! {
    #[test]
    fn agrees_with_the_reference(n in 0_usize..20_000, at in 0.1_f32..4.0) {
        let raw: Vec<f32> = noise(n, 1).iter().map(|v| v.abs() * 3.0).collect();
        let (mut expected, mut found) = (vec![0.0; n], vec![0.0; n]);
        reference::rate(&raw, at, &mut expected);
        rate(&raw, at, &mut found).unwrap();
        assert_close(&expected, &found, 2e-7);
    }
}

#[test]
fn the_reference_is_in_the_middle_and_another_length_is_refused() {
    let mut y = [0.0; 2];
    rate(&[3.0, 0.0], 3.0, &mut y).unwrap();
    assert_eq!(y, [0.5, 0.0]);
    assert!(rate(&[0.0; 3], 1.0, &mut y).is_err());
}
