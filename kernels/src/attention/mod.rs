//! Multi-head self-attention after the joint projection: softmax(Q K^T / sqrt(d)) V for each head.
//!
//! # Shapes
//! qkv (n, 3 * heads * d) row-major, each row \[q | k | v\], each of those \[head\]\[d\]; y (n, heads * d).

mod cpu;
#[cfg(test)]
mod reference;
#[cfg(test)]
mod tests;

pub use cpu::Workspace;

use crate::error::{Error, Result, check_len};

/// Attends within one sequence. `workspace` grows at the first call and is kept.
///
/// # Errors
/// When there are no heads, the row length of `qkv` is no multiple of three times their number, or y has another size than one third.
pub fn attention(
    qkv: &[f32],
    n: usize,
    heads: usize,
    workspace: &mut Workspace,
    y: &mut [f32],
) -> Result<()> {
    let width = qkv.len() / n.max(1);
    if width * n != qkv.len() || heads == 0 || !width.is_multiple_of(3 * heads) {
        let expected = format!("qkv of {n} rows, each a multiple of 3 x {heads}");
        return Err(Error::Shape { op: "attention", expected, found: format!("{} elements", qkv.len()) });
    }
    check_len("attention", "y", qkv.len() / 3, y.len())?;
    cpu::attention(qkv, n, heads, workspace, y);
    Ok(())
}
