//! The derivative by the taps; the one by x is the same convolution with the taps turned around, and the one by the bias
//! a sum over cells.

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::cpu::{Bordered, Workspace, vectors};
use super::{Cell, LANES, check_maps};
use crate::device::BufferView;
use crate::error::{Error, Result, check_len};
use crate::simd::{mul_add, with_simd};

/// Longest side of a square of taps whose gradient can be taken.
const MAX_SIDE: usize = 15;

/// Gradient of the weight (c, side, side) for the input `x` and the gradient `g` of the output, both
/// (maps, height, width, c).
///
/// # Errors
/// When x is no whole maps, g has another size, the side is even or above 15, or an operand lives on a device.
pub fn depthwise_weight_gradient<'a>(
    x: impl Into<BufferView<'a>>,
    g: impl Into<BufferView<'a>>,
    height: usize,
    width: usize,
    c: usize,
    side: usize,
    workspace: &mut Workspace,
) -> Result<Vec<f32>> {
    const OP: &str = "depthwise_weight_gradient";
    let (x, g) = (x.into().host(OP)?, g.into().host(OP)?);
    check_maps(x.len(), height, width, c)?;
    check_len(OP, "gradient", x.len(), g.len())?;
    if side.is_multiple_of(2) || side > MAX_SIDE {
        let expected = format!("an odd side up to {MAX_SIDE}");
        return Err(Error::Shape { op: OP, expected, found: side.to_string() });
    }
    let mut weight = vec![0.0; c * side * side];
    if x.is_empty() {
        return Ok(weight);
    }
    let size = Bordered::new([height, width], c, side, 1);
    let bordered = workspace.border(x, size, c);
    // A task is a map: the order of summation hangs on no number of threads.
    let (map, with_border) = (height * width * c, size.blocks * size.block());
    let parts: Vec<Vec<Taps>> = g
        .par_chunks(map)
        .zip(bordered.par_chunks(with_border))
        .map(|(g, x)| {
            let mut taps = vec![[[0.0; LANES]; MAX_SIDE]; size.blocks * side];
            with_simd(Gather { x, g, size, c, side, taps: &mut taps });
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
type Taps = [Cell; MAX_SIDE];

/// Adds the gradients of one map, line by line, so that the lines it meets stay in the nearest caches.
struct Gather<'a> {
    x: &'a [Cell],
    g: &'a [f32],
    size: Bordered,
    c: usize,
    side: usize,
    taps: &'a mut [Taps],
}

impl WithSimd for Gather<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        match self.side {
            3 => self.run::<S, 3>(simd),
            5 => self.run::<S, 5>(simd),
            7 => self.run::<S, 7>(simd),
            _ => self.run::<S, MAX_SIDE>(simd),
        }
    }
}

impl Gather<'_> {
    #[inline(always)]
    fn run<S: Simd, const SIDE: usize>(self, simd: S) {
        let (size, c) = (self.size, self.c);
        // Gradients of a line, in blocks of channels.
        let mut line = vec![[0.0; LANES]; size.blocks * size.width];
        for (at, g) in self.g.chunks_exact(size.width * c).enumerate() {
            for (cell, g) in g.chunks_exact(c).enumerate() {
                for (block, g) in g.chunks(LANES).enumerate() {
                    line[block * size.width + cell][..g.len()].copy_from_slice(g);
                }
            }
            for (tap, taps) in self.taps.iter_mut().enumerate() {
                let (block, row) = (tap / self.side, tap % self.side);
                let x = &self.x[block * size.block() + (at + row) * size.row()..];
                let g = &line[block * size.width..][..size.width];
                for part in 0..LANES / S::F32_LANES {
                    add_line::<S, SIDE>(simd, x, g, part, taps);
                }
            }
        }
    }
}

/// Adds the products of one line of gradients and one of inputs, for one vector of channels. Taps beyond the side of the
/// square read on in the next cells, where there are any, and are not used.
#[inline(always)]
fn add_line<S: Simd, const SIDE: usize>(simd: S, x: &[Cell], g: &[Cell], part: usize, taps: &mut Taps) {
    let zero = [0.0; LANES];
    let mut sums = [simd.splat_f32s(0.0); SIDE];
    for (col, g) in g.iter().enumerate() {
        let g = vectors::<S>(g)[part];
        for (j, sum) in sums.iter_mut().enumerate() {
            *sum = mul_add(simd, vectors::<S>(x.get(col + j).unwrap_or(&zero))[part], g, *sum);
        }
    }
    for (sum, tap) in sums.into_iter().zip(taps) {
        let out = &mut S::as_mut_simd_f32s(tap).0[part];
        *out = simd.add_f32s(*out, sum);
    }
}
