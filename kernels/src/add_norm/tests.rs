use proptest::prelude::*;

use super::*;
use crate::device::Buffer;
use crate::testing::{assert_close, assert_gradient, device, dot, noise, read};

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

/// Layers, blocks of rows, rows of a block, elements of a row, and whether the stream has begun.
const STACKS: [([usize; 4], bool); 5] = [
    ([1, 1, 1, 5], false),
    ([2, 5, 7, 33], true),
    ([3, 3, 9, 96], true),
    ([2, 4, 1, 128], false),
    ([1, 2, 40, 20], true),
];

/// Weights and biases of layers, h and u, then what becomes of u and what is made of it, each block by its own layer.
fn in_turns([layers, blocks, len, d]: [usize; 4], rms: bool, begun: bool) -> [Vec<f32>; 6] {
    let (weight, bias) = (noise(layers * d, 1), noise(layers * d, 2));
    let (h, u) = (noise(blocks * len * d, 3), noise(blocks * len * d, 4));
    let (mut added, mut y) = (u.clone(), vec![0.0; u.len()]);
    let block = len * d;
    for (i, (u, y)) in added.chunks_exact_mut(block).zip(y.chunks_exact_mut(block)).enumerate() {
        let (h, of) = (&h[i * block..][..block], i % layers * d);
        let norm = norm_of(rms, &weight[of..][..d], &bias[of..][..d]);
        reference::add_norm(begun.then_some(h), u, &norm, d, EPS, y);
    }
    [weight, bias, h, u, added, y]
}

#[test]
fn norms_of_layers_take_turns() {
    for (sizes, begun) in STACKS {
        for rms in [true, false] {
            let [weight, bias, h, mut u, added, expected] = in_turns(sizes, rms, begun);
            let (h, mut found) = (begun.then_some((&h).into()), vec![f32::NAN; u.len()]);
            let norm = norm_of(rms, &weight, &bias);
            add_norm_in_turns(h, &mut u, [sizes[2], sizes[3]], norm, EPS, &mut found).unwrap();
            assert_eq!(u, added);
            assert_close(&expected, &found, 1e-5);
        }
    }
    let run = |len, weight: &[f32], bias: &[f32], u: &mut [f32]| {
        let mut y = vec![0.0; u.len()];
        add_norm_in_turns(None, u, [len, 2], Norm::Layer { weight, bias }, EPS, &mut y).is_ok()
    };
    assert!(run(2, &[1.0; 4], &[0.0; 4], &mut [0.0; 8]));
    assert!(!run(3, &[1.0; 4], &[0.0; 4], &mut [0.0; 8]), "no whole blocks");
    assert!(!run(2, &[1.0; 3], &[0.0; 3], &mut [0.0; 8]) && !run(2, &[1.0; 4], &[0.0; 2], &mut [0.0; 8]));
    assert!(!run(2, &[], &[], &mut [0.0; 8]), "no layer");
}

#[test]
fn cuda_agrees_with_the_reference() {
    let Some(place) = device() else { return };
    for (sizes, begun) in STACKS {
        for rms in [true, false] {
            let [weight, bias, h, u, added, expected] = in_turns(sizes, rms, begun);
            let [weight, bias, h] = [&weight, &bias, &h].map(|values| Buffer::of(&place, values).unwrap());
            let norm = if rms {
                Norm::Rms { weight: &weight }
            } else {
                Norm::Layer { weight: &weight, bias: &bias }
            };
            let run = |y: &mut Buffer| -> Vec<f32> {
                let mut u = Buffer::of(&place, &u).unwrap();
                let h = begun.then_some(h.view());
                add_norm_in_turns(h, &mut u, [sizes[2], sizes[3]], norm, EPS, &mut *y).unwrap();
                assert_eq!(read(&u), added);
                read(y)
            };
            let found = run(&mut Buffer::new(&place, expected.len()).unwrap());
            assert_close(&expected, &found, 2e-5);
            let halves = run(&mut Buffer::of_products(&place, expected.len()).unwrap());
            assert_close(&expected, &halves, 1.0 / 32.0);
        }
    }
    let (there, mut u) = (Buffer::of(&place, &[1.0; 4]).unwrap(), Buffer::of(&place, &[1.0; 4]).unwrap());
    let mut y = Buffer::new(&place, 4).unwrap();
    let (norm, here) = (Norm::Rms { weight: &there }, vec![0.0; 4]);
    let refused = add_norm_in_turns(Some((&here).into()), &mut u, [1, 4], norm, EPS, &mut y).unwrap_err();
    assert_eq!(refused, Error::Apart { op: "add_norm" });
    let mixed = Norm::Layer { weight: there.view(), bias: (&here).into() };
    assert_eq!(add_norm_in_turns(None, &mut u, [1, 4], mixed, EPS, &mut y).unwrap_err(), refused);
    assert_eq!(add_norm_in_turns(None, &mut u, [1, 4], norm, EPS, &mut vec![0.0; 4]).unwrap_err(), refused);
}
