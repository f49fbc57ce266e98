use snarm_kernels::focal::{Focal, Of, Sides, focal};

use crate::file::{Golden, assert_close};

#[test]
fn the_focal_loss_and_its_gradients_are_the_published_ones() {
    let golden = Golden::open("losses_metrics");
    let masks = golden.u8s("focal.y");
    // Each element is a map of one cell, with a mask of one pixel.
    let sides = Sides { from: 1, to: 1 };
    for (variant, alpha, gamma) in [("branch", 0.25, 4.0), ("navigator", 0.5, 4.0), ("g2", 0.25, 2.0)] {
        let totals = golden.f64s(&format!("focal.{variant}.totals"));
        for (of, letter, mean, tolerance) in
            [(Of::Probabilities, "p", totals[1], 3e-5), (Of::Logits, "z", totals[3], 1e-5)]
        {
            let x = golden.f32s(&format!("focal.{letter}"));
            let mut dx = vec![f32::NAN; x.len()];
            let loss = focal(&x, of, sides, &masks, Focal { alpha, gamma }, &mut dx).unwrap();
            assert!((loss / mean - 1.0).abs() < 1e-6, "{variant} {letter}: expected {mean}, found {loss}");
            let sums: Vec<f32> = dx.iter().map(|v| v * x.len() as f32).collect();
            let name = format!("focal.{variant}.grad_{letter}_sum");
            assert_close(&name, &golden.f32s(&name), &sums, tolerance);
        }
    }
}
