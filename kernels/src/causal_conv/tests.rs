use proptest::prelude::*;

use super::*;
use crate::device::Buffer;
use crate::testing::{assert_close, assert_gradient, device, dot, noise, read};

proptest! {
    #[test]
    fn agrees_with_the_reference(sequences in 1_usize..4, len in 1_usize..40, d in 1_usize..70) {
        let (x, w, bias) = (noise(sequences * len * d, 1), noise(TAPS * d, 2), noise(d, 3));
        let (mut expected, mut found) = (vec![0.0; x.len()], vec![0.0; x.len()]);
        reference::causal_conv(&x, len, &w, &bias, &mut expected);
        causal_conv(&x, len, &w, &bias, &mut found).unwrap();
        assert_close(&expected, &found, 2e-6);
    }
}

#[test]
fn the_last_tap_meets_the_current_token() {
    let mut y = [0.0; 3];
    causal_conv(&[1.0, 2.0, 3.0], 3, &[0.0, 0.0, 0.0, 1.0], &[0.0], &mut y).unwrap();
    let silu = |x: f32| x / (1.0 + (-x).exp());
    assert_close(&[silu(1.0), silu(2.0), silu(3.0)], &y, 1e-6);
}

#[test]
fn broken_sequences_are_refused() {
    assert!(causal_conv(&[0.0; 6], 2, &[0.0; 4], &[0.0], &mut [0.0; 6]).is_ok());
    assert!(causal_conv(&[0.0; 6], 4, &[0.0; 4], &[0.0], &mut [0.0; 6]).is_err());
    assert!(causal_conv(&[0.0; 6], 2, &[0.0; 3], &[0.0], &mut [0.0; 6]).is_err());
}

#[test]
fn gradients_are_the_slopes_of_the_reference() {
    for (sequences, len, d) in [(2, 9, 5), (3, 2, 17), (1, 40, 3)] {
        let n = sequences * len * d;
        let (x, w, bias, dy) = (noise(n, 1), noise(TAPS * d, 2), noise(d, 3), noise(n, 4));
        let loss = |x: &[f32], w: &[f32], bias: &[f32]| {
            let mut y = vec![0.0; n];
            reference::causal_conv(x, len, w, bias, &mut y);
            dot(&y, &dy)
        };
        let (mut dx, mut dw, mut db) = (vec![f32::NAN; n], vec![f32::NAN; w.len()], vec![f32::NAN; d]);
        let gradients = backward::Gradients { x: &mut dx, w: &mut dw, bias: &mut db };
        backward::causal_conv_backward(&x, len, &w, &bias, &dy, gradients).unwrap();
        assert_gradient(&x, &dx, 1e-3, |x| loss(x, &w, &bias));
        assert_gradient(&w, &dw, 1e-3, |w| loss(&x, w, &bias));
        assert_gradient(&bias, &db, 1e-3, |bias| loss(&x, &w, bias));
    }
}

/// Layers, sequences, tokens of each, channels.
const STACKS: [[usize; 4]; 4] = [[1, 1, 1, 1], [2, 5, 7, 33], [3, 4, 2, 5], [2, 2, 40, 64]];

/// Taps and biases of layers, x, and what follows, each sequence by its own layer.
fn in_turns([layers, sequences, len, d]: [usize; 4]) -> [Vec<f32>; 4] {
    let (w, bias) = (noise(layers * TAPS * d, 2), noise(layers * d, 3));
    let (x, mut y) = (noise(sequences * len * d, 1), vec![0.0; sequences * len * d]);
    for (i, (x, y)) in x.chunks_exact(len * d).zip(y.chunks_exact_mut(len * d)).enumerate() {
        let layer = i % layers;
        let (w, bias) = (&w[layer * TAPS * d..][..TAPS * d], &bias[layer * d..][..d]);
        reference::causal_conv(x, len, w, bias, y);
    }
    [w, bias, x, y]
}

#[test]
fn layers_take_turns() {
    for sizes in STACKS {
        let [w, bias, x, expected] = in_turns(sizes);
        let mut found = vec![f32::NAN; x.len()];
        causal_conv_in_turns(&x, [sizes[2], sizes[3]], &w, &bias, &mut found).unwrap();
        assert_close(&expected, &found, 2e-6);
    }
    let run = |len, w: &[f32], bias: &[f32]| {
        causal_conv_in_turns(&[0.0; 12], [len, 2], w, bias, &mut [0.0; 12]).is_ok()
    };
    assert!(run(3, &[0.0; 16], &[0.0; 4]) && !run(4, &[0.0; 16], &[0.0; 4]));
    assert!(!run(3, &[0.0; 8], &[0.0; 4]) && !run(3, &[0.0; 12], &[0.0; 3]) && !run(3, &[], &[]));
}

#[test]
fn cuda_agrees_with_the_reference() {
    let Some(place) = device() else { return };
    for sizes in STACKS {
        let [w, bias, x, expected] = in_turns(sizes);
        let [on_device, bias, x] = [&w, &bias, &x].map(|values| Buffer::of(&place, values).unwrap());
        let run = |y: &mut Buffer| {
            causal_conv_in_turns(&x, [sizes[2], sizes[3]], &on_device, &bias, &mut *y).unwrap();
            read(y)
        };
        let found = run(&mut Buffer::new(&place, expected.len()).unwrap());
        assert_close(&expected, &found, 4e-6);
        let halves = run(&mut Buffer::of_products(&place, expected.len()).unwrap());
        assert_close(&expected, &halves, 1.0 / 64.0);
        let mut y = Buffer::new(&place, expected.len()).unwrap();
        let refused = causal_conv_in_turns(&x, [sizes[2], sizes[3]], &w, &bias, &mut y).unwrap_err();
        assert_eq!(refused, Error::Apart { op: "causal_conv" });
    }
}
