//! Rows of the output over threads: first two source rows are mixed, then pairs of cells of the mixed row.

use rayon::prelude::*;

use super::{Corners, Tap, cuda, taps};
use crate::device::cuda::check_floats;
use crate::device::{BufferView, BufferViewMut, apart};
use crate::error::{Error, Result, check_len};
use crate::simd::dispatch;
use crate::threads::rows_per_task;

/// A resampling between two fixed sizes.
#[derive(Debug)]
pub struct Upsample {
    from: (usize, usize),
    c: usize,
    corners: Corners,
    rows: Vec<Tap>,
    cols: Vec<Tap>,
    /// One mixed row for each task.
    mixed: Vec<f32>,
}

impl Upsample {
    /// From (rows, columns) to (rows, columns), `c` channels.
    pub fn new(from: (usize, usize), to: (usize, usize), c: usize, corners: Corners) -> Self {
        let (rows, cols) = (taps(from.0, to.0, corners), taps(from.1, to.1, corners));
        Self { from, c, corners, rows, cols, mixed: Vec::new() }
    }

    /// Resamples `x` into `y`.
    ///
    /// # Errors
    /// When a length does not fit, there is nothing to resample, or operands live apart.
    pub fn run<'a>(&mut self, x: impl Into<BufferView<'a>>, y: impl Into<BufferViewMut<'a>>) -> Result<()> {
        let (x, y) = (x.into(), y.into());
        let line = self.from.1 * self.c;
        check_len("upsample", "x", self.from.0 * line, x.len())?;
        check_len("upsample", "y", self.rows.len() * self.cols.len() * self.c, y.len())?;
        if y.is_empty() {
            return Ok(());
        }
        if x.is_empty() {
            let expected = "a map of at least one cell".to_owned();
            return Err(Error::Shape { op: "upsample", expected, found: format!("{:?} cells", self.from) });
        }
        match (x, y) {
            (BufferView::Host(x), BufferViewMut::Host(y)) => self.run_on_host(x, y),
            (BufferView::Cuda(x), BufferViewMut::Cuda(y)) => {
                check_floats("upsample", &y, &[&x, y.as_slice()])?;
                let to = (self.rows.len(), self.cols.len());
                return cuda::upsample(x, self.from, to, self.c, self.corners, &y);
            }
            _ => return Err(apart("upsample")),
        }
        Ok(())
    }

    fn run_on_host(&mut self, x: &[f32], y: &mut [f32]) {
        let line = self.from.1 * self.c;
        let block = rows_per_task(self.rows.len(), 32);
        self.mixed.resize(self.rows.len().div_ceil(block) * line, 0.0);
        let (cols, c) = (&self.cols, self.c);
        y.par_chunks_mut(block * cols.len() * c)
            .zip(self.rows.par_chunks(block))
            .zip(self.mixed.par_chunks_mut(line))
            .for_each(|((y, rows), mixed)| {
                dispatch(
                    #[inline(always)]
                    || {
                        for (y, row) in y.chunks_exact_mut(cols.len() * c).zip(rows) {
                            let (low, high) = (&x[row.low * line..][..line], &x[row.high * line..][..line]);
                            lerp(low, high, row.t, mixed);
                            for (y, col) in y.chunks_exact_mut(c).zip(cols) {
                                lerp(&mixed[col.low * c..][..c], &mixed[col.high * c..][..c], col.t, y);
                            }
                        }
                    },
                );
            });
    }
}

#[inline(always)]
fn lerp(a: &[f32], b: &[f32], t: f32, y: &mut [f32]) {
    for ((y, a), b) in y.iter_mut().zip(a).zip(b) {
        *y = a * (1.0 - t) + b * t;
    }
}
