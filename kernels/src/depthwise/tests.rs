use proptest::prelude::*;

use super::*;
use crate::device::Buffer;
use crate::testing::{assert_close, device, noise, read};

fn check(maps: usize, [height, width]: [usize; 2], c: usize, side: usize) {
    let (x, weight, bias) = (noise(maps * height * width * c, 1), noise(c * side * side, 2), noise(c, 3));
    let mut expected = vec![0.0; x.len()];
    let mut found = expected.clone();
    reference::depthwise(&x, [height, width], &weight, &bias, 1, Then::Store, &mut expected);
    let (kernel, mut workspace) = (Kernel::new(&weight, bias).unwrap(), Workspace::default());
    // Twice: a used workspace must not shine through.
    for _ in 0..2 {
        depthwise(&x, height, width, &kernel, &mut workspace, &mut found).unwrap();
        assert_close(&expected, &found, 1e-5);
    }
    let g = noise(x.len(), 4);
    let expected = reference::weight_gradient(&x, [height, width], &g, c, side);
    let found = depthwise_weight_gradient(&x, &g, height, width, c, side, &mut workspace).unwrap();
    assert_close(&expected, &found, 1e-6 * (maps * height * width) as f32 + 1e-5);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]
    #[test]
    fn agrees_with_the_reference(
        maps in 1_usize..3, height in 1_usize..10, width in 1_usize..10, c in 1_usize..40, half in 0_usize..5
    ) {
        check(maps, [height, width], c, 2 * half + 1);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]
    #[test]
    fn steps_and_what_follows_agree_with_the_reference(
        maps in 1_usize..3, height in 1_usize..14, width in 1_usize..14, c in 1_usize..40, half in 0_usize..4,
        step in 1_usize..4, relu6 in any::<bool>()
    ) {
        let (side, then) = (2 * half + 1, if relu6 { Then::Relu6 } else { Then::Store });
        let x: Vec<f32> = noise(maps * height * width * c, 1).iter().map(|v| 4.0 * v).collect();
        let (weight, bias) = (noise(c * side * side, 2), noise(c, 3));
        let mut expected = vec![0.0; maps * height.div_ceil(step) * width.div_ceil(step) * c];
        let mut found = expected.clone();
        reference::depthwise(&x, [height, width], &weight, &bias, step, then, &mut expected);
        let kernel = Kernel::new(&weight, bias).unwrap().with_step(step).unwrap().then(then);
        let mut workspace = Workspace::default();
        for _ in 0..2 {
            depthwise(&x, height, width, &kernel, &mut workspace, &mut found).unwrap();
            assert_close(&expected, &found, 4e-5);
        }
    }
}

#[test]
fn agrees_with_the_reference_on_the_shape_of_a_student() {
    check(1, [24, 24], 96, 7);
}

/// <g, conv(x)> = <input gradient of g, x> for every x and g, as the convolution without its bias is linear.
#[test]
fn the_input_gradient_is_the_adjoint() {
    let (height, width, c, side) = (6, 5, 17, 7);
    let (x, g, weight) =
        (noise(height * width * c, 1), noise(height * width * c, 2), noise(c * side * side, 3));
    let run = |x: &[f32], kernel: &Kernel| {
        let mut y = vec![0.0; x.len()];
        depthwise(x, height, width, kernel, &mut Workspace::default(), &mut y).unwrap();
        y
    };
    let y = run(&x, &Kernel::new(&weight, vec![0.0; c]).unwrap());
    let dx = run(&g, &Kernel::of_input_gradient(&weight, c).unwrap());
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
    assert!((dot(&g, &y) - dot(&dx, &x)).abs() < 1e-3, "{} {}", dot(&g, &y), dot(&dx, &x));
}

#[test]
fn broken_shapes_are_refused() {
    assert!(Kernel::new(&[0.0; 8], vec![0.0; 2]).is_err(), "an even side");
    assert!(Kernel::new(&[0.0; 19], vec![0.0; 2]).is_err(), "no whole squares");
    let kernel = Kernel::new(&[0.0; 18], vec![0.0; 2]).unwrap();
    let run = |x: &[f32], y: &mut [f32]| depthwise(x, 2, 3, &kernel, &mut Workspace::default(), y);
    let refused = run(&[0.0; 13], &mut [0.0; 13]).unwrap_err().to_string();
    assert_eq!(refused, "depthwise: expected whole maps of 2 x 3 cells of 2 channels, found 13 elements");
    assert!(run(&[0.0; 12], &mut [0.0; 11]).is_err());
    assert!(kernel.clone().with_step(0).is_err());
    let half = kernel.clone().with_step(2).unwrap();
    let run_half = |y: &mut [f32]| depthwise(&[0.0; 12], 2, 3, &half, &mut Workspace::default(), y);
    assert!(run_half(&mut [0.0; 12]).is_err() && run_half(&mut [0.0; 4]).is_ok());
    let gradient = |side| depthwise_weight_gradient(&[], &[], 2, 3, 2, side, &mut Workspace::default());
    assert!(gradient(4).is_err() && gradient(17).is_err() && gradient(3).is_ok());
}

#[test]
fn cuda_agrees_with_the_reference() {
    let Some(place) = device() else { return };
    for (maps, [height, width], c, side, step, then) in [
        (1, [9, 5], 33, 7, 1, Then::Store),
        (2, [6, 11], 7, 3, 2, Then::Relu6),
        (1, [1, 2], 1, 5, 1, Then::Store),
        (1, [13, 12], 20, 5, 3, Then::Relu6),
    ] {
        let x: Vec<f32> = noise(maps * height * width * c, 1).iter().map(|v| 4.0 * v).collect();
        let (weight, bias) = (noise(c * side * side, 2), noise(c, 3));
        let mut expected = vec![0.0; maps * height.div_ceil(step) * width.div_ceil(step) * c];
        reference::depthwise(&x, [height, width], &weight, &bias, step, then, &mut expected);
        let kernel = Kernel::new(&weight, bias).unwrap().with_step(step).unwrap().then(then);
        let kernel = kernel.at(&place).unwrap();
        let (x, mut y) = (Buffer::of(&place, &x).unwrap(), Buffer::new(&place, expected.len()).unwrap());
        depthwise(&x, height, width, &kernel, &mut Workspace::default(), &mut y).unwrap();
        assert_close(&expected, &read(&y), 4e-5);
        // The kernel does not run on the host any more.
        let (x, mut y) = (vec![0.0; x.len()], vec![0.0; y.len()]);
        assert!(depthwise(&x, height, width, &kernel, &mut Workspace::default(), &mut y).is_err());
    }
}
