use super::*;
use crate::testing::{assert_close, noise};

#[test]
fn agrees_with_the_reference() {
    for (m, d) in [(1, 2), (3, 6), (700, 512)] {
        let r = noise(m * d, 9);
        let (mut expected, mut found) = (vec![0.0; m * d], vec![0.0; m * d]);
        reference::residual(&r, d, &mut expected);
        residual(&r, d, &mut found).unwrap();
        assert_close(&expected, &found, 1e-6);
    }
}

#[test]
fn the_sign_of_a_residual_does_not_matter() {
    let r = noise(64, 3);
    let negated: Vec<f32> = r.iter().map(|v| -v).collect();
    let (mut a, mut b) = (vec![0.0; 64], vec![0.0; 64]);
    residual(&r, 32, &mut a).unwrap();
    residual(&negated, 32, &mut b).unwrap();
    assert_eq!(a, b);
}

#[test]
fn an_odd_width_is_refused() {
    assert!(residual(&[0.0; 9], 3, &mut [0.0; 9]).is_err());
}
