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
