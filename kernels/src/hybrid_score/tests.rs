use proptest::prelude::*;

use super::*;
use crate::device::Buffer;
use crate::testing::{assert_close, device, noise, read};

proptest! {
    #[test]
    fn agree_with_the_references(n in 0_usize..600, k in 1_usize..5) {
        let squared: Vec<f32> =
            noise(n * k, 1).iter().map(|v| if *v > 0.9 { f32::INFINITY } else { v.abs() * 9.0 }).collect();
        let (mut expected, mut found) = (vec![0.0; n], vec![0.0; n]);
        reference::mean_distances(&squared, k, &mut expected);
        mean_distances(&squared, k, &mut found).unwrap();
        assert_close(&expected, &found, 2e-6);

        let trusted: Vec<f32> = noise(n, 2).iter().map(|v| v.abs()).collect();
        let distances = found.clone();
        reference::hybrid_score(&distances, &trusted, &mut expected);
        hybrid_score(&distances, &trusted, &mut found).unwrap();
        assert_close(&expected, &found, 2e-6);
    }
}

#[test]
fn missing_rows_do_not_count() {
    let mut distances = [0.0; 2];
    let far = f32::INFINITY;
    mean_distances(&[4.0, 16.0, far, far, far, far], 3, &mut distances).unwrap();
    assert_eq!(distances, [3.0, 0.0]);
}

#[test]
fn other_lengths_are_refused() {
    assert!(mean_distances(&[0.0; 5], 3, &mut [0.0; 2]).is_err());
    assert!(hybrid_score(&[0.0; 2], &[0.0; 3], &mut [0.0; 2]).is_err());
}

#[test]
fn cuda_agrees_with_the_references() {
    let Some(place) = device() else { return };
    for (n, k) in [(1, 1), (300, 3), (33, 4)] {
        let squared: Vec<f32> =
            noise(n * k, 1).iter().map(|v| if *v > 0.5 { f32::INFINITY } else { v.abs() * 9.0 }).collect();
        let trusted: Vec<f32> = noise(n, 2).iter().map(|v| v.abs()).collect();
        let (mut expected, mut scores) = (vec![0.0; n], vec![0.0; n]);
        reference::mean_distances(&squared, k, &mut expected);
        reference::hybrid_score(&expected, &trusted, &mut scores);
        let [squared, trusted] = [&squared, &trusted].map(|values| Buffer::of(&place, values).unwrap());
        let [mut distances, mut found] = [0; 2].map(|_| Buffer::new(&place, n).unwrap());
        mean_distances(&squared, k, &mut distances).unwrap();
        hybrid_score(&distances, &trusted, &mut found).unwrap();
        assert_close(&expected, &read(&distances), 2e-6);
        assert_close(&scores, &read(&found), 4e-6);
    }
}
