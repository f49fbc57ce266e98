//! The derivative by the taps; the one by x is the same convolution with the taps turned around, and the one by the bias
//! a sum over cells.

use rayon::prelude::*;

use super::cpu::{Bordered, Workspace, lanes};
use super::{LANES, OP, check_maps, padded};
use crate::error::{Error, Result, check_len};
use crate::simd::dispatch;

/// Longest side of a square of taps whose gradient can be taken.
const MAX_SIDE: usize = 15;

/// Gradient of the weight (c, side, side) for the input `x` and the gradient `g` of the output, both
/// (maps, height, width, c).
///
/// # Errors
/// When x is no whole maps, g has another size, or the side is even or above 15.
pub fn depthwise_weight_gradient(
    x: &[f32],
    g: &[f32],
    height: usize,
    width: usize,
    c: usize,
    side: usize,
    workspace: &mut Workspace,
) -> Result<Vec<f32>> {
    check_maps(x, height, width, c)?;
    check_len(OP, "gradient", x.len(), g.len())?;
    if side.is_multiple_of(2) || side > MAX_SIDE {
        let expected = format!("an odd side up to {MAX_SIDE}");
        return Err(Error::Shape { op: OP, expected, found: side.to_string() });
    }
    let mut weight = vec![0.0; c * side * side];
    if x.is_empty() {
        return Ok(weight);
    }
    let size = Bordered::new(height, width, c, side);
    let bordered = workspace.border(x, size, c);
    // One task for each lane of channels and row of taps: the order of summation hangs on no number of threads.
    let tasks: Vec<(usize, usize)> =
        (0..padded(c) / LANES).flat_map(|block| (0..side).map(move |row| (block, row))).collect();
    let sums: Vec<[[f32; LANES]; MAX_SIDE]> = tasks
        .par_iter()
        .map(|&(block, row)| {
            dispatch(
                #[inline(always)]
                || match side {
                    3 => tap_row::<3>(bordered, g, size, c, block * LANES, row),
                    5 => tap_row::<5>(bordered, g, size, c, block * LANES, row),
                    7 => tap_row::<7>(bordered, g, size, c, block * LANES, row),
                    _ => tap_row::<MAX_SIDE>(bordered, g, size, c, block * LANES, row),
                },
            )
        })
        .collect();
    for (&(block, row), sums) in tasks.iter().zip(&sums) {
        for (j, sum) in sums.iter().take(side).enumerate() {
            for (channel, sum) in (block * LANES..c).zip(sum) {
                weight[(channel * side + row) * side + j] = *sum;
            }
        }
    }
    Ok(weight)
}

/// Gradients of the taps of one row of the square, for one lane of channels. Taps beyond the side of the square read
/// on in the next cells, where there are any, and are not used.
#[inline(always)]
fn tap_row<const SIDE: usize>(
    x: &[f32],
    g: &[f32],
    size: Bordered,
    c: usize,
    from: usize,
    row: usize,
) -> [[f32; LANES]; MAX_SIDE] {
    let used = LANES.min(c - from);
    let mut sums = [[0.0; LANES]; SIDE];
    for (at, g) in g.chunks_exact(size.width * c).enumerate() {
        let (map, line) = (at / size.height, at % size.height);
        let x = &x[(map * size.rows() + line + row) * size.row() + from..];
        for (col, g) in g.chunks_exact(c).enumerate() {
            let mut cell = [0.0; LANES];
            cell[..used].copy_from_slice(&g[from..from + used]);
            for (j, sum) in sums.iter_mut().enumerate() {
                let x = lanes(x.get((col + j) * size.stride..).unwrap_or_default());
                for ((sum, x), g) in sum.iter_mut().zip(x).zip(&cell) {
                    *sum += x * g;
                }
            }
        }
    }
    let mut all = [[0.0; LANES]; MAX_SIDE];
    all[..SIDE].copy_from_slice(&sums);
    all
}
