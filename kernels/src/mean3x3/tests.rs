use proptest::prelude::*;

use super::*;
use crate::testing::{assert_close, noise};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]
    #[test]
    fn agrees_with_the_reference(
        maps in 1_usize..3, height in 1_usize..9, width in 1_usize..9, c in 1_usize..40
    ) {
        let x = noise(maps * height * width * c, 1);
        let (mut expected, mut found) = (vec![0.0; x.len()], vec![f32::NAN; x.len()]);
        reference::mean3x3(&x, [height, width], c, &mut expected);
        mean3x3(&x, height, width, c, &mut found).unwrap();
        assert_close(&expected, &found, 1e-6);
    }
}

#[test]
fn an_even_map_stays_as_it_is() {
    let mut y = [0.0; 12];
    mean3x3(&[0.5; 12], 3, 4, 1, &mut y).unwrap();
    assert_close(&[0.5; 12], &y, 1e-7);
}

#[test]
fn broken_maps_are_refused() {
    let refused = mean3x3(&[0.0; 13], 2, 3, 2, &mut [0.0; 13]).unwrap_err().to_string();
    assert_eq!(refused, "mean3x3: expected whole maps of 2 x 3 cells of 2 channels, found 13 elements");
    assert!(mean3x3(&[0.0; 12], 2, 3, 2, &mut [0.0; 11]).is_err());
    mean3x3(&[], 2, 3, 2, &mut []).unwrap();
}
