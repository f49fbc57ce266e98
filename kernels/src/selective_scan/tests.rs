use proptest::prelude::*;

use super::*;
use crate::device::Buffer;
use crate::testing::{assert_close, assert_gradient, assert_near, device, dot, noise, read};

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

/// Layers, sequences, tokens of each, channels, states, and elements before B and C in their rows; whether it is gated.
const STACKS: [([usize; 6], bool); 8] = [
    ([1, 1, 1, 1, 1, 0], false),
    ([2, 5, 7, 33, 4, 0], true),
    ([3, 4, 9, 64, 4, 3], false),
    ([2, 3, 6, 20, 16, 0], true),
    ([1, 2, 3, 40, 3, 1], true),
    ([2, 2, 21, 5, 2, 0], true),
    ([2, 3, 400, 12, 4, 1], true),
    ([1, 2, 131, 9, 16, 0], false),
];

/// u, delta, B and C, z, A, D, bias, then the last states and y, each sequence by its own layer.
fn in_turns([layers, sequences, len, d, n, before]: [usize; 6], gated: bool) -> [Vec<f32>; 9] {
    let (rows, width) = (sequences * len, before + 2 * n);
    let scaled = |seed, len: usize, offset: f32, scale: f32| -> Vec<f32> {
        noise(len, seed).iter().map(|v| offset + scale * v).collect()
    };
    let (u, delta, z) = (noise(rows * d, 1), noise(rows * d, 2), scaled(3, rows * d, 0.0, 2.0));
    let (bc, a) = (noise(rows * width, 4), scaled(5, layers * n * d, -4.0, 3.9));
    let (skip, bias) = (scaled(6, layers * d, 1.0, 0.1), scaled(7, layers * d, -2.0, 24.0));
    let (mut states, mut y) = (vec![0.0; sequences * n * d], vec![0.0; rows * d]);
    let each = y.chunks_exact_mut(len * d).zip(states.chunks_exact_mut(n * d));
    for (i, (y, states)) in each.enumerate() {
        let layer = i % layers;
        let part = |x: &'_ [f32], len: usize| x[i * len..][..len].to_vec();
        let (u, delta, z) = (part(&u, len * d), part(&delta, len * d), part(&z, len * d));
        let bc = part(&bc, len * width);
        let tokens = Tokens { u: &u[..], delta: &delta, bc: &bc, z: gated.then_some(&z) };
        let (skip, bias) = (&skip[layer * d..][..d], &bias[layer * d..][..d]);
        let parameters = Parameters { a: &a[layer * n * d..][..n * d], skip, bias };
        reference::selective_scan(&tokens, &parameters, len, states, y);
    }
    [u, delta, bc, z, a, skip, bias, states, y]
}

#[test]
fn layers_take_turns() {
    for (sizes, gated) in STACKS {
        let [u, delta, bc, z, a, skip, bias, states, y] = in_turns(sizes, gated);
        let tokens = Tokens { u: &u, delta: &delta, bc: &bc, z: gated.then_some(&z) };
        let parameters = Parameters { a: &a, skip: &skip, bias: &bias };
        let (mut found_states, mut found) = (vec![f32::NAN; states.len()], vec![f32::NAN; y.len()]);
        let (of, workspace) = ([sizes[2], sizes[3]], &mut Workspace::default());
        selective_scan_in_turns(tokens, parameters, of, workspace, &mut found_states, &mut found).unwrap();
        assert_near(&y, &found, 1e-5);
        assert_near(&states, &found_states, 1e-5);
    }
    let of = |a: &'static [f32], skip: &'static [f32]| Parameters { a, skip, bias: &[0.0; 4] };
    let tokens = Tokens { u: &[0.0; 12][..], delta: &[0.0; 12], bc: &[0.0; 12], z: None };
    let run = |parameters: Parameters<&'static [f32]>, len, states: &mut [f32]| {
        let workspace = &mut Workspace::default();
        selective_scan_in_turns(tokens, parameters, [len, 2], workspace, states, &mut [0.0; 12]).is_ok()
    };
    assert!(run(of(&[-1.0; 4], &[1.0; 4]), 3, &mut [0.0; 4]));
    assert!(!run(of(&[-1.0; 4], &[1.0; 4]), 4, &mut [0.0; 4]), "no whole sequences");
    assert!(!run(of(&[-1.0; 4], &[1.0; 3]), 3, &mut [0.0; 4]) && !run(of(&[], &[1.0; 4]), 3, &mut []));
}

#[test]
fn cuda_agrees_with_the_reference() {
    let Some(place) = device() else { return };
    for (sizes, gated) in STACKS {
        let [u, delta, bc, z, a, skip, bias, states, y] = in_turns(sizes, gated);
        let there = |values: &Vec<f32>| Buffer::of(&place, values).unwrap();
        let [delta, bc, z] = [&delta, &bc, &z].map(there);
        let [a, skip, bias] = [&a, &skip, &bias].map(there);
        let parameters = Parameters { a: &a, skip: &skip, bias: &bias };
        let run = |u: &Buffer, y: &mut Buffer| -> Result<[Vec<f32>; 2]> {
            let tokens = Tokens { u, delta: &delta, bc: &bc, z: gated.then_some(&z) };
            let (mut last, workspace) = (Buffer::new(&place, states.len())?, &mut Workspace::default());
            let of = [sizes[2], sizes[3]];
            selective_scan_in_turns(tokens, parameters, of, workspace, &mut last, &mut *y)?;
            Ok([read(y), read(&last)])
        };
        let mut found = Buffer::new(&place, y.len()).unwrap();
        let [found, last] = run(&there(&u), &mut found).unwrap();
        assert_near(&y, &found, 2e-5);
        assert_near(&states, &last, 2e-5);
        let halves = |values: &[f32]| {
            let mut buffer = Buffer::of_products(&place, values.len()).unwrap();
            buffer.write(values).unwrap();
            buffer
        };
        let [found, _] = run(&halves(&u), &mut halves(&y)).unwrap();
        assert_near(&y, &found, 1.0 / 64.0);
        assert_eq!(run(&Buffer::from(u), &mut there(&y)).unwrap_err(), Error::Apart { op: OP });
    }
    // More states than the kernel keeps.
    let [x, y] = [34, 1].map(|n| Buffer::<f32>::new(&place, n).unwrap());
    let tokens = Tokens { u: &y, delta: &y, bc: &x, z: None };
    let (a, mut states) = (Buffer::new(&place, 17).unwrap(), Buffer::new(&place, 17).unwrap());
    let (parameters, mut out) = (Parameters { a: &a, skip: &y, bias: &y }, Buffer::new(&place, 1).unwrap());
    let workspace = &mut Workspace::default();
    let refused = selective_scan_in_turns(tokens, parameters, [1, 1], workspace, &mut states, &mut out);
    let expected = "selective_scan: expected at most 16 states on a device, found 17";
    assert_eq!(refused.unwrap_err().to_string(), expected);
}
