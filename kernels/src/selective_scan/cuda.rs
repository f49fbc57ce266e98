//! Eight channels of a sequence a block, its threads side by side along the tokens.

use super::{OP, Parameters, Tokens};
use crate::device::cuda::{Arg, Kernel, Slice, SliceMut, kernel};
use crate::error::{Error, Result};

/// For exactly so many states, and for at most so many.
const FEW: (Kernel, usize) = (kernel!("selective_scan.ptx", "selective_scan_4"), 4);
const MANY: (Kernel, usize) = (kernel!("selective_scan.ptx", "selective_scan_16"), 16);

/// Channels of a block and chunks of its sequence, as in the kernel.
const CHANNELS: usize = 8;
const CHUNKS: usize = 64;

pub(super) fn selective_scan(
    tokens: Tokens<Slice<'_>>,
    parameters: Parameters<Slice<'_>>,
    [len, d, n]: [usize; 3],
    states: &SliceMut<'_>,
    y: &SliceMut<'_>,
) -> Result<()> {
    if n > MANY.1 {
        let expected = format!("at most {} states on a device", MANY.1);
        return Err(Error::Shape { op: OP, expected, found: n.to_string() });
    }
    let rows = y.len() / d.max(1);
    if rows == 0 {
        return Ok(());
    }
    let (kernel, kept) = if n == FEW.1 { &FEW } else { &MANY };
    let shared = 2 * CHUNKS * CHANNELS * kept * size_of::<f32>();
    let [length, channels, n, width, layers] =
        [len, d, n, tokens.bc.len() / rows, parameters.skip.len() / d].map(Arg::size);
    let [u_half, y_half] = [tokens.u.is_half(), y.is_half()].map(|half| Arg::Int(i32::from(half)));
    let Parameters { a, skip, bias } = parameters;
    let arguments = [
        tokens.u.arg(),
        u_half,
        tokens.delta.arg(),
        tokens.bc.arg(),
        tokens.z.map_or(Arg::Address(0), |z| z.arg()),
        a.arg(),
        skip.arg(),
        bias.arg(),
        states.arg(),
        y.arg(),
        length,
        channels,
        n,
        width,
        layers,
        y_half,
    ];
    y.queue().launch(kernel, [d.div_ceil(CHANNELS), rows / len, 1], CHANNELS * CHUNKS, shared, &arguments)
}
