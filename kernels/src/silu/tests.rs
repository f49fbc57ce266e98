use proptest::prelude::*;

use super::*;
use crate::testing::{assert_near, noise};

proptest! {
    #[test]
    fn agrees_with_the_reference(n in 0_usize..20_000, scale in 0.1_f32..50.0) {
        let z: Vec<f32> = noise(n, 1).iter().map(|v| v * scale).collect();
        let (mut expected, mut found) = (noise(n, 2), noise(n, 2));
        reference::gate(&z, &mut expected);
        gate(&z, &mut found).unwrap();
        assert_near(&expected, &found, 1e-6);
        let (mut expected, mut found) = (vec![1.0; n], z.clone());
        reference::gate(&z, &mut expected);
        silu(&mut found).unwrap();
        assert_near(&expected, &found, 1e-6);
    }
}

#[test]
fn another_length_is_refused() {
    assert!(gate(&[0.0; 2], &mut [0.0; 3]).is_err());
}
