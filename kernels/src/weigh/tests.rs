use proptest::prelude::*;

use super::*;
use crate::device::Buffer;
use crate::testing::{assert_close, device, noise, read};

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

#[test]
fn cuda_agrees_with_the_reference() {
    let Some(place) = device() else { return };
    for (n, level) in [(1, 1.0), (700, 0.3), (31, 4.0)] {
        let of = |seed| -> Vec<f32> { noise(n, seed).iter().map(|v| v.abs()).collect() };
        let (p, r) = (of(1), of(2));
        let mut expected = vec![0.0; n];
        reference::weigh(&p, &r, level, &mut expected);
        let (there, scores) = (Buffer::of(&place, &p).unwrap(), Buffer::of(&place, &r).unwrap());
        let mut y = Buffer::new(&place, n).unwrap();
        weigh(&there, &scores, level, &mut y).unwrap();
        assert_close(&expected, &read(&y), 2e-6);
        assert!(weigh(&p, &scores, level, &mut y).is_err(), "operands that live apart");
    }
}
