use proptest::prelude::*;

use super::*;
use crate::layer_norm::layer_norm;
use crate::linear::{Panels, Then, Weight, linear};
use crate::testing::{assert_near, device, noise, read};

/// Weights and biases of the norm and both layers, x and y.
fn numbers([m, d, h]: [usize; 3]) -> [Vec<f32>; 8] {
    let sizes = [d, d, h * d, h, d * h, d, m * d, m * d];
    let mut seed = 0;
    sizes.map(|size| {
        seed += 1;
        noise(size, seed)
    })
}

/// The layers one after the other, each on all rows.
fn apart_from_each_other(numbers: &[Vec<f32>; 8], [m, d, h]: [usize; 3]) -> Vec<f32> {
    let [weight, bias, up, up_bias, down, down_bias, x, y] = numbers;
    let (mut normed, mut hidden, mut y) = (vec![0.0; m * d], vec![0.0; m * h], y.clone());
    layer_norm(x, weight, bias, 1e-6, &mut normed).unwrap();
    linear(&normed, &Panels::from_transposed(up, h, d), up_bias, Then::Gelu, &mut hidden).unwrap();
    linear(&hidden, &Panels::from_transposed(down, d, h), down_bias, Then::Add, &mut y).unwrap();
    y
}

fn check(sizes: [usize; 3], workspace: &mut Workspace) {
    let [_, d, h] = sizes;
    let all = numbers(sizes);
    let expected = apart_from_each_other(&all, sizes);
    let [weight, bias, up, up_bias, down, down_bias, x, mut y] = all;
    let (up, down) = (Panels::from_transposed(&up, h, d), Panels::from_transposed(&down, d, h));
    let layers = Layers {
        norm: [(&weight).into(), (&bias).into()],
        eps: 1e-6,
        up: (&up).into(),
        up_bias: (&up_bias).into(),
        down: (&down).into(),
        down_bias: (&down_bias).into(),
    };
    mlp(&x, layers, workspace, &mut y).unwrap();
    assert_eq!(expected, y, "{sizes:?}");
    // Rows of few elements may have next to no variance, and the norm then magnifies the rounding of their mean.
    assert_near(&reference::mlp(&numbers(sizes), 1e-6), &y, if d < 4 { 1e-2 } else { 1e-4 });
}

proptest! {
    #[test]
    fn is_the_layers_one_after_the_other(m in 0_usize..40, d in 1_usize..40, h in 1_usize..90) {
        check([m, d, h], &mut Workspace::default());
    }
}

/// More rows than a task takes, of layers that share a workspace.
#[test]
fn is_the_same_in_several_tasks() {
    let mut workspace = Workspace::default();
    for sizes in [[1000, 16, 64], [7, 48, 192], [500, 24, 1500], [1001, 16, 64]] {
        check(sizes, &mut workspace);
    }
}

#[test]
fn layers_that_do_not_fit_are_refused() {
    let [weight, bias, up, up_bias, down, down_bias, x, y] = numbers([3, 4, 8]);
    let (up, wrong) = (Panels::from_transposed(&up, 8, 4), Panels::from_transposed(&down, 8, 4));
    let down = Panels::from_transposed(&down, 4, 8);
    let refused = |up: &Panels, down: &Panels, up_bias: &[f32], x: &[f32]| {
        let layers = Layers {
            norm: [(&weight).into(), (&bias).into()],
            eps: 1e-6,
            up: up.into(),
            up_bias: up_bias.into(),
            down: down.into(),
            down_bias: (&down_bias).into(),
        };
        mlp(x, layers, &mut Workspace::default(), &mut y.clone()).unwrap_err().to_string()
    };
    assert_eq!(refused(&up, &wrong, &up_bias, &x), "mlp: expected row of W2 of 8 elements, found 4");
    assert_eq!(refused(&up, &down, &up_bias[1..], &x), "mlp: expected rows of W1 of 7 elements, found 8");
    assert_eq!(refused(&up, &down, &up_bias, &x[1..]), "mlp: expected x of 8 elements, found 11");
}

#[test]
fn cuda_agrees_with_the_host() {
    let Some(place) = device() else { return };
    for sizes in [[5, 32, 64], [67, 48, 192]] {
        let [m, d, h] = sizes;
        let all = numbers(sizes);
        let expected = reference::mlp(&all, 1e-6);
        let [weight, bias, up, up_bias, down, down_bias, x, y] = &all;
        let there = |values: &[f32]| Buffer::of(&place, values).unwrap();
        let packed = |rows: &[f32], n: usize, k: usize| {
            Weight::Host(Panels::from_transposed(rows, n, k)).at(&place).unwrap()
        };
        let [weight, bias, up_bias, down_bias, x] = [weight, bias, up_bias, down_bias, x].map(|v| there(v));
        let (up, down, mut y) = (packed(up, h, d), packed(down, d, h), there(y));
        let layers = Layers {
            norm: [weight.view(), bias.view()],
            eps: 1e-6,
            up: (&up).into(),
            up_bias: up_bias.view(),
            down: (&down).into(),
            down_bias: down_bias.view(),
        };
        let mut workspace = Workspace::at(&place).unwrap();
        mlp(&x, layers, &mut workspace, &mut y).unwrap();
        assert_eq!(y.len(), m * d);
        // What the device multiplies is rounded to bf16.
        assert_near(&expected, &read(&y), 1.0 / 32.0);
        let layers = Layers { norm: [weight.view(), bias.view()], ..layers };
        let apart = mlp(&vec![0.0; m * d], layers, &mut workspace, &mut y).unwrap_err().to_string();
        assert!(apart.starts_with("mlp: expected"), "{apart}");
    }
}
