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
    fn agrees_with_the_reference(m in 1_usize..50, k in 1_usize..70, n in 1_usize..80, then in 0..4) {
        check(m, k, n, [Then::Store, Then::Gelu, Then::Relu6, Then::Add][then as usize]);
    }

    #[test]
    fn gradients_agree_with_the_reference(m in 0_usize..50, k in 1_usize..70, n in 1_usize..40) {
        check_gradients(m, k, n);
    }
}

fn check_gradients(m: usize, k: usize, n: usize) {
    let (w, g) = (noise(n * k, 2), noise(m * n, 3));
    let [dx, db] = reference::gradients(&w, k, &g);
    let (mut found, mut found_db) = (vec![f32::NAN; m * k], vec![f32::NAN; n]);
    input_gradient(&g, &w, n, k, &mut found).unwrap();
    assert_close(&dx, &found, 2e-6 * (n as f32).sqrt().max(1.0));
    bias_gradient(&g, &mut found_db).unwrap();
    assert_close(&db, &found_db, 4e-6 * (m as f32).sqrt().max(1.0));
}

#[test]
fn gradients_agree_with_the_reference_on_several_tasks() {
    check_gradients(1100, 48, 21);
}

#[test]
fn agrees_with_the_reference_on_the_shapes_of_a_vit() {
    check(789, 192, 576, Then::Store);
    check(789, 768, 192, Then::Add);
}

#[test]
fn layers_without_inputs_or_outputs_do_nothing() {
    let empty = Panels::from_transposed(&[], 3, 0);
    linear(&[], &empty, &[0.0; 3], Then::Store, &mut []).unwrap();
    linear(&[1.0; 4], &Panels::from_rows(&[], 2, 0), &[], Then::Store, &mut []).unwrap();
    let (mut dx, mut db) = ([f32::NAN; 0], [f32::NAN; 2]);
    input_gradient(&[], &[0.0; 6], 2, 3, &mut dx).unwrap();
    bias_gradient(&[], &mut db).unwrap();
    assert_eq!(db, [0.0; 2]);
}

#[test]
#[should_panic(expected = "3 rows of 4 elements")]
fn a_weight_of_another_length_is_not_packed() {
    Panels::from_transposed(&[0.0; 11], 3, 4);
}

#[test]
fn wrong_lengths_are_refused() {
    let w = Panels::from_transposed(&[0.0; 12], 3, 4);
    let refused = linear(&[0.0; 8], &w, &[0.0; 2], Then::Store, &mut [0.0; 6]).unwrap_err();
    assert_eq!(refused.to_string(), "linear: expected bias of 3 elements, found 2");
    assert!(input_gradient(&[0.0; 6], &[0.0; 11], 3, 4, &mut [0.0; 8]).is_err());
    assert!(bias_gradient(&[0.0; 7], &mut [0.0; 3]).is_err() && bias_gradient(&[0.0], &mut []).is_err());
}
