//! Both passes add whole rows scaled by a tap: down the columns other rows of the map, along the rows a padded copy
//! of the row itself, shifted.

use rayon::prelude::*;

use super::cuda::There;
use super::{reflect, taps};
use crate::device::{BufferViewMut, Place};
use crate::error::{Result, check_len};
use crate::simd::dispatch;
use crate::threads::rows_per_task;

/// A blur of maps of one size.
#[derive(Debug)]
pub struct Blur {
    h: usize,
    w: usize,
    taps: Vec<f32>,
    down: Vec<f32>,
    padded: Vec<f32>,
    there: Option<There>,
}

impl Blur {
    /// For maps of `h` rows and `w` columns. With a sigma of 0 or less they stay as they are.
    pub fn new(h: usize, w: usize, sigma: f64) -> Self {
        let taps: Vec<f32> = taps(sigma).iter().map(|t| *t as f32).collect();
        Self { h, w, taps, down: vec![0.0; h * w], padded: Vec::new(), there: None }
    }

    /// Blurs `x` in place.
    ///
    /// # Errors
    /// When `x` is not a map of the size given, or its device lacks the memory for another.
    pub fn run<'a>(&mut self, x: impl Into<BufferViewMut<'a>>) -> Result<()> {
        let x = x.into();
        check_len("blur", "map", self.h * self.w, x.len())?;
        match x {
            BufferViewMut::Host([]) => Ok(()),
            BufferViewMut::Host(x) => {
                self.run_on_host(x);
                Ok(())
            }
            BufferViewMut::Cuda(x) => {
                let there = match self.there.take() {
                    Some(there) => there,
                    None => There::new(&Place::Cuda(x.queue().clone()), &self.taps, x.len())?,
                };
                self.there.insert(there).run(&x, self.h, self.w)
            }
        }
    }

    fn run_on_host(&mut self, x: &mut [f32]) {
        let (h, w, taps) = (self.h, self.w, &self.taps);
        let block = rows_per_task(h, 32);
        let source: &[f32] = x;
        self.down.par_chunks_mut(block * w).enumerate().for_each(|(b, rows)| {
            dispatch(
                #[inline(always)]
                || {
                    for (i, out) in rows.chunks_exact_mut(w).enumerate() {
                        let centre = (b * block + i) as isize;
                        let row = |offset: isize| &source[reflect(centre + offset, h) * w..][..w];
                        convolve(taps, row, out);
                    }
                },
            );
        });

        let (down, radius) = (&self.down, taps.len() - 1);
        let line = w + 2 * radius;
        self.padded.resize(h.div_ceil(block) * line, 0.0);
        x.par_chunks_mut(block * w)
            .zip(down.par_chunks(block * w))
            .zip(self.padded.par_chunks_mut(line))
            .for_each(|((out, rows), padded)| {
                dispatch(
                    #[inline(always)]
                    || {
                        for (out, row) in out.chunks_exact_mut(w).zip(rows.chunks_exact(w)) {
                            for (i, p) in padded.iter_mut().enumerate() {
                                *p = row[reflect(i as isize - radius as isize, w)];
                            }
                            convolve(taps, |offset| &padded[(radius as isize + offset) as usize..][..w], out);
                        }
                    },
                );
            });
    }
}

/// out = sum over taps of the rows `at(offset)`, smallest weights first, which keeps the rounding small.
#[inline(always)]
fn convolve<'a>(taps: &[f32], at: impl Fn(isize) -> &'a [f32], out: &mut [f32]) {
    out.fill(0.0);
    for (offset, tap) in taps.iter().enumerate().skip(1).rev() {
        let (before, after) = (at(-(offset as isize)), at(offset as isize));
        for ((out, a), b) in out.iter_mut().zip(before).zip(after) {
            *out += tap * (a + b);
        }
    }
    for (out, centre) in out.iter_mut().zip(at(0)) {
        *out += taps[0] * centre;
    }
}
