//! Derivatives of the layer, for training: of x, G W; of W, the transpose of G times X; of b, the sum of the rows of G.

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::{Then, cpu};
use crate::aligned::Aligned;
use crate::error::{Result, check_len};
use crate::simd::{dispatch, isa, mul_add, with_simd};
use crate::tile::{MAX_COLS, Panels, tile_cols, tile_rows};

/// Rows of a batch that are summed at a time: the panel made of them stays in the second-level cache.
const ROWS: usize = 512;

/// Gradient of x (m, k), for a weight (n, k) and the gradient `g` (m, n) of y.
///
/// # Errors
/// When a length does not fit.
pub fn input_gradient(g: &[f32], weight: &[f32], n: usize, k: usize, dx: &mut [f32]) -> Result<()> {
    check_len("linear", "weight", n * k, weight.len())?;
    let m = g.len() / n.max(1);
    check_len("linear", "gradient", m * n, g.len())?;
    check_len("linear", "dx", m * k, dx.len())?;
    let mut panels = Panels::default();
    panels.pack(n, k, |row, col| weight[row * k + col]);
    cpu::linear(g, &panels, &vec![0.0; k], Then::Store, dx);
    Ok(())
}

/// Gradient of the weight (n, k), for the input `x` (m, k) and the gradient `g` (m, n) of y.
///
/// # Errors
/// When a length does not fit.
pub fn weight_gradient(g: &[f32], x: &[f32], n: usize, k: usize) -> Result<Vec<f32>> {
    let m = g.len() / n.max(1);
    check_len("linear", "gradient", m * n, g.len())?;
    check_len("linear", "x", m * k, x.len())?;
    if m * n * k == 0 {
        return Ok(vec![0.0; n * k]);
    }
    let cols = tile_cols(isa());
    let rows = tile_rows(isa());
    // Gradients of as many outputs as a tile has rows lie together, or every step would miss the nearest cache.
    let wide = n.next_multiple_of(rows);
    let mut turned = Aligned::default();
    turned.resize(m * wide);
    turned.par_chunks_mut(ROWS * wide).zip(g.par_chunks((ROWS * n).max(1))).for_each(|(turned, g)| {
        let steps = g.len() / n;
        for (block, out) in turned.chunks_exact_mut(steps * rows).enumerate() {
            let used = rows.min(n - block * rows);
            for (out, g) in out.chunks_exact_mut(rows).zip(g.chunks_exact(n)) {
                out[..used].copy_from_slice(&g[block * rows..][..used]);
                out[used..].fill(0.0);
            }
        }
    });
    // A task makes all rows of one panel of columns.
    let panels: Vec<Vec<f32>> = (0..k.div_ceil(cols))
        .into_par_iter()
        .map(|p| {
            let (from, used) = (p * cols, cols.min(k - p * cols));
            let mut sums = vec![0.0; wide * cols];
            let mut panel = Aligned::default();
            panel.resize(ROWS.min(m) * cols);
            for (x, turned) in x.chunks(ROWS * k).zip(turned.chunks(ROWS * wide)) {
                for (row, x) in panel.chunks_exact_mut(cols).zip(x.chunks_exact(k)) {
                    row[..used].copy_from_slice(&x[from..from + used]);
                    row[used..].fill(0.0);
                }
                with_simd(Outer { turned, panel: &panel[..x.len() / k * cols], sums: &mut sums });
            }
            sums
        })
        .collect();
    let mut weight = vec![0.0; n * k];
    for (p, sums) in panels.iter().enumerate() {
        let (from, used) = (p * cols, cols.min(k - p * cols));
        for (out, sums) in weight.chunks_exact_mut(k).zip(sums.chunks_exact(cols)) {
            out[from..from + used].copy_from_slice(&sums[..used]);
        }
    }
    Ok(weight)
}

/// Gradient of the bias (n), for the gradient `g` (m, n) of y.
///
/// # Errors
/// When g is no whole rows.
pub fn bias_gradient(g: &[f32], n: usize) -> Result<Vec<f32>> {
    check_len("linear", "gradient", g.len() / n.max(1) * n, g.len())?;
    let parts: Vec<Vec<f32>> = g.par_chunks((ROWS * n).max(1)).map(|g| column_sums(g, n)).collect();
    let mut bias = vec![0.0; n];
    for part in parts {
        bias.iter_mut().zip(part).for_each(|(sum, v)| *sum += v);
    }
    Ok(bias)
}

fn column_sums(g: &[f32], n: usize) -> Vec<f32> {
    let mut sums = vec![0.0; n];
    dispatch(
        #[inline(always)]
        || {
            for row in g.chunks_exact(n) {
                sums.iter_mut().zip(row).for_each(|(sum, v)| *sum += v);
            }
        },
    );
    sums
}

/// sums (n, columns) += transpose of g (rows, n) times panel (rows, columns)
struct Outer<'a> {
    /// (n / rows of a tile, rows, rows of a tile)
    turned: &'a [f32],
    panel: &'a [f32],
    sums: &'a mut [f32],
}

impl WithSimd for Outer<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        match S::F32_LANES {
            16 => self.run::<S, 12>(simd),
            8 => self.run::<S, 6>(simd),
            _ => self.run::<S, 4>(simd),
        }
    }
}

impl Outer<'_> {
    #[inline(always)]
    fn run<S: Simd, const MR: usize>(self, simd: S) {
        let cols = 2 * S::F32_LANES;
        let (steps, _) = S::as_simd_f32s(self.panel).0.as_chunks::<2>();
        let mut line = [0.0_f32; MAX_COLS];
        let blocks = self.turned.chunks_exact(steps.len() * MR);
        for (g, out) in blocks.zip(self.sums.chunks_exact_mut(MR * cols)) {
            let mut sums = [[simd.splat_f32s(0.0); 2]; MR];
            for (&[b0, b1], g) in steps.iter().zip(g.as_chunks::<MR>().0) {
                for (sum, a) in sums.iter_mut().zip(g) {
                    let a = simd.splat_f32s(*a);
                    sum[0] = mul_add(simd, a, b0, sum[0]);
                    sum[1] = mul_add(simd, a, b1, sum[1]);
                }
            }
            for (sum, out) in sums.iter().zip(out.chunks_exact_mut(cols)) {
                let (head, _) = S::as_mut_simd_f32s(&mut line);
                head[0] = sum[0];
                head[1] = sum[1];
                out.iter_mut().zip(&line).for_each(|(out, v)| *out += v);
            }
        }
    }
}
