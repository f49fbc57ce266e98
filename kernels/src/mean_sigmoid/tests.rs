use proptest::prelude::*;

use super::*;
use crate::device::Buffer;
use crate::testing::{assert_close, device, noise, read};

proptest! {
    #[test]
    fn agrees_with_the_reference(m in 1_usize..3000, c in 1_usize..40) {
        let x: Vec<f32> = noise(m * c, 1).iter().map(|v| v * 12.0).collect();
        let (mut expected, mut found) = (vec![0.0; m], vec![0.0; m]);
        reference::mean_sigmoid(&x, c, &mut expected);
        mean_sigmoid(&x, &mut found).unwrap();
        assert_close(&expected, &found, 5e-7);
    }
}

#[test]
fn logits_beyond_all_bounds_stay_probabilities() {
    let mut y = [0.0; 2];
    mean_sigmoid(&[1e9, 1e9, -1e9, -1e9], &mut y).unwrap();
    assert!((y[0] - 1.0).abs() < 1e-6 && y[1].abs() < 1e-6, "{y:?}");
}

#[test]
fn rows_of_no_or_unequal_length_are_refused() {
    assert!(mean_sigmoid(&[0.0; 5], &mut [0.0; 2]).is_err() && mean_sigmoid(&[], &mut [0.0; 2]).is_err());
}

#[test]
fn cuda_agrees_with_the_reference() {
    let Some(place) = device() else { return };
    for (m, c) in [(1, 1), (300, 16), (33, 7)] {
        let x: Vec<f32> = noise(m * c, 1).iter().map(|v| v * 100.0).collect();
        let mut expected = vec![0.0; m];
        reference::mean_sigmoid(&x, c, &mut expected);
        let (x, mut y) = (Buffer::of(&place, &x).unwrap(), Buffer::new(&place, m).unwrap());
        mean_sigmoid(&x, &mut y).unwrap();
        assert_close(&expected, &read(&y), 1e-6);
        assert!(mean_sigmoid(&x, &mut vec![0.0; m]).is_err(), "operands that live apart");
    }
}
