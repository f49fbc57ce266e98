//! Derivatives of the layer, for training: of x, G W; of b, the sum of the rows of G. That of W is [`crate::outer`].

use rayon::prelude::*;

use super::{Then, cpu};
use crate::device::{BufferView, BufferViewMut};
use crate::error::{Result, check_len};
use crate::simd::dispatch;
use crate::threads::add_parts;
use crate::tile::Panels;

/// Rows of a task: a fixed number, so that the sums do not hang on the number of threads.
const ROWS: usize = 512;

/// Gradient of x (m, k), for a weight (n, k) and the gradient `g` (m, n) of y.
///
/// # Errors
/// When a length does not fit, or an operand lives on a device.
pub fn input_gradient<'a>(
    g: impl Into<BufferView<'a>>,
    weight: impl Into<BufferView<'a>>,
    n: usize,
    k: usize,
    dx: impl Into<BufferViewMut<'a>>,
) -> Result<()> {
    const OP: &str = "input_gradient";
    let (g, weight, dx) = (g.into().host(OP)?, weight.into().host(OP)?, dx.into().host(OP)?);
    check_len(OP, "weight", n * k, weight.len())?;
    let m = g.len() / n.max(1);
    check_len(OP, "gradient", m * n, g.len())?;
    check_len(OP, "dx", m * k, dx.len())?;
    cpu::linear(g, &Panels::from_rows(weight, n, k), &vec![0.0; k], Then::Store, dx);
    Ok(())
}

/// Gradient of the bias (n) of this layer or of any other that adds one to each row, for the gradient `g` (m, n) of y.
///
/// # Errors
/// When g is no whole rows, or an operand lives on a device.
pub fn bias_gradient<'a>(g: impl Into<BufferView<'a>>, dbias: impl Into<BufferViewMut<'a>>) -> Result<()> {
    const OP: &str = "bias_gradient";
    let (g, dbias) = (g.into().host(OP)?, dbias.into().host(OP)?);
    let n = dbias.len();
    let rows = g.len() / n.max(1);
    check_len(OP, "gradient", rows * n, g.len())?;
    if g.is_empty() {
        dbias.fill(0.0);
        return Ok(());
    }
    let mut parts = vec![0.0; rows.div_ceil(ROWS) * n];
    parts.par_chunks_mut(n).zip(g.par_chunks(ROWS * n)).for_each(|(sums, g)| {
        dispatch(
            #[inline(always)]
            || {
                for row in g.chunks_exact(n) {
                    sums.iter_mut().zip(row).for_each(|(sum, v)| *sum += v);
                }
            },
        );
    });
    add_parts(&parts, dbias);
    Ok(())
}
