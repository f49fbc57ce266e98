use proptest::prelude::*;

use super::*;
use crate::testing::{assert_close, assert_gradient, dot, noise};

const EPS: f32 = 1e-5;

fn norm_of<'a>(rms: bool, weight: &'a [f32], bias: &'a [f32]) -> Norm<&'a [f32]> {
    if rms { Norm::Rms { weight } } else { Norm::Layer { weight, bias } }
}

fn check(m: usize, d: usize, rms: bool, begun: bool) {
    let (weight, bias, h) = (noise(d, 1), noise(d, 2), noise(m * d, 3));
    let norm = norm_of(rms, &weight, &bias);
    let h = begun.then_some(&h[..]);
    let (mut u, mut y) = (noise(m * d, 4), vec![0.0; m * d]);
    let (mut found_u, mut found) = (u.clone(), y.clone());
    reference::add_norm(h, &mut u, &norm, d, EPS, &mut y);
    add_norm(h.map(Into::into), &mut found_u, norm, EPS, &mut found).unwrap();
    assert_eq!(u, found_u);
    // Two nearly equal elements have no variance: 1/sqrt(eps) then magnifies the rounding of the mean.
    assert_close(&y, &found, if d < 4 { 2e-3 } else { 1e-5 });
    super::norm(&u, norm, EPS, &mut found_u).unwrap();
    assert_eq!(found, found_u, "the norm alone");
}

proptest! {
    #[test]
    fn agrees_with_the_reference(m in 1_usize..20, d in 1_usize..200, rms in any::<bool>(), begun in any::<bool>()) {
        check(m, d, rms, begun);
    }

    #[test]
    fn gradients_agree_with_the_reference(m in 0_usize..300, d in 4_usize..60, rms in any::<bool>()) {
        let (u, weight, dy) = (noise(m * d, 1), noise(d, 2), noise(m * d, 3));
        let norm = norm_of(rms, &weight, &weight);
        let [du, dw, db] = reference::gradients(&u, &norm, 1e-3, &dy);
        let (mut found, mut found_dw) = (vec![f32::NAN; m * d], vec![f32::NAN; d]);
        let mut found_db = vec![f32::NAN; if rms { 0 } else { d }];
        backward::norm_backward(&u, norm, 1e-3, &dy, &mut found, &mut found_dw, &mut found_db).unwrap();
        assert_close(&du, &found, 5e-5);
        assert_close(&dw, &found_dw, 1e-6 * m as f32 + 1e-5);
        assert_close(&db[..found_db.len()], &found_db, 1e-6 * m as f32 + 1e-5);
    }
}

#[test]
fn the_stream_keeps_what_was_added() {
    let (mut u, mut y) = ([1.0, 2.0], [0.0; 2]);
    add_norm(Some((&[2.0, 1.0]).into()), &mut u, Norm::Rms { weight: &[1.0, 2.0] }, 0.0, &mut y).unwrap();
    assert_eq!((u, y), ([3.0, 3.0], [1.0, 2.0]));
}

#[test]
fn wrong_lengths_are_refused() {
    let norm = Norm::Rms { weight: &[1.0; 2] };
    assert!(add_norm(Some((&[0.0; 2]).into()), &mut [0.0; 4], norm, EPS, &mut [0.0; 4]).is_err());
    assert!(add_norm(None, &mut [0.0; 3], norm, EPS, &mut [0.0; 3]).is_err());
    assert!(super::norm(&[0.0; 3], norm, EPS, &mut [0.0; 3]).is_err());
    let run = |dy: &[f32], du: &mut [f32], dbias: &mut [f32]| {
        backward::norm_backward(&[0.0; 4], norm, EPS, dy, du, &mut [0.0; 2], dbias).is_ok()
    };
    assert!(run(&[0.0; 4], &mut [0.0; 4], &mut []) && !run(&[0.0; 5], &mut [0.0; 4], &mut []));
    assert!(!run(&[0.0; 4], &mut [0.0; 4], &mut [0.0; 2]), "an RMS norm has no bias");
}

#[test]
fn gradients_are_the_slopes_of_the_reference() {
    for (m, d, rms) in [(3, 7, true), (4, 20, false), (700, 5, true), (700, 6, false)] {
        let (weight, bias, u, dy) = (noise(d, 1), noise(d, 2), noise(m * d, 3), noise(m * d, 4));
        let loss = |u: &[f32], weight: &[f32], bias: &[f32]| {
            let norm = norm_of(rms, weight, bias);
            let mut y = vec![0.0; u.len()];
            reference::add_norm(None, &mut u.to_vec(), &norm, d, 0.1, &mut y);
            dot(&y, &dy)
        };
        let norm = norm_of(rms, &weight, &bias);
        let (mut du, mut dw, mut db) =
            (vec![f32::NAN; m * d], vec![f32::NAN; d], vec![f32::NAN; if rms { 0 } else { d }]);
        backward::norm_backward(&u, norm, 0.1, &dy, &mut du, &mut dw, &mut db).unwrap();
        assert_gradient(&u, &du, 1e-3, |u| loss(u, &weight, &bias));
        assert_gradient(&weight, &dw, 1e-3, |weight| loss(&u, weight, &bias));
        if !rms {
            assert_gradient(&bias, &db, 1e-3, |bias| loss(&u, &weight, bias));
        }
    }
}
