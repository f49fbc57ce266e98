use proptest::prelude::*;

use super::*;
use crate::device::Buffer;
use crate::testing::{assert_close, assert_gradient, assert_near, device, dot, noise, read};

fn check(maps: usize, grid: Grid, [c_in, c_out]: [usize; 2], dilation: usize, then: Then) {
    let x = noise(maps * grid.cells() * c_in, 1);
    let (weight, bias) = (noise(c_out * c_in * TAPS, 2), noise(c_out, 3));
    let mut expected = vec![0.0; maps * grid.cells() * c_out];
    let mut found = expected.clone();
    reference::conv3x3(&x, grid, &weight, &bias, dilation, then, &mut expected);
    let (kernel, mut workspace) = (Kernel::new(&weight, bias).unwrap(), Workspace::default());
    // Twice: a used workspace must not shine through.
    for _ in 0..2 {
        conv3x3(&x, grid, &kernel, dilation, then, &mut workspace, &mut found).unwrap();
        assert_close(&expected, &found, 6e-6 * (c_in as f32).sqrt());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]
    #[test]
    fn agrees_with_the_reference(
        maps in 1_usize..4, rows in 1_usize..12, columns in 1_usize..12, c_in in 1_usize..20, c_out in 1_usize..40,
        dilation in 1_usize..14, relu in any::<bool>()
    ) {
        check(maps, Grid { rows, columns }, [c_in, c_out], dilation, if relu { Then::Relu } else { Then::Store });
    }
}

#[test]
fn agrees_with_the_reference_on_maps_of_several_tasks() {
    check(3, Grid::square(28), [16, 33], 1, Then::Store);
    check(1, Grid::square(49), [8, 16], 24, Then::Relu);
    check(2, Grid { rows: 17, columns: 71 }, [8, 16], 12, Then::Relu);
    check(2, Grid { rows: 70, columns: 16 }, [8, 16], 3, Then::Store);
}

#[test]
fn the_middle_tap_alone_changes_nothing() {
    let mut weight = [0.0; TAPS];
    weight[4] = 1.0;
    let (x, mut y) = (noise(49, 5), vec![0.0; 49]);
    let kernel = Kernel::new(&weight, vec![0.0]).unwrap();
    for grid in [Grid::square(7), Grid { rows: 1, columns: 49 }, Grid { rows: 49, columns: 1 }] {
        y.fill(f32::NAN);
        conv3x3(&x, grid, &kernel, 3, Then::Store, &mut Workspace::default(), &mut y).unwrap();
        assert_eq!(x, y);
    }
}

#[test]
fn broken_maps_are_refused() {
    let kernel = Kernel::new(&[0.0; 2 * TAPS], vec![0.0]).unwrap();
    let two = Grid::square(2);
    let run =
        |x: &[f32], y: &mut [f32]| conv3x3(x, two, &kernel, 1, Then::Store, &mut Workspace::default(), y);
    let refused = run(&[0.0; 6], &mut [0.0; 3]).unwrap_err().to_string();
    assert_eq!(refused, "conv3x3: expected whole maps of 2 x 2 cells of 2 channels, found 6 elements");
    assert!(run(&[0.0; 8], &mut [0.0; 3]).is_err() && run(&[0.0; 8], &mut [0.0; 4]).is_ok());
    assert!(Kernel::new(&[0.0; 17], vec![0.0]).is_err());
    let none = Kernel::new(&[], Vec::new()).unwrap();
    conv3x3(&[], two, &none, 1, Then::Store, &mut Workspace::default(), &mut []).unwrap();
    backward::weight_gradient(&[], &[], two, 1, &mut [], &mut []).unwrap();
}

#[test]
fn gradients_are_the_slopes_of_the_reference() {
    for (maps, rows, columns, [c_in, c_out], dilation) in [
        (2, 5, 5, [3, 4], 1),
        (3, 6, 6, [2, 5], 3),
        (1, 7, 7, [4, 2], 12),
        (2, 3, 5, [3, 4], 2),
        (2, 7, 4, [2, 3], 1),
    ] {
        let grid = Grid { rows, columns };
        let x = noise(maps * grid.cells() * c_in, 1);
        let (weight, bias) = (noise(c_out * c_in * TAPS, 2), noise(c_out, 3));
        let dy = noise(maps * grid.cells() * c_out, 4);
        let loss = |x: &[f32], weight: &[f32], bias: &[f32]| {
            let mut y = vec![0.0; dy.len()];
            reference::conv3x3(x, grid, weight, bias, dilation, Then::Store, &mut y);
            dot(&y, &dy)
        };
        let (mut dx, mut dw, mut db) =
            (vec![f32::NAN; x.len()], vec![f32::NAN; weight.len()], vec![f32::NAN; c_out]);
        let turned = backward::transposed(&weight, c_out).unwrap();
        backward::input_gradient(&dy, grid, &turned, dilation, &mut Workspace::default(), &mut dx).unwrap();
        backward::weight_gradient(&x, &dy, grid, dilation, &mut dw, &mut db).unwrap();
        assert_gradient(&x, &dx, 1e-3, |x| loss(x, &weight, &bias));
        assert_gradient(&weight, &dw, 1e-3, |weight| loss(&x, weight, &bias));
        assert_gradient(&bias, &db, 1e-3, |bias| loss(&x, &weight, bias));
    }
}

/// Maps, grid, channels, dilations of the kernels, and the kernel of the first map.
type Case = (usize, Grid, [usize; 2], &'static [usize], usize, Then);

const STACKS: [Case; 6] = [
    (1, Grid { rows: 1, columns: 1 }, [1, 1], &[1], 0, Then::Store),
    (5, Grid { rows: 5, columns: 7 }, [6, 9], &[1, 3, 2], 2, Then::Relu),
    (4, Grid { rows: 9, columns: 11 }, [16, 67], &[1, 12], 1, Then::Store),
    (3, Grid { rows: 13, columns: 6 }, [40, 24], &[6, 3, 24], 3, Then::Relu),
    (2, Grid { rows: 8, columns: 8 }, [64, 64], &[1], 0, Then::Store),
    (9, Grid { rows: 9, columns: 7 }, [8, 40], &[2, 1], 1, Then::Relu),
];

/// Weights of kernels with their biases, x, and what follows, each map by its own kernel.
fn in_turns(
    (maps, grid, [c_in, c_out], dilations, first, then): Case,
    rounded: &dyn Fn(&[f32]) -> Vec<f32>,
) -> (Vec<(Kernel, usize)>, Vec<f32>, Vec<f32>) {
    let of = |seed: usize| (noise(c_out * c_in * TAPS, 2 + seed as u64), noise(c_out, 50 + seed as u64));
    let kernel = |(i, dilation): (usize, &usize)| (Kernel::new(&of(i).0, of(i).1).unwrap(), *dilation);
    let x = noise(maps * grid.cells() * c_in, 1);
    let mut y = vec![0.0; maps * grid.cells() * c_out];
    let each = y.chunks_exact_mut(grid.cells() * c_out).zip(x.chunks_exact(grid.cells() * c_in));
    for (map, (y, x)) in each.enumerate() {
        let kernel = (first + map) % dilations.len();
        let (weight, bias) = of(kernel);
        reference::conv3x3(&rounded(x), grid, &rounded(&weight), &bias, dilations[kernel], then, y);
    }
    (dilations.iter().enumerate().map(kernel).collect(), x, y)
}

#[test]
fn kernels_of_a_stack_take_turns() {
    for case in STACKS {
        let (_, grid, [c_in, _], _, first, then) = case;
        let (kernels, x, expected) = in_turns(case, &<[f32]>::to_vec);
        let (stack, mut workspace) = (Stack::new(&Place::Host, kernels).unwrap(), Workspace::default());
        let mut found = vec![f32::NAN; expected.len()];
        conv3x3_in_turns(&x, grid, &stack, first, then, &mut workspace, &mut found).unwrap();
        assert_close(&expected, &found, 6e-6 * (c_in as f32).sqrt());
    }
    let one = Kernel::new(&[0.0; TAPS], vec![0.0]).unwrap();
    let two = Kernel::new(&[0.0; 2 * TAPS], vec![0.0]).unwrap();
    let refused = Stack::new(&Place::Host, vec![(one.clone(), 1), (two, 1)]).unwrap_err().to_string();
    assert_eq!(refused, "conv3x3: expected kernels of one size, found [[1, 1], [2, 1]]");
    let stack = Stack::new(&Place::Host, vec![(one, 1)]).unwrap();
    let run = |x: &[f32], y: &mut [f32]| {
        conv3x3_in_turns(x, Grid::square(2), &stack, 0, Then::Store, &mut Workspace::default(), y)
    };
    assert!(run(&[0.0; 8], &mut [0.0; 8]).is_ok() && run(&[0.0; 8], &mut [0.0; 4]).is_err());
    assert!(run(&[0.0; 6], &mut [0.0; 4]).is_err());
}

#[test]
fn cuda_agrees_with_the_reference() {
    let Some(place) = device() else { return };
    let halves = |values: &[f32]| {
        let mut buffer = Buffer::of_products(&place, values.len()).unwrap();
        buffer.write(values).unwrap();
        buffer
    };
    for case in STACKS {
        let (_, grid, [c_in, _], _, first, then) = case;
        // What the device multiplies is rounded: the reference multiplies the same.
        let (kernels, x, expected) = in_turns(case, &|values| read(&halves(values)));
        let (x, stack) = (halves(&x), Stack::new(&place, kernels).unwrap());
        let mut found = Buffer::new(&place, expected.len()).unwrap();
        let run = |x: &Buffer, y: &mut Buffer| {
            conv3x3_in_turns(x, grid, &stack, first, then, &mut Workspace::default(), y)
        };
        run(&x, &mut found).unwrap();
        assert_close(&expected, &read(&found), 4e-5 * (c_in as f32).sqrt());
        let mut half = Buffer::of_products(&place, expected.len()).unwrap();
        run(&x, &mut half).unwrap();
        assert_near(&expected, &read(&half), 1.0 / 128.0);
        let floats = Buffer::new(&place, x.len()).unwrap();
        let refused = run(&floats, &mut found).unwrap_err().to_string();
        assert_eq!(refused, "conv3x3: expected x kept as bf16 on a device, found floats of 32 bits");
        assert!(run(&x, &mut vec![0.0; expected.len()].into()).is_err(), "operands that live apart");
    }
}
