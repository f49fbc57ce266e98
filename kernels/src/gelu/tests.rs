use super::*;
use crate::testing::assert_close;

#[test]
fn agrees_with_the_reference() {
    let x: Vec<f32> = (-500..=500).map(|i| i as f32 * 0.01).collect();
    let (mut y, mut dx) = (vec![0.0; x.len()], vec![0.0; x.len()]);
    gelu(&x, &mut y).unwrap();
    assert_close(&x.iter().map(|x| reference::gelu(*x)).collect::<Vec<_>>(), &y, 2e-6);
    let g: Vec<f32> = x.iter().map(|x| 2.0 - x * 0.1).collect();
    gelu_gradient(&x, &g, &mut dx).unwrap();
    let expected: Vec<f32> = x.iter().zip(&g).map(|(x, g)| reference::derivative(*x) * g).collect();
    assert_close(&expected, &dx, 2e-6);
}

#[test]
fn other_lengths_are_refused() {
    assert!(gelu(&[0.0; 2], &mut [0.0; 3]).is_err());
    assert!(gelu_gradient(&[0.0; 2], &[0.0; 3], &mut [0.0; 2]).is_err());
}
