use super::*;
use crate::device::Buffer;
use crate::testing::{assert_close, device, noise, read};

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

#[test]
fn cuda_agrees_with_the_reference() {
    let Some(place) = device() else { return };
    for (m, d) in [(1, 2), (3, 6), (37, 34)] {
        let r = noise(m * d, 9);
        let mut expected = vec![0.0; m * d];
        reference::residual(&r, d, &mut expected);
        let (r, mut y) = (Buffer::of(&place, &r).unwrap(), Buffer::new(&place, m * d).unwrap());
        residual(&r, d, &mut y).unwrap();
        assert_close(&expected, &read(&y), 1e-6);
    }
}
