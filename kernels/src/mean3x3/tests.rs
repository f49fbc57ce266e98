use proptest::prelude::*;

use super::*;
use crate::device::Buffer;
use crate::testing::{assert_close, device, noise, read};

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

#[test]
fn cuda_agrees_with_the_reference() {
    let Some(place) = device() else { return };
    for (maps, [height, width], c) in [(1, [1, 1], 1), (2, [5, 7], 33), (1, [8, 3], 20)] {
        let x = noise(maps * height * width * c, 1);
        let mut expected = vec![0.0; x.len()];
        reference::mean3x3(&x, [height, width], c, &mut expected);
        let (x, mut found) = (Buffer::of(&place, &x).unwrap(), Buffer::new(&place, x.len()).unwrap());
        mean3x3(&x, height, width, c, &mut found).unwrap();
        assert_close(&expected, &read(&found), 1e-6);
        assert!(mean3x3(&x, height, width, c, &mut expected).is_err());
    }
}
