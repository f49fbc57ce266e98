//! Gradients of the convolution. That of x is a convolution of dy with the taps turned by 180 degrees and channels
//! swapped; that of the weight is, for each tap, the sum of the outer products of the cells it met and dy.

use std::ops::Range;

use super::cpu::lay;
use super::{Kernel, OP, TAPS, Then, Workspace, conv3x3};
use crate::device::{BufferView, BufferViewMut};
use crate::error::{Result, check_len};
use crate::grid::Grid;
use crate::linear::bias_gradient;
use crate::outer;

/// The kernel that turns dy into the gradient of x, from a weight (c_out, c_in, 3, 3).
///
/// # Errors
/// When the weight is not a whole number of taps and channels.
pub fn transposed(weight: &[f32], c_out: usize) -> Result<Kernel> {
    let c_in = weight.len() / (c_out * TAPS).max(1);
    check_len(OP, "weight", c_out * c_in.max(1) * TAPS, weight.len())?;
    let mut turned = vec![0.0; weight.len()];
    for (i, taps) in weight.chunks_exact(TAPS).enumerate() {
        let to = &mut turned[(i % c_in * c_out + i / c_in) * TAPS..][..TAPS];
        to.iter_mut().zip(taps.iter().rev()).for_each(|(to, tap)| *to = *tap);
    }
    Kernel::new(&turned, vec![0.0; c_in])
}

/// Gradient of x: as [`conv3x3`], with the kernel of [`transposed`].
///
/// # Errors
/// As [`conv3x3`].
pub fn input_gradient<'a>(
    dy: impl Into<BufferView<'a>>,
    grid: Grid,
    transposed: &Kernel,
    dilation: usize,
    workspace: &mut Workspace,
    dx: impl Into<BufferViewMut<'a>>,
) -> Result<()> {
    conv3x3(dy, grid, transposed, dilation, Then::Store, workspace, dx)
}

/// Gradients of weight (c_out, c_in, 3, 3) and bias (c_out) of a convolution without anything fused in.
///
/// # Errors
/// When a length does not fit, or an operand lives on a device.
pub fn weight_gradient<'a>(
    x: impl Into<BufferView<'a>>,
    dy: impl Into<BufferView<'a>>,
    grid: Grid,
    dilation: usize,
    dweight: impl Into<BufferViewMut<'a>>,
    dbias: impl Into<BufferViewMut<'a>>,
) -> Result<()> {
    let (x, dy, dweight, dbias) =
        (x.into().host(OP)?, dy.into().host(OP)?, dweight.into().host(OP)?, dbias.into().host(OP)?);
    let c_out = dbias.len();
    let c_in = dweight.len() / (c_out * TAPS).max(1);
    check_len(OP, "gradient of the weight", c_out * c_in.max(1) * TAPS, dweight.len())?;
    let cells = dy.len() / c_out.max(1);
    check_len(OP, "dy", cells / grid.cells().max(1) * grid.cells() * c_out, dy.len())?;
    check_len(OP, "x", cells * c_in, x.len())?;
    if dbias.is_empty() {
        return Ok(());
    }
    // (9 c_in, c_out), rows by tap and then channel.
    let mut sums = vec![0.0; dweight.len()];
    let lay_part = |cell: usize, part: Range<usize>, to: &mut [f32]| {
        lay(x, grid, cell, c_in, dilation, |tap, values| {
            let own = tap * c_in..(tap + 1) * c_in;
            let (from, end) = (own.start.max(part.start), own.end.min(part.end));
            if from < end {
                let to = &mut to[from - part.start..end - part.start];
                match values {
                    Some(values) => to.copy_from_slice(&values[from - own.start..end - own.start]),
                    None => to.fill(0.0),
                }
            }
        });
    };
    outer::cpu::outer(cells, TAPS * c_in, lay_part, dy, c_out, &mut sums);
    for (row, sums) in sums.chunks_exact(c_out).enumerate() {
        for (out, sum) in sums.iter().enumerate() {
            dweight[(out * c_in + row % c_in) * TAPS + row / c_in] = *sum;
        }
    }
    bias_gradient(dy, dbias)
}
