use proptest::prelude::*;

use super::*;
use crate::testing::{assert_close, noise};

fn check(n: usize, heads: usize, d: usize) {
    let qkv: Vec<f32> = noise(n * 3 * heads * d, 7).iter().map(|v| v * 4.0).collect();
    let mut expected = vec![0.0; n * heads * d];
    let mut found = expected.clone();
    reference::attention(&qkv, n, heads, &mut expected);
    let mut workspace = Workspace::default();
    // Twice: a used workspace must not shine through.
    for _ in 0..2 {
        attention(&qkv, n, heads, &mut workspace, &mut found).unwrap();
        assert_close(&expected, &found, 2e-5);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn agrees_with_the_reference(n in 1_usize..60, heads in 1_usize..4, d in 1_usize..40) {
        check(n, heads, d);
    }
}

#[test]
fn agrees_with_the_reference_on_the_shape_of_a_vit() {
    check(201, 3, 64);
}

#[test]
fn a_width_that_no_head_divides_is_refused() {
    assert!(attention(&[0.0; 20], 2, 3, &mut Workspace::default(), &mut [0.0; 6]).is_err());
    assert!(attention(&[0.0; 18], 2, 0, &mut Workspace::default(), &mut [0.0; 6]).is_err(), "no heads");
}
