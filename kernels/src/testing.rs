//! What the tests of the operations share.

/// Deterministic values in -1..1.
pub(crate) fn noise(len: usize, seed: u64) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ 0xD1B5_4A32_D192_ED03;
    (0..len)
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 40) as f32 / (1 << 23) as f32 - 1.0
        })
        .collect()
}

/// Fails at the first pair farther apart than `tolerance`.
#[track_caller]
pub(crate) fn assert_close(expected: &[f32], found: &[f32], tolerance: f32) {
    assert_eq!(expected.len(), found.len());
    for (i, (e, f)) in expected.iter().zip(found).enumerate() {
        assert!((e - f).abs() <= tolerance, "at {i}: expected {e}, found {f}, tolerance {tolerance}");
    }
}

/// Compares a gradient with central differences of `loss`, along every axis of a short `x` and along a few directions of
/// any. `loss` should be computed in f64. The tolerance is relative to the gradient's length.
#[track_caller]
pub(crate) fn assert_gradient(x: &[f32], gradient: &[f32], tolerance: f64, loss: impl Fn(&[f32]) -> f64) {
    assert_eq!(x.len(), gradient.len());
    let length = gradient.iter().map(|g| f64::from(*g).powi(2)).sum::<f64>().sqrt().max(1e-3);
    let axes = x.len().min(24);
    let axis = |i: usize| -> Vec<f32> {
        let at = i * x.len() / axes.max(1);
        (0..x.len()).map(|j| f32::from(u8::from(j == at))).collect()
    };
    let directions = (0..axes).map(axis).chain((0..3).map(|seed| noise(x.len(), 900 + seed)));
    for direction in directions {
        let size = direction.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>().sqrt();
        let h = (4e-3 / size) as f32;
        let moved =
            |sign: f32| -> Vec<f32> { x.iter().zip(&direction).map(|(x, v)| x + sign * h * v).collect() };
        let (plus, minus) = (moved(1.0), moved(-1.0));
        // What was really moved, after rounding.
        let slope: f64 = plus
            .iter()
            .zip(&minus)
            .zip(gradient)
            .map(|((p, m), g)| (f64::from(*p) - f64::from(*m)) * f64::from(*g))
            .sum();
        let difference = loss(&plus) - loss(&minus);
        let error = (difference - slope).abs() / (2.0 * f64::from(h) * size);
        assert!(
            error <= tolerance * length,
            "slope {slope:e}, difference {difference:e}, gradient's length {length:e}"
        );
    }
}

/// Sum of the products of two slices, in f64: a loss whose gradient with respect to `y` is `dy`.
pub(crate) fn dot(y: &[f32], dy: &[f32]) -> f64 {
    assert_eq!(y.len(), dy.len());
    y.iter().zip(dy).map(|(y, dy)| f64::from(*y) * f64::from(*dy)).sum()
}
