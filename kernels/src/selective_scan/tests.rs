use proptest::prelude::*;

use super::*;
use crate::testing::{assert_close, assert_gradient, dot, noise};

/// Sequences, tokens of each, channels, states, and elements before B and C in their rows.
fn check([sequences, len, d, n, before]: [usize; 5], gated: bool) {
    let rows = sequences * len;
    let scaled = |seed, len: usize, offset: f32, scale: f32| -> Vec<f32> {
        noise(len, seed).iter().map(|v| offset + scale * v).collect()
    };
    let (u, delta, z) = (noise(rows * d, 1), noise(rows * d, 2), scaled(3, rows * d, 0.0, 2.0));
    let bc = noise(rows * (before + 2 * n), 4);
    let (a, skip, bias) = (scaled(5, n * d, -4.0, 3.9), scaled(6, d, 1.0, 0.1), scaled(7, d, -2.0, 3.0));
    let tokens = Tokens { u: &u[..], delta: &delta, bc: &bc, z: gated.then_some(&z) };
    let parameters = Parameters { a: &a[..], skip: &skip, bias: &bias };
    let (mut states, mut y) = (vec![0.0; sequences * n * d], vec![0.0; rows * d]);
    reference::selective_scan(&tokens, &parameters, len, &mut states, &mut y);
    let (mut found_states, mut found) = (vec![f32::NAN; states.len()], vec![f32::NAN; y.len()]);
    let mut workspace = Workspace::default();
    // Twice: a used workspace and used states must not shine through.
    for _ in 0..2 {
        selective_scan(tokens, parameters, len, &mut workspace, &mut found_states, &mut found).unwrap();
        assert_close(&y, &found, 1e-5);
        assert_close(&states, &found_states, 5e-6);
    }
}

proptest! {
    #[test]
    fn agrees_with_the_reference(
        sequences in 1_usize..5, len in 1_usize..40, d in 1_usize..40, n in 1_usize..17, before in 0_usize..9,
        gated in any::<bool>()
    ) {
        check([sequences, len, d, n, before], gated);
    }
}

#[test]
fn agrees_with_the_reference_on_the_shape_of_snarm() {
    check([4, 600, 256, 4, 8], true);
}

#[test]
fn broken_sequences_are_refused() {
    let parameters = Parameters { a: &[-1.0; 2], skip: &[1.0; 2], bias: &[0.0; 2] };
    let tokens = Tokens { u: &[0.0; 6], delta: &[0.0; 6], bc: &[0.0; 6], z: None };
    let run = |len, states: &mut [f32]| {
        selective_scan(tokens, parameters, len, &mut Workspace::default(), states, &mut [0.0; 6])
    };
    let refused = run(2, &mut [0.0; 2]).unwrap_err();
    assert_eq!(refused.to_string(), "selective_scan: expected whole sequences of 2 tokens, found 3 tokens");
    assert!(run(3, &mut [0.0; 4]).is_err(), "one sequence has one state");
    assert!(run(3, &mut [0.0; 2]).is_ok());
}

/// Gradients against differences of the reference; the golden ones are in tests/.
fn check_gradients([sequences, len, d, n, before]: [usize; 5], gated: bool) {
    let rows = sequences * len;
    let (u, delta, z) = (noise(rows * d, 1), noise(rows * d, 2), noise(rows * d, 3));
    let (bc, dy) = (noise(rows * (before + 2 * n), 4), noise(rows * d, 8));
    let a: Vec<f32> = noise(n * d, 5).iter().map(|v| -1.5 + v).collect();
    let (skip, bias) = (noise(d, 6), noise(d, 7));
    let loss = |which: usize, x: &[f32]| {
        let pick = |i: usize, own: &'_ [f32]| if i == which { x.to_vec() } else { own.to_vec() };
        let (u, delta, z, bc) = (pick(0, &u), pick(1, &delta), pick(2, &z), pick(3, &bc));
        let (a, skip, bias) = (pick(4, &a), pick(5, &skip), pick(6, &bias));
        let tokens = Tokens { u: &u[..], delta: &delta, bc: &bc, z: gated.then_some(&z) };
        let parameters = Parameters { a: &a[..], skip: &skip, bias: &bias };
        let mut y = vec![0.0; dy.len()];
        reference::selective_scan(&tokens, &parameters, len, &mut vec![0.0; sequences * n * d], &mut y);
        dot(&y, &dy)
    };
    let of = |x: &[f32]| vec![f32::NAN; x.len()];
    let (mut du, mut ddelta, mut dz, mut dbc) = (of(&u), of(&delta), of(&z), of(&bc));
    let (mut da, mut dskip, mut dbias) = (of(&a), of(&skip), of(&bias));
    let tokens = Tokens { u: &u[..], delta: &delta, bc: &bc, z: gated.then_some(&z) };
    let parameters = Parameters { a: &a[..], skip: &skip, bias: &bias };
    let gradients = backward::Gradients {
        u: &mut du,
        delta: &mut ddelta,
        bc: &mut dbc,
        z: &mut dz,
        a: &mut da,
        skip: &mut dskip,
        bias: &mut dbias,
    };
    backward::selective_scan_backward(tokens, parameters, len, &dy, gradients).unwrap();
    let all =
        [(&u, &du), (&delta, &ddelta), (&z, &dz), (&bc, &dbc), (&a, &da), (&skip, &dskip), (&bias, &dbias)];
    for (which, (x, gradient)) in all.into_iter().enumerate() {
        assert_gradient(x, gradient, 2e-3, |x| loss(which, x));
    }
}

#[test]
fn gradients_are_the_slopes_of_the_reference() {
    check_gradients([1, 6, 3, 4, 0], true);
    check_gradients([2, 9, 19, 4, 3], true);
    check_gradients([3, 4, 5, 2, 1], false);
}
