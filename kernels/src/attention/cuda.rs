//! Sixteen queries of a head a warp, tiles of keys in shared memory.

use super::OP;
use crate::device::cuda::{Arg, Kernel, Slice, SliceMut, check_half, kernel};
use crate::error::{Error, Result};

const KERNEL: Kernel = kernel!("attention.ptx", "attention");

/// Channels of a head, queries of a block, its threads and its bytes of shared memory, as in the kernel.
const HEAD: usize = 64;
const QUERIES: usize = 64;
const THREADS: usize = 128;
const SHARED: usize = 3 * QUERIES * (HEAD + 8) * 2;

pub(super) fn attention(qkv: Slice<'_>, n: usize, heads: usize, y: &SliceMut<'_>) -> Result<()> {
    if n == 0 {
        return Ok(());
    }
    check_half(OP, "qkv", &qkv)?;
    let head = qkv.len() / (3 * n * heads);
    if head != HEAD {
        let expected = format!("heads of {HEAD} channels on a device");
        return Err(Error::Shape { op: OP, expected, found: head.to_string() });
    }
    let arguments = [qkv.arg(), y.arg(), Arg::size(n), Arg::size(heads), Arg::Int(i32::from(y.is_half()))];
    y.queue().launch(&KERNEL, [n.div_ceil(QUERIES), heads, 1], THREADS, SHARED, &arguments)
}
