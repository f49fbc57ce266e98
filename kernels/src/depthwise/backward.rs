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
    // A task is a map: the order of summation hangs on no number of threads.
    let (map, rows) = (height * width * c, size.rows() * size.row());
    let parts: Vec<Vec<Taps>> = g
        .par_chunks(map)
        .zip(bordered.par_chunks(rows))
        .map(|(g, x)| {
            let mut taps = vec![[[0.0; LANES]; MAX_SIDE]; padded(c) / LANES * side];
            dispatch(
                #[inline(always)]
                || match side {
                    3 => gather::<3>(x, g, size, c, side, &mut taps),
                    5 => gather::<5>(x, g, size, c, side, &mut taps),
                    7 => gather::<7>(x, g, size, c, side, &mut taps),
                    _ => gather::<MAX_SIDE>(x, g, size, c, side, &mut taps),
                },
            );
            taps
        })
        .collect();
    for part in &parts {
        for (at, taps) in part.iter().enumerate() {
            let (block, row) = (at / side, at % side);
            for (j, tap) in taps.iter().take(side).enumerate() {
                for (channel, v) in (block * LANES..c).zip(tap) {
                    weight[(channel * side + row) * side + j] += *v;
                }
            }
        }
    }
    Ok(weight)
}

/// Gradients of the taps of one row of the square, for one lane of channels.
type Taps = [[f32; LANES]; MAX_SIDE];

/// Adds the gradients of one map, line by line, so that the lines it meets stay in the nearest caches.
#[inline(always)]
fn gather<const SIDE: usize>(x: &[f32], g: &[f32], size: Bordered, c: usize, side: usize, taps: &mut [Taps]) {
    for (line, g) in g.chunks_exact(size.width * c).enumerate() {
        for (at, taps) in taps.iter_mut().enumerate() {
            let (from, row) = (at / side * LANES, at % side);
            let mut sums: [[f32; LANES]; SIDE] = std::array::from_fn(|j| taps[j]);
            let x = &x[(line + row) * size.row() + from..];
            add_line(x, &g[from..], size, c, LANES.min(c - from), &mut sums);
            taps[..SIDE].copy_from_slice(&sums);
        }
    }
}

/// Adds the products of one line of gradients and one of inputs. Taps beyond the side of the square read on in the next
/// cells, where there are any, and are not used.
#[inline(always)]
fn add_line<const SIDE: usize>(
    x: &[f32],
    g: &[f32],
    size: Bordered,
    c: usize,
    used: usize,
    sums: &mut [[f32; LANES]; SIDE],
) {
    for col in 0..size.width {
        let g = &g[col * c..];
        let mut short = [0.0; LANES];
        let cell: &[f32; LANES] = match g.first_chunk() {
            Some(cell) if used == LANES => cell,
            _ => {
                short[..used].copy_from_slice(&g[..used]);
                &short
            }
        };
        for (j, sum) in sums.iter_mut().enumerate() {
            let x = lanes(x.get((col + j) * size.stride..).unwrap_or_default());
            for ((sum, x), g) in sum.iter_mut().zip(x).zip(cell) {
                *sum += x * g;
            }
        }
    }
}
