//! Sixteen queries of a head a warp, tiles of keys in shared memory.

use super::OP;
use crate::device::cuda::{Arg, Kernel, Slice, SliceMut, kernel};
use crate::error::{Error, Result};

const KERNEL: Kernel = kernel!("attention.ptx", "attention");

/// Channels of a head, queries of a block, its threads and its bytes of shared memory, as in the kernel.
const HEAD: usize = 64;
const QUERIES: usize = 64;
const THREADS: usize = 128;
const SHARED: usize = 3 * QUERIES * (HEAD + 8) * 2;

pub(super) fn attention(qkv: Slice<'_>, n: usize, heads: usize, y: &SliceMut<'_>) -> Result<()> {
    let mismatch =
        |expected: &str, found: String| Err(Error::Shape { op: OP, expected: expected.to_owned(), found });
    if n == 0 {
        return Ok(());
    }
    if !qkv.is_half() {
        return mismatch("qkv kept as bf16 on a device", "floats of 32 bits".to_owned());
    }
    let head = qkv.len() / (3 * n * heads);
    if head != HEAD {
        return mismatch("heads of 64 channels on a device", head.to_string());
    }
    let arguments = [qkv.arg(), y.arg(), Arg::size(n), Arg::size(heads), Arg::Int(i32::from(y.is_half()))];
    y.queue().launch(&KERNEL, [n.div_ceil(QUERIES), heads, 1], THREADS, SHARED, &arguments)
}
