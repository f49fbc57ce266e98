//! Largest mean over a window that slides over a map without padding: SNARM's image score (16 x 16 windows, stride 2).
//!
//! # Shapes
//! x (h, w) row-major -> one value. A map smaller than the window is averaged whole.
//! `peak`: x (n) -> the highest value, at least 0.

mod cpu;
mod cuda;
#[cfg(test)]
mod reference;
#[cfg(test)]
mod tests;

use crate::device::cuda::{check_floats, check_queue};
use crate::device::{Buffer, BufferView, BufferViewMut, apart};
use crate::error::{Error, Result, check_len};

/// The largest window mean and the peak of a map in the memory of a device, into two elements there. `scratch` has two words.
///
/// # Errors
/// As [`pooled_max`], or when operands live apart or on the host, or have another length.
pub fn scores_there(
    x: &Buffer,
    w: usize,
    window: usize,
    stride: usize,
    scratch: &mut Buffer<u32>,
    found: &mut Buffer,
) -> Result<()> {
    check_rows(x.len(), w)?;
    check_len("pooled_max", "scratch", 2, scratch.len())?;
    check_len("pooled_max", "found", 2, found.len())?;
    let (BufferView::Cuda(x), BufferViewMut::Cuda(scratch), BufferViewMut::Cuda(found)) =
        (x.view(), scratch.view_mut(), found.view_mut())
    else {
        return Err(apart("pooled_max"));
    };
    check_floats("pooled_max", &found, &[&x, found.as_slice()])?;
    check_queue("pooled_max", &found, &[scratch.as_slice()])?;
    cuda::scores(x, w, window.max(1), stride.max(1), &scratch, &found)
}

/// The largest window mean of `x`, which has `w` columns. `sums` is scratch that is kept between calls.
///
/// # Errors
/// When `x` is empty, not whole rows, or lives on a device, whose maps are measured by [`scores_there`].
pub fn pooled_max<'a>(
    x: impl Into<BufferView<'a>>,
    w: usize,
    window: usize,
    stride: usize,
    sums: &mut Vec<f64>,
) -> Result<f32> {
    let x = x.into().host("pooled_max")?;
    check_rows(x.len(), w)?;
    Ok(cpu::pooled_max(x, w, window.max(1), stride.max(1), sums))
}

/// The highest value of `x`, or 0 where all are lower.
///
/// # Errors
/// When x lives on a device.
pub fn peak<'a>(x: impl Into<BufferView<'a>>) -> Result<f32> {
    Ok(cpu::peak(x.into().host("peak")?))
}

fn check_rows(len: usize, w: usize) -> Result<()> {
    if len > 0 && w > 0 && len.is_multiple_of(w) {
        return Ok(());
    }
    let (expected, found) = (format!("whole rows of {w}, at least one"), format!("{len} elements"));
    Err(Error::Shape { op: "pooled_max", expected, found })
}
