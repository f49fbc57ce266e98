//! Multi-head self-attention after the joint projection: softmax(Q K^T / sqrt(d)) V for each head.
//!
//! # Shapes
//! qkv (n, 3 * heads * d) row-major, each row \[q | k | v\], each of those \[head\]\[d\]; y (n, heads * d).
//!
//! A device multiplies bf16 and adds up in f32: qkv is kept as bf16 there ([`Buffer::of_products`]), y may be, d is 64.
//!
//! [`Buffer::of_products`]: crate::device::Buffer::of_products

mod cpu;
mod cuda;
#[cfg(test)]
mod reference;
#[cfg(test)]
mod tests;

pub use cpu::Workspace;

use crate::device::cuda::check_queue;
use crate::device::{BufferView, BufferViewMut, apart};
use crate::error::{Error, Result, check_len};

/// What errors call it.
const OP: &str = "attention";

/// Attends within one sequence. `workspace` grows at the first call on the host and is kept.
///
/// # Errors
/// When there are no heads, the row length of `qkv` is no multiple of three times their number, or y has another size than one
/// third; when operands live apart, or a device does not have qkv as bf16 with heads of 64 channels.
pub fn attention<'a>(
    qkv: impl Into<BufferView<'a>>,
    n: usize,
    heads: usize,
    workspace: &mut Workspace,
    y: impl Into<BufferViewMut<'a>>,
) -> Result<()> {
    let (qkv, y) = (qkv.into(), y.into());
    let width = qkv.len() / n.max(1);
    if width * n != qkv.len() || heads == 0 || !width.is_multiple_of(3 * heads) {
        let expected = format!("qkv of {n} rows, each a multiple of 3 x {heads}");
        return Err(Error::Shape { op: OP, expected, found: format!("{} elements", qkv.len()) });
    }
    check_len(OP, "y", qkv.len() / 3, y.len())?;
    match (qkv, y) {
        (BufferView::Host(qkv), BufferViewMut::Host(y)) => {
            cpu::attention(qkv, n, heads, workspace, y);
            Ok(())
        }
        (BufferView::Cuda(qkv), BufferViewMut::Cuda(y)) => {
            check_queue(OP, &y, &[&qkv])?;
            cuda::attention(qkv, n, heads, &y)
        }
        _ => Err(apart(OP)),
    }
}
