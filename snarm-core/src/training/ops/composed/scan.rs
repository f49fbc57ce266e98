//! The selective scan as a tree.
//!
//! A chain of `len` steps would be as many times a dozen small launches, forwards and again backwards, of some hundreds of
//! tokens. Two steps of h' = a h + b one after another are one of the same form, (a2 a1, a2 b1 + b2); so neighbours
//! are joined, the half as long recurrence is solved in the same way, and what it gives for every second token yields the
//! others. That is 2 len steps of work in 2 log2(len) rounds of few launches over all sequences, states and channels,
//! products of decays only (nothing is divided, so nothing overflows), and a gradient that candle finds by itself. Its
//! price is memory: candle keeps some twenty times (rows, n, d) until the gradient was taken.

use candle_core::{Result, Tensor, bail};

use super::super::{Scanned, width};
use super::softplus;

pub(in super::super) fn selective_scan(read: Scanned<'_>, len: usize) -> Result<Tensor> {
    let ((rows, d), n) = (read.u.dims2()?, read.a.dim(0)?);
    let Some(first) = width(read.bc).checked_sub(2 * n).filter(|_| len > 0 && rows.is_multiple_of(len))
    else {
        bail!(
            "selective_scan: expected sequences of {len} rows that end in B and C of {n}, found {:?} and {:?}",
            read.u.dims(),
            read.bc.dims()
        )
    };
    // (rows, n, 1)
    let per_state = |at: usize| read.bc.narrow(1, at, n)?.contiguous()?.unsqueeze(2);
    let (b, c) = (per_state(first)?, per_state(first + n)?);
    let delta = softplus(&read.delta.broadcast_add(read.bias)?)?;
    let decay = delta.unsqueeze(1)?.broadcast_mul(&read.a.unsqueeze(0)?)?.exp()?;
    let input = b.broadcast_mul(&(&delta * read.u)?.unsqueeze(1)?)?;
    let sequences = (rows / len, len, n * d);
    let states = recurrence(&decay.reshape(sequences)?, &input.reshape(sequences)?)?;
    let y = states.reshape((rows, n, d))?.broadcast_mul(&c)?.sum(1)?;
    let y = (y + read.u.broadcast_mul(read.skip)?)?;
    match read.z {
        Some(z) => y * z.silu()?,
        None => Ok(y),
    }
}

/// States h_t = a_t h_{t-1} + b_t of sequences (sequences, len, m), from h = 0.
fn recurrence(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    let (sequences, len, m) = b.dims3()?;
    if len == 1 {
        return Ok(b.clone());
    }
    if !len.is_multiple_of(2) {
        // What comes after the end is of no consequence.
        return recurrence(&a.pad_with_zeros(1, 0, 1)?, &b.pad_with_zeros(1, 0, 1)?)?.narrow(1, 0, len);
    }
    let pairs = |x: &Tensor| x.reshape((sequences, len / 2, 2, m));
    let (a, b) = (pairs(a)?, pairs(b)?);
    let half = |x: &Tensor, which: usize| x.narrow(2, which, 1)?.squeeze(2)?.contiguous();
    let (a1, b1, a2, b2) = (half(&a, 0)?, half(&b, 0)?, half(&a, 1)?, half(&b, 1)?);
    let second = recurrence(&(&a2 * &a1)?, &((&a2 * &b1)? + b2)?)?;
    let before = second.pad_with_zeros(1, 1, 0)?.narrow(1, 0, len / 2)?;
    let first = ((a1 * before)? + b1)?;
    Tensor::stack(&[first, second], 2)?.reshape((sequences, len, m))
}
