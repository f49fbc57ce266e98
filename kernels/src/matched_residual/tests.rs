use super::*;
use crate::device::Buffer;
use crate::testing::{assert_close, device, noise, read};

#[test]
fn agrees_with_the_reference() {
    for (m, d, t, k) in [(1, 1, 1, 1), (3, 6, 4, 2), (700, 64, 90, 3), (530, 33, 7, 1)] {
        let (x, rows) = (noise(m * d, 1), noise(t * d, 2));
        // Every eleventh match does not exist.
        let place = |i: usize| if i % 11 == 10 { NONE } else { (i * 7 % t) as u32 };
        let matches: Vec<u32> = (0..m * k).map(place).collect();
        let (mut expected, mut found) = (vec![0.0; m * d], vec![9.0; m * d]);
        reference::matched_residual(&x, d, &rows, &matches, k, &mut expected);
        matched_residual(&x, d, &rows, &matches, k, &mut found).unwrap();
        assert_close(&expected, &found, 1e-6);
    }
}

#[test]
fn a_token_without_a_match_is_compared_with_nothing() {
    let mut r = [0.0; 2];
    matched_residual(&[1.0, -2.0], 2, &[5.0, 5.0], &[NONE, NONE], 2, &mut r).unwrap();
    assert_eq!(r, [-1.0, 2.0]);
}

#[test]
fn what_does_not_fit_is_refused() {
    let refused = |d, matches: &[u32], k| {
        let found = matched_residual(&[0.0; 4], d, &[0.0; 6], matches, k, &mut [0.0; 4]);
        found.err().map(|e| e.to_string()).unwrap_or_default()
    };
    assert_eq!(refused(2, &[0, 2], 1), "");
    assert!(refused(2, &[0, 3], 1).contains("expected matches among 3 rows, found 3"));
    assert!(!refused(2, &[0, 1, 2], 1).is_empty() && !refused(2, &[], 0).is_empty());
    assert!(!refused(0, &[], 1).is_empty());
}

#[test]
fn cuda_agrees_with_the_reference() {
    let Some(place) = device() else { return };
    for (m, d, t, k) in [(1, 1, 1, 1), (3, 6, 4, 2), (70, 33, 90, 3)] {
        let (x, rows) = (noise(m * d, 1), noise(t * d, 2));
        let place_of = |i: usize| if i % 5 == 4 { NONE } else { (i * 7 % t) as u32 };
        let matches: Vec<u32> = (0..m * k).map(place_of).collect();
        let mut expected = vec![0.0; m * d];
        reference::matched_residual(&x, d, &rows, &matches, k, &mut expected);
        let [x, rows] = [&x, &rows].map(|values| Buffer::of(&place, values).unwrap());
        let (matches, mut r) = (Buffer::of(&place, &matches).unwrap(), Buffer::new(&place, m * d).unwrap());
        matched_residual(&x, d, &rows, &matches, k, &mut r).unwrap();
        assert_close(&expected, &read(&r), 1e-6);
    }
}
