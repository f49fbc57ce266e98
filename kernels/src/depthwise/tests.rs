use proptest::prelude::*;

use super::*;
use crate::testing::{assert_close, noise};

fn check(maps: usize, [height, width]: [usize; 2], c: usize, side: usize) {
    let (x, weight, bias) = (noise(maps * height * width * c, 1), noise(c * side * side, 2), noise(c, 3));
    let mut expected = vec![0.0; x.len()];
    let mut found = expected.clone();
    reference::depthwise(&x, [height, width], &weight, &bias, &mut expected);
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
    let gradient = |side| depthwise_weight_gradient(&[], &[], 2, 3, 2, side, &mut Workspace::default());
    assert!(gradient(4).is_err() && gradient(17).is_err() && gradient(3).is_ok());
}
