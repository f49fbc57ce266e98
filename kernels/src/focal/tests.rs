use super::*;
use crate::testing::{assert_gradient, noise};

const BRANCH: Focal = Focal { alpha: 0.25, gamma: 4.0 };

fn masks(images: usize, to: usize) -> Vec<u8> {
    noise(images * to * to, 9).iter().map(|v| u8::from(*v > 0.2)).collect()
}

fn check(maps: usize, images: usize, sides: Sides, of: Of, constants: Focal) {
    let masks = masks(images, sides.to);
    let cells = maps * sides.from * sides.from;
    let x: Vec<f32> = match of {
        Of::Logits => noise(cells, 1).iter().map(|v| 4.0 * v).collect(),
        Of::Probabilities => noise(cells, 1).iter().map(|v| 0.5 + 0.45 * v).collect(),
    };
    let mut dx = vec![f32::NAN; cells];
    let found = focal(&x, of, sides, &masks, constants, &mut dx).unwrap();
    let loss = |x: &[f32]| reference::focal(x, of, sides, &masks, constants);
    assert!((found / loss(&x) - 1.0).abs() < 2e-6, "expected {}, found {found}", loss(&x));
    // Gradients of a mean are small: compare those of the sum.
    let pixels = (maps * sides.to * sides.to) as f64;
    let sums: Vec<f32> = dx.iter().map(|v| (f64::from(*v) * pixels) as f32).collect();
    assert_gradient(&x, &sums, 1e-3, |x| loss(x) * pixels);
}

#[test]
fn loss_and_gradient_agree_with_the_reference() {
    for of in [Of::Logits, Of::Probabilities] {
        check(4, 2, Sides { from: 5, to: 16 }, of, BRANCH);
        check(1, 1, Sides { from: 3, to: 3 }, of, Focal { alpha: 0.5, gamma: 4.0 });
        check(6, 3, Sides { from: 4, to: 9 }, of, Focal { alpha: 0.25, gamma: 2.0 });
    }
}

#[test]
fn what_is_judged_beyond_doubt_stays_finite() {
    let (x, masks) = ([200.0, -200.0, 200.0, -200.0], [0, 0, 1, 1]);
    let mut dx = [0.0; 4];
    let loss = focal(&x, Of::Logits, Sides { from: 2, to: 2 }, &masks, BRANCH, &mut dx).unwrap();
    // One defective pixel of four is missed by 200, and one good one is taken for defective.
    assert!((loss - (0.25 + 0.75) * 200.0 / 4.0).abs() < 1e-3, "{loss}");
    assert!(dx[0] > 0.18 && dx[3] < -0.06 && dx[1].abs() < 1e-6 && dx[2].abs() < 1e-6, "{dx:?}");
    let sure = [1.0, 0.0, 1.0, 0.0];
    // Below a power of 1 the weight of a pixel grows without limit as it is judged better.
    for gamma in [0.0, 0.5, 4.0] {
        let constants = Focal { gamma, ..BRANCH };
        let loss =
            focal(&sure, Of::Probabilities, Sides { from: 2, to: 2 }, &masks, constants, &mut dx).unwrap();
        assert!(loss.is_finite() && dx.iter().all(|v| v.is_finite()), "{gamma}: {loss} {dx:?}");
    }
}

#[test]
fn maps_without_a_mask_are_refused() {
    let run = |x: &[f32], masks: &[u8]| {
        focal(x, Of::Logits, Sides { from: 2, to: 3 }, masks, BRANCH, &mut vec![0.0; x.len()]).is_ok()
    };
    assert!(run(&[0.0; 8], &[0; 9]) && run(&[0.0; 8], &[0; 18]));
    assert!(
        !run(&[0.0; 8], &[0; 27]) && !run(&[0.0; 8], &[]) && !run(&[], &[0; 9]) && !run(&[0.0; 7], &[0; 9])
    );
}
