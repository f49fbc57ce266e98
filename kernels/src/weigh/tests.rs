use proptest::prelude::*;

use super::*;
use crate::testing::{assert_close, noise};

proptest! {
    #[test]
    fn agrees_with_the_reference(n in 0_usize..20_000, level in 0.1_f32..4.0) {
        let of = |seed| -> Vec<f32> { noise(n, seed).iter().map(|v| v.abs()).collect() };
        let (p, r) = (of(1), of(2));
        let (mut expected, mut found) = (vec![0.0; n], vec![0.0; n]);
        reference::weigh(&p, &r, level, &mut expected);
        weigh(&p, &r, level, &mut found).unwrap();
        assert_close(&expected, &found, 1e-6);
    }
}

#[test]
fn other_lengths_are_refused() {
    assert!(weigh(&[0.0; 2], &[0.0; 3], 1.0, &mut [0.0; 3]).is_err());
}
