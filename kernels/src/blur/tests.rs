use proptest::prelude::*;

use super::*;
use crate::device::Buffer;
use crate::testing::{assert_close, device, noise, read};

proptest! {
    #[test]
    fn agrees_with_the_reference(h in 1_usize..40, w in 1_usize..40, sigma in 0.3_f64..5.0) {
        let mut expected = noise(h * w, 1);
        let mut found = expected.clone();
        reference::blur(&mut expected, w, sigma);
        Blur::new(h, w, sigma).run(&mut found).unwrap();
        assert_close(&expected, &found, 5e-7);
    }
}

#[test]
fn a_constant_map_stays_as_it_is() {
    let mut x = vec![0.25; 20 * 30];
    Blur::new(20, 30, 4.0).run(&mut x).unwrap();
    assert_close(&[0.25; 600], &x, 1e-7);
}

#[test]
fn without_a_width_nothing_is_blurred() {
    for sigma in [0.0, -1.0, f64::NAN] {
        let (x, mut y) = (noise(12, 1), noise(12, 1));
        Blur::new(3, 4, sigma).run(&mut y).unwrap();
        assert_eq!(x, y, "{sigma}");
    }
}

#[test]
fn four_sigma_of_four_are_sixteen_taps_a_side() {
    assert_eq!(taps(4.0).len(), 17);
}

#[test]
fn cuda_agrees_with_the_reference() {
    let Some(place) = device() else { return };
    for (h, w, sigma) in [(1, 1, 4.0), (33, 7, 1.5), (5, 40, 4.0), (3, 4, 0.0)] {
        let mut expected = noise(h * w, 1);
        let mut found = Buffer::of(&place, &expected).unwrap();
        let mut blur = Blur::new(h, w, sigma);
        blur.run(&mut found).unwrap();
        reference::blur(&mut expected, w, sigma);
        assert_close(&expected, &read(&found), 1e-6);
        // Again, with what it kept.
        blur.run(&mut found).unwrap();
        reference::blur(&mut expected, w, sigma);
        assert_close(&expected, &read(&found), 2e-6);
    }
}
