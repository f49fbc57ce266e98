//! Row blocks over threads, tiles within a block.

use rayon::prelude::*;

use super::Then;
use crate::math::gelu_all;
use crate::threads::rows_per_task;
use crate::tile::{Panels, RowBlock, Sink, multiply};

/// Rows of x that stay in the second-level cache while the weights pass by.
const MAX_BLOCK: usize = 192;

pub(super) fn linear(x: &[f32], w: &Panels, bias: &[f32], then: Then, y: &mut [f32]) {
    let (k, n) = (w.k(), w.n());
    if x.is_empty() || n == 0 {
        return;
    }
    let block = rows_per_task(x.len() / k, MAX_BLOCK);
    y.par_chunks_mut(block * n).zip(x.par_chunks(block * k)).for_each(|(y, x)| rows_of(x, w, bias, then, y));
}

/// The layer of some rows, on the thread that calls.
pub(crate) fn rows_of(x: &[f32], w: &Panels, bias: &[f32], then: Then, y: &mut [f32]) {
    let (k, n) = (w.k(), w.n());
    let a = RowBlock { data: x, stride: k, n_rows: x.len() / k };
    match then {
        Then::Store => multiply(&a, w, &mut Store { y, n, bias }),
        Then::Gelu => {
            multiply(&a, w, &mut Store { y, n, bias });
            gelu_all(w.isa(), y);
        }
        Then::Relu6 => multiply(&a, w, &mut Relu6 { y, n, bias }),
        Then::Add => multiply(&a, w, &mut Add { y, n, bias }),
    }
}

macro_rules! sink {
    ($name:ident, |$y:ident, $value:ident| $body:expr) => {
        struct $name<'a> {
            y: &'a mut [f32],
            n: usize,
            bias: &'a [f32],
        }

        impl Sink for $name<'_> {
            #[inline(always)]
            fn take(&mut self, row: usize, col: usize, sums: &[f32]) {
                let y = &mut self.y[row * self.n + col..][..sums.len()];
                for (($y, sum), bias) in y.iter_mut().zip(sums).zip(&self.bias[col..]) {
                    let $value = sum + bias;
                    *$y = $body;
                }
            }
        }
    };
}

sink!(Store, |y, value| value);
sink!(Relu6, |y, value| value.clamp(0.0, 6.0));
sink!(Add, |y, value| *y + value);
