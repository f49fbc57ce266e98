//! Which precision serves a processor best.

use std::hint::black_box;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use super::f32::{RowBlock, Sink};
use super::{Panels, Precision, multiply};

/// How much faster bf16 has to be, since it is less exact.
const WORTH: u32 = 4;
const THAN: u32 = 3;

/// Rows, columns and inner dimension of the products that are timed: as in a small encoder.
const TIMED: [usize; 3] = [96, 128, 512];

/// The best of so many times counts.
const TRIES: usize = 7;

impl Precision {
    /// bf16 where products in it take at most three quarters of the time of those in f32, which some processors that have its
    /// instructions do not reach; else f32. Measured once a process, within some milliseconds.
    pub fn fastest() -> Self {
        static FASTEST: OnceLock<Precision> = OnceLock::new();
        *FASTEST.get_or_init(|| {
            if !Self::Bf16.is_available() {
                return Self::F32;
            }
            let (f32, bf16) = (timed(Self::F32), timed(Self::Bf16));
            if bf16 * WORTH <= f32 * THAN { Self::Bf16 } else { Self::F32 }
        })
    }
}

/// Throws sums away.
struct Nothing;

impl Sink for Nothing {
    #[inline(always)]
    fn take(&mut self, _: usize, _: usize, sums: &[f32]) {
        black_box(sums);
    }
}

/// The shortest time of a product in a precision.
fn timed(precision: Precision) -> Duration {
    let [m, n, k] = TIMED;
    let b = Panels::from_transposed(&vec![0.5; n * k], n, k).in_precision(precision);
    let a = vec![0.25; m * k];
    let block = RowBlock { data: &a, stride: k, n_rows: m };
    let once = || {
        let start = Instant::now();
        multiply(&block, black_box(&b), &mut Nothing);
        start.elapsed()
    };
    (0..TRIES).map(|_| once()).min().unwrap_or_default()
}
