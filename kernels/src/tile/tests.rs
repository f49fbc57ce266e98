use proptest::prelude::*;

use super::precision::{pair, unpaired};
use super::*;
use crate::simd::isa;
use crate::skip::skip;
use crate::testing::noise;

/// Keeps all sums.
struct Keep {
    n: usize,
    y: Vec<f32>,
}

impl Sink for Keep {
    fn take(&mut self, row: usize, col: usize, sums: &[f32]) {
        self.y[row * self.n + col..][..sums.len()].copy_from_slice(sums);
    }
}

fn product(a: &[f32], stride: usize, m: usize, b: &Panels) -> Vec<f32> {
    let mut keep = Keep { n: b.n(), y: vec![f32::NAN; m * b.n()] };
    multiply(&RowBlock { data: a, stride, n_rows: m }, b, &mut keep);
    keep.y
}

/// Says so where the level in use does not multiply in bf16.
fn lacks_bf16() -> bool {
    let lacks = !Precision::Bf16.is_available();
    if lacks {
        skip("bf16", format!("the level in use is {}", isa().name()));
    }
    lacks
}

/// The value that bf16 rounds to.
fn rounded(value: f32) -> f64 {
    f64::from(unpaired(pair(value, 0.0))[0])
}

#[test]
fn numbers_are_rounded_to_the_nearest_and_of_two_to_the_even_one() {
    let near = 2.0_f32.powi(-8);
    for (value, expected) in [
        (1.0, 1.0),
        (-1.5, -1.5),
        // Half of the way to 1 + 2^-7, and a little more.
        (1.0 + near, 1.0),
        (1.0 + near * 1.01, 1.0 + 2.0 * near),
        // Half of the way from an odd one.
        (1.0 + 3.0 * near, 1.0 + 4.0 * near),
        (0.0, 0.0),
        (f32::INFINITY, f32::INFINITY),
        (f32::MAX, f32::INFINITY),
    ] {
        assert_eq!(rounded(value), f64::from(expected), "{value}");
        assert_eq!(unpaired(pair(0.25, value)), [0.25, expected]);
    }
    assert!(rounded(f32::NAN).is_nan());
}

#[test]
fn a_matrix_comes_back_as_it_was_packed() {
    for (n, k) in [(1, 1), (33, 7), (64, 32), (5, 129)] {
        let rows = noise(n * k, 1);
        let panels = Panels::from_transposed(&rows, n, k);
        assert_eq!(panels.to_transposed(), rows);
        let half = panels.in_precision(Precision::Bf16);
        let expected: Vec<f32> = match half.precision() {
            Precision::F32 => rows,
            Precision::Bf16 => rows.iter().map(|value| rounded(*value) as f32).collect(),
        };
        assert_eq!(half.to_transposed(), expected);
        assert_eq!(half.in_precision(Precision::F32).to_transposed(), expected);
    }
}

#[test]
fn f32_is_at_every_level() {
    assert!(Precision::F32.is_available());
    assert_eq!(Precision::ALL.map(Precision::name), ["f32", "bf16"]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn products_in_bf16_are_those_of_rounded_numbers(
        m in 1_usize..80,
        n in 1_usize..80,
        k in 1_usize..200,
        apart in 0_usize..5,
        seed: u64,
    ) {
        if lacks_bf16() {
            return Ok(());
        }
        let stride = k + apart;
        let (a, w) = (noise(m * stride, seed), noise(n * k, seed ^ 1));
        let panels = Panels::from_transposed(&w, n, k).in_precision(Precision::Bf16);
        prop_assert_eq!(panels.precision(), Precision::Bf16);
        let found = product(&a, stride, m, &panels);
        for (row, found) in found.chunks_exact(n).enumerate() {
            for (col, found) in found.iter().enumerate() {
                let terms = (0..k).map(|i| rounded(a[row * stride + i]) * rounded(w[col * k + i]));
                let (mut sum, mut size) = (0.0, 0.0);
                terms.for_each(|term| (sum, size) = (sum + term, size + term.abs()));
                prop_assert!((f64::from(*found) - sum).abs() <= 1e-5 * size + 1e-30, "{found} {sum}");
            }
        }
    }
}

#[test]
fn blocks_of_more_rows_than_a_thread_keeps_are_multiplied_in_turns() {
    if lacks_bf16() {
        return;
    }
    // 43 rows of 3072 pairs fit: 36 whole tiles.
    let (m, n, k) = (100, 40, 6144);
    let (a, w) = (noise(m * k, 3), noise(n * k, 4));
    let half = Panels::from_transposed(&w, n, k).in_precision(Precision::Bf16);
    let found = product(&a, k, m, &half);
    for row in 0..m {
        assert_eq!(product(&a[row * k..], k, 1, &half), found[row * n..][..n], "{row}");
    }
}
