use super::*;
use crate::testing::{assert_close, noise};

const STEP: Step = Step { rate: 1e-2, decay: 0.05, betas: (0.9, 0.999), eps: 1e-8, number: 1, scale: 1.0 };

#[test]
fn many_steps_agree_with_the_reference() {
    let n = 40_000;
    let (mut p, mut m, mut v) = (noise(n, 1), vec![0.0; n], vec![0.0; n]);
    let wide = |x: &[f32]| -> Vec<f64> { x.iter().map(|v| f64::from(*v)).collect() };
    let (mut p64, mut m64, mut v64) = (wide(&p), vec![0.0; n], vec![0.0; n]);
    for number in 1..=20 {
        let g = noise(n, 10 + number);
        let step = Step { number, scale: 0.5, ..STEP };
        reference::adamw(&mut p64, &wide(&g), &mut m64, &mut v64, &step);
        adamw(&mut p, &g, &mut m, &mut v, &step).unwrap();
    }
    assert_close(&p64.iter().map(|v| *v as f32).collect::<Vec<_>>(), &p, 2e-6);
    assert_close(&m64.iter().map(|v| *v as f32).collect::<Vec<_>>(), &m, 1e-6);
    assert_close(&v64.iter().map(|v| *v as f32).collect::<Vec<_>>(), &v, 1e-6);
}

#[test]
fn the_first_step_goes_by_the_rate_whatever_the_gradient_is() {
    let (mut p, mut m, mut v) = ([1.0, 1.0], [0.0; 2], [0.0; 2]);
    adamw(&mut p, &[1e-3, -5.0], &mut m, &mut v, &Step { decay: 0.0, ..STEP }).unwrap();
    assert_close(&[0.99, 1.01], &p, 1e-6);
}

#[test]
fn decay_needs_no_gradient() {
    let (mut p, mut m, mut v) = ([2.0], [0.0], [0.0]);
    adamw(&mut p, &[0.0], &mut m, &mut v, &STEP).unwrap();
    assert_close(&[2.0 * (1.0 - 5e-4)], &p, 1e-7);
}

#[test]
fn broken_calls_are_refused() {
    let run = |g: &[f32], step| adamw(&mut [0.0; 2], g, &mut [0.0; 2], &mut [0.0; 2], &step);
    assert!(run(&[0.0; 3], STEP).is_err());
    let refused = run(&[0.0; 2], Step { number: 0, ..STEP }).unwrap_err();
    assert_eq!(refused.to_string(), "adamw: expected a step number from 1, found 0");
}
