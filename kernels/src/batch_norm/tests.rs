use super::*;
use crate::testing::{assert_close, assert_gradient, dot, noise};

const EPS: f32 = 1e-5;

/// Rows of channels of different means and sizes.
fn input(m: usize, c: usize) -> Vec<f32> {
    noise(m * c, 1).iter().enumerate().map(|(i, v)| v * (1 + i % c) as f32 + (i % c) as f32).collect()
}

#[test]
fn agrees_with_the_reference() {
    for (m, c) in [(7, 3), (1, 2), (600, 20), (2_000, 33)] {
        let (x, weight, bias) = (input(m, c), noise(c, 2), noise(c, 3));
        let affine = Affine { weight: &weight[..], bias: &bias[..] };
        let (expected, stats) = reference::batch_norm_relu(&x, affine, EPS);
        let found = Statistics::of(&x, c).unwrap();
        let column = |which: usize| stats.iter().map(|s| s[which] as f32).collect::<Vec<_>>();
        assert_close(&column(0), &found.mean, 1e-5);
        assert_close(&column(1), &found.var, 1e-3);
        let mut y = vec![f32::NAN; x.len()];
        batch_norm_relu(&x, &found, affine, EPS, &mut y).unwrap();
        assert_close(&expected, &y, 2e-5);
    }
}

#[test]
fn gradients_are_the_slopes_of_the_reference() {
    for (m, c) in [(9, 3), (600, 4)] {
        let (x, weight, dy) = (input(m, c), noise(c, 2), noise(m * c, 4));
        // Away from the kink of the ReLU, on either side of it.
        let bias: Vec<f32> = (0..c).map(|j| if j % 2 == 0 { 3.0 } else { -3.0 }).collect();
        let loss = |x: &[f32], weight: &[f32], bias: &[f32]| {
            dot(&reference::batch_norm_relu(x, Affine { weight, bias }, EPS).0, &dy)
        };
        let stats = Statistics::of(&x, c).unwrap();
        let (mut dx, mut dw, mut db) = (vec![f32::NAN; m * c], vec![f32::NAN; c], vec![f32::NAN; c]);
        let affine = Affine { weight: &weight, bias: &bias };
        batch_norm_relu_backward(&x, &stats, affine, EPS, &dy, &mut dx, &mut dw, &mut db).unwrap();
        assert_gradient(&x, &dx, 2e-3, |x| loss(x, &weight, &bias));
        assert_gradient(&weight, &dw, 2e-3, |weight| loss(&x, weight, &bias));
        assert_gradient(&bias, &db, 2e-3, |bias| loss(&x, &weight, bias));
    }
}

#[test]
fn a_closed_relu_hands_nothing_back() {
    let (x, weight, bias) = ([1.0, 2.0, 4.0], [1.0], [-100.0]);
    let stats = Statistics::of(&x, 1).unwrap();
    let (mut dx, mut dw, mut db) = ([1.0; 3], [1.0], [1.0]);
    let affine = Affine { weight: &weight, bias: &bias };
    batch_norm_relu_backward(&x, &stats, affine, EPS, &[1.0; 3], &mut dx, &mut dw, &mut db).unwrap();
    assert_eq!((dx, dw, db), ([0.0; 3], [0.0], [0.0]));
}

#[test]
fn wrong_lengths_are_refused() {
    assert!(Statistics::of(&[0.0; 5], 2).is_err());
    let stats = Statistics::of(&[0.0; 6], 2).unwrap();
    let affine = Affine { weight: &[1.0; 2], bias: &[0.0; 2] };
    assert!(batch_norm_relu(&[0.0; 6], &stats, affine, EPS, &mut [0.0; 4]).is_err());
    let affine = Affine { weight: &[1.0; 3], bias: &[0.0; 3] };
    assert!(batch_norm_relu(&[0.0; 6], &stats, affine, EPS, &mut [0.0; 6]).is_err());
}
