use proptest::prelude::*;

use super::*;
use crate::device::Buffer;
use crate::testing::{assert_close, assert_near, device, noise, read};

fn check(m: usize, k: usize, n: usize, then: Then) {
    let (x, w, bias) = (noise(m * k, 1), noise(n * k, 2), noise(n, 3));
    let mut expected = noise(m * n, 4);
    let mut found = expected.clone();
    reference::linear(&x, &w, k, &bias, then, &mut expected);
    linear(&x, &Panels::from_transposed(&w, n, k), &bias, then, &mut found).unwrap();
    assert_close(&expected, &found, 2e-6 * (k as f32).sqrt().max(1.0));
}

proptest! {
    #[test]
    fn agrees_with_the_reference(m in 1_usize..50, k in 1_usize..70, n in 1_usize..80, then in 0..4) {
        check(m, k, n, [Then::Store, Then::Gelu, Then::Relu6, Then::Add][then as usize]);
    }

    #[test]
    fn gradients_agree_with_the_reference(m in 0_usize..50, k in 1_usize..70, n in 1_usize..40) {
        check_gradients(m, k, n);
    }
}

fn check_gradients(m: usize, k: usize, n: usize) {
    let (w, g) = (noise(n * k, 2), noise(m * n, 3));
    let [dx, db] = reference::gradients(&w, k, &g);
    let (mut found, mut found_db) = (vec![f32::NAN; m * k], vec![f32::NAN; n]);
    input_gradient(&g, &w, n, k, &mut found).unwrap();
    assert_close(&dx, &found, 2e-6 * (n as f32).sqrt().max(1.0));
    bias_gradient(&g, &mut found_db).unwrap();
    assert_close(&db, &found_db, 4e-6 * (m as f32).sqrt().max(1.0));
}

#[test]
fn gradients_agree_with_the_reference_on_several_tasks() {
    check_gradients(1100, 48, 21);
}

#[test]
fn agrees_with_the_reference_on_the_shapes_of_a_vit() {
    check(789, 192, 576, Then::Store);
    check(789, 768, 192, Then::Add);
}

#[test]
fn layers_without_inputs_or_outputs_do_nothing() {
    let empty = Panels::from_transposed(&[], 3, 0);
    linear(&[], &empty, &[0.0; 3], Then::Store, &mut []).unwrap();
    linear(&[1.0; 4], &Panels::from_rows(&[], 2, 0), &[], Then::Store, &mut []).unwrap();
    let (mut dx, mut db) = ([f32::NAN; 0], [f32::NAN; 2]);
    input_gradient(&[], &[0.0; 6], 2, 3, &mut dx).unwrap();
    bias_gradient(&[], &mut db).unwrap();
    assert_eq!(db, [0.0; 2]);
}

#[test]
#[should_panic(expected = "3 rows of 4 elements")]
fn a_weight_of_another_length_is_not_packed() {
    Panels::from_transposed(&[0.0; 11], 3, 4);
}

#[test]
fn wrong_lengths_are_refused() {
    let w = Panels::from_transposed(&[0.0; 12], 3, 4);
    let refused = linear(&[0.0; 8], &w, &[0.0; 2], Then::Store, &mut [0.0; 6]).unwrap_err();
    assert_eq!(refused.to_string(), "linear: expected bias of 3 elements, found 2");
    assert!(input_gradient(&[0.0; 6], &[0.0; 11], 3, 4, &mut [0.0; 8]).is_err());
    assert!(bias_gradient(&[0.0; 7], &mut [0.0; 3]).is_err() && bias_gradient(&[0.0], &mut []).is_err());
}

#[test]
fn cuda_agrees_with_the_reference() {
    let Some(place) = device() else { return };
    for (m, k, n, then) in [
        (1, 1, 1, Then::Store),
        (70, 33, 65, Then::Gelu),
        (130, 96, 67, Then::Add),
        (65, 40, 131, Then::Relu6),
        (64, 192, 64, Then::Gelu),
        // Nine wide tiles are enough for the four processors of the driver that tests run on; few tiles share k.
        (130, 200, 131, Then::Add),
        (33, 1096, 40, Then::Gelu),
        (40, 771, 33, Then::Relu6),
    ] {
        let (x, w, bias) = (noise(m * k, 1), noise(n * k, 2), noise(n, 3));
        let y = noise(m * n, 4);
        // What the device multiplies is rounded: the reference multiplies the same.
        let rounded = |values: &[f32]| -> Vec<f32> {
            let mut buffer = Buffer::of_products(&place, values.len()).unwrap();
            buffer.write(values).unwrap();
            read(&buffer)
        };
        let mut expected = y.clone();
        reference::linear(&rounded(&x), &rounded(&w), k, &bias, then, &mut expected);
        let weight = Weight::Host(Panels::from_transposed(&w, n, k)).at(&place).unwrap();
        let mut on_device = Buffer::of_products(&place, m * k).unwrap();
        on_device.write(&x).unwrap();
        let bias = Buffer::of(&place, &bias).unwrap();
        let mut found = Buffer::of(&place, &y).unwrap();
        linear(&on_device, &weight, &bias, then, &mut found).unwrap();
        assert_close(&expected, &read(&found), 1e-5 * (k as f32).sqrt().max(1.0));
        let mut halves = Buffer::of_products(&place, m * n).unwrap();
        halves.write(&y).unwrap();
        linear(&on_device, &weight, &bias, then, &mut halves).unwrap();
        assert_near(&expected, &read(&halves), 1.0 / 128.0);
    }
    let weight = Weight::new(&place, &[0.0; 12], 3, 4).unwrap();
    let (x, bias) = (Buffer::new(&place, 8).unwrap(), Buffer::new(&place, 3).unwrap());
    let refused = linear(&x, &weight, &bias, Then::Store, &mut Buffer::new(&place, 6).unwrap()).unwrap_err();
    assert_eq!(refused.to_string(), "linear: expected x kept as bf16 on a device, found floats of 32 bits");
}

/// Layers of a stack, and blocks of x that take turns among them.
const STACKS: [(usize, usize, [usize; 3]); 3] = [(1, 2, [3, 5, 4]), (3, 5, [70, 24, 67]), (2, 4, [1, 33, 1])];

/// Weights and biases of layers, x, and what follows, each block by its own layer.
fn in_turns(
    (layers, blocks, [m, k, n]): (usize, usize, [usize; 3]),
    rounded: &dyn Fn(&[f32]) -> Vec<f32>,
) -> [Vec<f32>; 4] {
    let (x, w, bias) = (noise(blocks * m * k, 1), noise(layers * n * k, 2), noise(layers * n, 3));
    let mut y = vec![0.0; blocks * m * n];
    for (block, y) in y.chunks_exact_mut(m * n).enumerate() {
        let layer = block % layers;
        let (x, w) = (rounded(&x[block * m * k..][..m * k]), rounded(&w[layer * n * k..][..n * k]));
        reference::linear(&x, &w, k, &bias[layer * n..][..n], Then::Store, y);
    }
    [x, w, bias, y]
}

fn stack(place: &Place, w: &[f32], [n, k]: [usize; 2]) -> Stack {
    let panels: Vec<Panels> = w.chunks_exact(n * k).map(|w| Panels::from_transposed(w, n, k)).collect();
    Stack::new(place, &panels.iter().collect::<Vec<_>>()).unwrap()
}

#[test]
fn layers_of_a_stack_take_turns() {
    for (layers, blocks, [m, k, n]) in STACKS {
        let [x, w, bias, expected] = in_turns((layers, blocks, [m, k, n]), &<[f32]>::to_vec);
        let (stack, mut found) = (stack(&Place::Host, &w, [n, k]), vec![f32::NAN; expected.len()]);
        linear_in_turns(&x, m, &stack, &bias, Then::Store, &mut found).unwrap();
        assert_close(&expected, &found, 2e-6 * (k as f32).sqrt());
    }
    let (one, two) = (Panels::from_transposed(&[0.0; 6], 2, 3), Panels::from_transposed(&[0.0; 6], 3, 2));
    let refused = Stack::new(&Place::Host, &[&one, &two]).unwrap_err().to_string();
    assert_eq!(refused, "linear: expected layers of one size, found [[2, 3], [3, 2]]");
    let stack = Stack::new(&Place::Host, &[&one, &one]).unwrap();
    let run = |x: &[f32], bias: &[f32], y: &mut [f32]| linear_in_turns(x, 2, &stack, bias, Then::Store, y);
    assert!(run(&[0.0; 12], &[0.0; 4], &mut [0.0; 8]).is_ok());
    assert!(run(&[0.0; 9], &[0.0; 4], &mut [0.0; 8]).is_err(), "no whole blocks");
    assert!(run(&[0.0; 12], &[0.0; 2], &mut [0.0; 8]).is_err(), "one bias");
}

#[test]
fn cuda_layers_of_a_stack_take_turns() {
    let Some(place) = device() else { return };
    let halves = |values: &[f32]| {
        let mut buffer = Buffer::of_products(&place, values.len()).unwrap();
        buffer.write(values).unwrap();
        buffer
    };
    for (layers, blocks, [m, k, n]) in STACKS {
        let [x, w, bias, expected] = in_turns((layers, blocks, [m, k, n]), &|values| read(&halves(values)));
        let (x, stack, bias) = (halves(&x), stack(&place, &w, [n, k]), Buffer::of(&place, &bias).unwrap());
        let mut found = Buffer::new(&place, expected.len()).unwrap();
        linear_in_turns(&x, m, &stack, &bias, Then::Store, &mut found).unwrap();
        assert_close(&expected, &read(&found), 1e-5 * (k as f32).sqrt());
        let floats = Buffer::<f32>::new(&place, x.len()).unwrap();
        assert!(linear_in_turns(&floats, m, &stack, &bias, Then::Store, &mut found).is_err());
        assert!(linear_in_turns(&x, m, &stack, &vec![0.0; layers * n], Then::Store, &mut found).is_err());
    }
}

#[test]
fn panels_give_back_what_they_were_packed_of() {
    let w = noise(37 * 21, 5);
    assert_eq!(Panels::from_transposed(&w, 37, 21).to_transposed(), w);
}
