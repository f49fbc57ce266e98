use proptest::prelude::*;

use super::*;
use crate::device::Buffer;
use crate::testing::{assert_close, device, noise, read};

proptest! {
    #[test]
    fn agrees_with_the_reference(m in 1_usize..20, d in 1_usize..200) {
        let (x, w, b) = (noise(m * d, 1), noise(d, 2), noise(d, 3));
        let (mut expected, mut found) = (vec![0.0; m * d], vec![0.0; m * d]);
        reference::layer_norm(&x, &w, &b, 1e-6, &mut expected);
        layer_norm(&x, &w, &b, 1e-6, &mut found).unwrap();
        // Two equal elements have no variance: 1/sqrt(eps) then magnifies the rounding of the mean.
        assert_close(&expected, &found, if d < 4 { 2e-3 } else { 1e-5 });
    }
}

#[test]
fn a_constant_row_becomes_the_bias() {
    let mut y = [0.0; 3];
    layer_norm(&[7.0; 3], &[2.0; 3], &[0.5, 1.0, 1.5], 1e-6, &mut y).unwrap();
    assert_eq!(y, [0.5, 1.0, 1.5]);
}

#[test]
fn a_ragged_input_is_refused() {
    assert!(layer_norm(&[0.0; 5], &[1.0; 2], &[0.0; 2], 1e-6, &mut [0.0; 5]).is_err());
}

#[test]
fn cuda_agrees_with_the_reference() {
    let Some(place) = device() else { return };
    for (m, d) in [(1, 5), (9, 33), (16, 96), (21, 192), (7, 31), (3, 1000)] {
        let (x, w, b) = (noise(m * d, 1), noise(d, 2), noise(d, 3));
        let mut expected = vec![0.0; m * d];
        reference::layer_norm(&x, &w, &b, 1e-6, &mut expected);
        let [x, w, b] = [&x, &w, &b].map(|values| Buffer::of(&place, values).unwrap());
        let mut y = Buffer::new(&place, m * d).unwrap();
        layer_norm(&x, &w, &b, 1e-6, &mut y).unwrap();
        assert_close(&expected, &read(&y), 1e-4);
        let mut halves = Buffer::of_products(&place, m * d).unwrap();
        layer_norm(&x, &w, &b, 1e-6, &mut halves).unwrap();
        assert_close(&expected, &read(&halves), 1.0 / 64.0);
    }
}

#[test]
fn cuda_refuses_operands_that_live_apart() {
    let Some(place) = device() else { return };
    let Some(other) = device() else { return };
    let on = |place| Buffer::<f32>::new(place, 8).unwrap();
    let (x, elsewhere, halves) = (on(&place), on(&other), Buffer::of_products(&place, 8).unwrap());
    let mut y = on(&place);
    let refusal = |result: Result<()>| result.unwrap_err().to_string();
    let apart = refusal(layer_norm(&x, &x, &[0.0; 8], 1e-6, &mut y));
    assert!(apart.contains("all operands in the memory of the host, or of one queue"), "{apart}");
    let apart = refusal(layer_norm(&elsewhere, &x, &x, 1e-6, &mut y));
    assert!(apart.contains("of one queue of a device"), "{apart}");
    let narrow = refusal(layer_norm(&halves, &x, &x, 1e-6, &mut y));
    assert!(narrow.contains("operands of 32 bits"), "{narrow}");
}
