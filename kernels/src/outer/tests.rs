use proptest::prelude::*;

use super::*;
use crate::testing::{assert_close, noise};

fn check(rows: usize, m: usize, n: usize) {
    let (a, b) = (noise(rows * m, 1), noise(rows * n, 2));
    let (mut expected, mut found) = (vec![0.0; m * n], vec![f32::NAN; m * n]);
    reference::outer(&a, m, &b, n, &mut expected);
    outer(&a, m, &b, n, &mut found).unwrap();
    assert_close(&expected, &found, 2e-6 * (rows as f32).sqrt().max(1.0));
}

proptest! {
    #[test]
    fn agrees_with_the_reference(rows in 0_usize..60, m in 1_usize..40, n in 1_usize..70) {
        check(rows, m, n);
    }
}

#[test]
fn agrees_with_the_reference_over_many_blocks() {
    check(2_000, 33, 65);
    check(257, 128, 8);
}

#[test]
fn the_number_of_threads_does_not_show() {
    let (rows, m, n) = (700, 50, 40);
    let (a, b) = (noise(rows * m, 1), noise(rows * n, 2));
    let on = |threads: usize| {
        let mut y = vec![f32::NAN; m * n];
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| outer(&a, m, &b, n, &mut y)).unwrap();
        y
    };
    let one = on(1);
    for threads in [2, 3, 7] {
        assert!(one == on(threads), "{threads} threads");
    }
}

#[test]
fn wrong_lengths_are_refused() {
    assert!(outer(&[0.0; 6], 2, &[0.0; 6], 2, &mut [0.0; 4]).is_ok());
    assert!(outer(&[0.0; 6], 2, &[0.0; 4], 2, &mut [0.0; 4]).is_err());
    assert!(outer(&[0.0; 6], 0, &[0.0; 4], 2, &mut [0.0; 4]).is_err());
}
