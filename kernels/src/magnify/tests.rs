use proptest::prelude::*;

use super::*;
use crate::device::Buffer;
use crate::residual::residual;
use crate::testing::{assert_close, device, noise, read};

proptest! {
    #[test]
    fn agrees_with_the_reference(m in 0_usize..600, half in 1_usize..40, gain in 0.1_f32..4.0) {
        let (mut expected, mut found) = (noise(m * 2 * half, 1), noise(m * 2 * half, 1));
        reference::magnify(&mut expected, 2 * half, gain);
        magnify(&mut found, 2 * half, gain).unwrap();
        assert_close(&expected, &found, 4e-6);
    }
}

#[test]
fn magnified_residuals_are_those_of_longer_descriptors() {
    let r = noise(60, 3);
    let longer: Vec<f32> = r.iter().map(|v| v * 2.5).collect();
    let (mut found, mut expected) = (vec![0.0; 60], vec![0.0; 60]);
    residual(&r, 10, &mut found).unwrap();
    magnify(&mut found, 10, 2.5).unwrap();
    residual(&longer, 10, &mut expected).unwrap();
    assert_close(&expected, &found, 1e-5);
}

#[test]
fn odd_rows_are_refused() {
    assert!(magnify(&mut [0.0; 6], 3, 2.0).is_err() && magnify(&mut [0.0; 5], 2, 2.0).is_err());
}

#[test]
fn cuda_agrees_with_the_reference() {
    let Some(place) = device() else { return };
    for (m, d, gain) in [(1, 2, 0.5), (41, 14, 2.5), (3, 6, 1.0)] {
        let x = noise(m * d, 1);
        let mut expected = x.clone();
        reference::magnify(&mut expected, d, gain);
        let mut found = Buffer::of(&place, &x).unwrap();
        magnify(&mut found, d, gain).unwrap();
        assert_close(&expected, &read(&found), 4e-6);
    }
}
