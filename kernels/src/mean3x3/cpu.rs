//! Rows of the output over threads; a row adds up to nine cells, whole cells at a time.

use rayon::prelude::*;

use crate::simd::dispatch;

pub(super) fn mean3x3(x: &[f32], [height, width]: [usize; 2], c: usize, y: &mut [f32]) {
    y.par_chunks_mut(width * c).enumerate().for_each(|(at, y)| {
        let (first, row) = (at - at % height, at % height);
        let rows = first + row.saturating_sub(1)..first + (row + 2).min(height);
        dispatch(
            #[inline(always)]
            || {
                for (col, y) in y.chunks_exact_mut(c).enumerate() {
                    let cols = col.saturating_sub(1)..(col + 2).min(width);
                    y.fill(0.0);
                    for row in rows.clone() {
                        for x in x[(row * width + cols.start) * c..][..cols.len() * c].chunks_exact(c) {
                            y.iter_mut().zip(x).for_each(|(y, x)| *y += x);
                        }
                    }
                    let share = 1.0 / (rows.len() * cols.len()) as f32;
                    y.iter_mut().for_each(|y| *y *= share);
                }
            },
        );
    });
}
