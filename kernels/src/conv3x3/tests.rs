use proptest::prelude::*;

use super::*;
use crate::testing::{assert_close, assert_gradient, dot, noise};

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
