use proptest::prelude::*;

use super::*;
use crate::testing::{assert_close, noise};

fn check(m: usize, k: usize, n: usize, then: Then) {
    let (x, w, bias) = (noise(m * k, 1), noise(n * k, 2), noise(n, 3));
    let mut expected = noise(m * n, 4);
    let mut found = expected.clone();
    reference::linear(&x, &w, k, &bias, then, &mut expected);
    linear(&x, &Panels::from_transposed(&w, n, k), &bias, then, &mut found).unwrap();
    assert_close(&expected, &found, 2e-6 * (k as f32).sqrt().max(1.0));
}

proptest! {
    #[test]
    fn agrees_with_the_reference(m in 1_usize..50, k in 1_usize..70, n in 1_usize..80, then in 0..3) {
        check(m, k, n, [Then::Store, Then::Gelu, Then::Add][then as usize]);
    }
}

#[test]
fn agrees_with_the_reference_on_the_shapes_of_a_vit() {
    check(789, 192, 576, Then::Store);
    check(789, 768, 192, Then::Add);
}

#[test]
fn wrong_lengths_are_refused() {
    let w = Panels::from_transposed(&[0.0; 12], 3, 4);
    let refused = linear(&[0.0; 8], &w, &[0.0; 2], Then::Store, &mut [0.0; 6]).unwrap_err();
    assert_eq!(refused.to_string(), "linear: expected bias of 3 elements, found 2");
}
