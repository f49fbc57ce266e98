//! Maps are copied once with a border of zeros and whole lanes of channels, so that no tap asks where it is. Four cells
//! of a row then share each tap they load; with vectors of 16 lanes eight cells share the cells around them, too, since the
//! taps of a row stay in registers beside their sums.

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::{Kernel, LANES, Then, padded};
use crate::aligned::Aligned;
use crate::same::Same;
use crate::simd::{mul_add, with_simd};

/// Cells of a row that are filtered together.
const RUN: usize = 4;

/// As many where the taps of a row fit into registers beside them.
const WIDE_RUN: usize = 8;

/// Taps of a row that do.
const WIDE_SIDE: usize = 7;

/// Maps with their borders.
#[derive(Debug, Default)]
pub struct Workspace {
    bordered: Aligned,
}

/// Sizes of maps with a border.
#[derive(Clone, Copy)]
pub(super) struct Bordered {
    pub(super) height: usize,
    pub(super) width: usize,
    /// Channels with whole lanes.
    pub(super) stride: usize,
    step: usize,
    down: Same,
    across: Same,
}

impl Bordered {
    /// For outputs at every `step`-th cell.
    pub(super) fn new([height, width]: [usize; 2], c: usize, side: usize, step: usize) -> Self {
        let [down, across] = [height, width].map(|n| Same::new(n, side, step));
        Self { height, width, stride: padded(c), step, down, across }
    }

    /// Elements of a row with its border.
    pub(super) fn row(&self) -> usize {
        self.across.padded * self.stride
    }

    /// Rows of a map with its border.
    pub(super) fn rows(&self) -> usize {
        self.down.padded
    }
}

impl Workspace {
    /// Copies maps of `c` channels and puts their borders around them.
    pub(super) fn border(&mut self, x: &[f32], size: Bordered, c: usize) -> &[f32] {
        let maps = x.len() / (size.height * size.width * c);
        let (row, rows, above) = (size.row(), size.rows(), size.down.before);
        // With a step the last cells may be met by no tap.
        let cells = size.width.min(size.across.padded - size.across.before);
        self.bordered.resize(maps * rows * row);
        self.bordered.par_chunks_mut(row).enumerate().for_each(|(at, out)| {
            let (map, line) = (at / rows, at % rows);
            if !(above..size.height + above).contains(&line) {
                out.fill(0.0);
                return;
            }
            let from = (map * size.height + line - above) * size.width * c;
            let (left, rest) = out.split_at_mut(size.across.before * size.stride);
            let (middle, right) = rest.split_at_mut(cells * size.stride);
            left.fill(0.0);
            right.fill(0.0);
            for (out, x) in middle.chunks_exact_mut(size.stride).zip(x[from..].chunks_exact(c)) {
                out[..c].copy_from_slice(x);
                out[c..].fill(0.0);
            }
        });
        &self.bordered
    }
}

pub(super) fn depthwise(
    x: &[f32],
    height: usize,
    width: usize,
    kernel: &Kernel,
    workspace: &mut Workspace,
    y: &mut [f32],
) {
    let c = kernel.channels();
    if x.is_empty() {
        return;
    }
    let size = Bordered::new([height, width], c, kernel.side, kernel.step);
    let bordered = workspace.border(x, size, c);
    let lines = size.down.outputs;
    y.par_chunks_mut(size.across.outputs * c).enumerate().for_each(|(at, y)| {
        let first = (at / lines * size.rows() + at % lines * size.step) * size.row();
        let x = &bordered[first..];
        match (kernel.step, kernel.then) {
            (1, Then::Store) => with_simd(FilterRow::<1, false> { x, size, kernel, y }),
            (1, Then::Relu6) => with_simd(FilterRow::<1, true> { x, size, kernel, y }),
            (_, Then::Store) => with_simd(FilterRow::<0, false> { x, size, kernel, y }),
            (_, Then::Relu6) => with_simd(FilterRow::<0, true> { x, size, kernel, y }),
        }
    });
}

/// One row of outputs; `x` begins with the row of inputs that the uppermost taps meet. `STEP` is the step where it is
/// known to the compiler, else 0.
struct FilterRow<'a, const STEP: usize, const RELU6: bool> {
    x: &'a [f32],
    size: Bordered,
    kernel: &'a Kernel,
    y: &'a mut [f32],
}

impl<const STEP: usize, const RELU6: bool> WithSimd for FilterRow<'_, STEP, RELU6> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { x, size, kernel, y } = self;
        let (c, cells) = (kernel.channels(), size.across.outputs);
        let step = if STEP == 0 { size.step } else { STEP };
        let is_wide = STEP == 1 && S::F32_LANES == LANES && kernel.side == WIDE_SIDE && cells >= WIDE_RUN;
        for from in (0..c).step_by(S::F32_LANES) {
            let lanes = S::F32_LANES.min(c - from);
            let mut bias = [0.0; LANES];
            bias[..lanes].copy_from_slice(&kernel.bias[from..from + lanes]);
            let bias = load::<S>(simd, &bias);
            let mut first = 0;
            while first < cells {
                // The last run may be short: it begins earlier and repeats cells that are done.
                if is_wide {
                    let start = first.min(cells - WIDE_RUN);
                    let (x, y) = (&x[start * size.stride + from..], &mut y[start * c + from..]);
                    let sums = wide_run(simd, x, size, kernel, from, bias);
                    store::<S, WIDE_RUN, RELU6>(simd, sums, y, c, lanes);
                    first = start + WIDE_RUN;
                    continue;
                }
                let start = if cells >= RUN { first.min(cells - RUN) } else { first };
                let (x, y) = (&x[start * step * size.stride + from..], &mut y[start * c + from..]);
                if cells >= RUN {
                    let sums = run::<S, RUN>(simd, x, size, step, kernel, from, bias);
                    store::<S, RUN, RELU6>(simd, sums, y, c, lanes);
                    first = start + RUN;
                } else {
                    let sums = run::<S, 1>(simd, x, size, step, kernel, from, bias);
                    store::<S, 1, RELU6>(simd, sums, y, c, lanes);
                    first += 1;
                }
            }
        }
    }
}

#[inline(always)]
fn run<S: Simd, const N: usize>(
    simd: S,
    x: &[f32],
    size: Bordered,
    step: usize,
    kernel: &Kernel,
    from: usize,
    bias: S::f32s,
) -> [S::f32s; N] {
    let mut sums = [bias; N];
    for (i, taps) in kernel.taps.chunks_exact(kernel.side * size.stride).enumerate() {
        let line = &x[i * size.row()..];
        for (j, tap) in taps.chunks_exact(size.stride).enumerate() {
            let w = load::<S>(simd, &tap[from..]);
            for (n, sum) in sums.iter_mut().enumerate() {
                *sum = mul_add(simd, load::<S>(simd, &line[(n * step + j) * size.stride..]), w, *sum);
            }
        }
    }
    sums
}

/// As [`run`], of neighbouring cells: each cell around them is loaded once a row.
#[inline(always)]
fn wide_run<S: Simd>(
    simd: S,
    x: &[f32],
    size: Bordered,
    kernel: &Kernel,
    from: usize,
    bias: S::f32s,
) -> [S::f32s; WIDE_RUN] {
    let mut sums = [bias; WIDE_RUN];
    for (i, taps) in kernel.taps.chunks_exact(WIDE_SIDE * size.stride).enumerate() {
        let line = &x[i * size.row()..];
        let w: [S::f32s; WIDE_SIDE] =
            std::array::from_fn(|j| load::<S>(simd, &taps[j * size.stride + from..]));
        for at in 0..WIDE_RUN + WIDE_SIDE - 1 {
            let cell = load::<S>(simd, &line[at * size.stride..]);
            for (j, w) in w.iter().enumerate() {
                if let Some(n) = at.checked_sub(j).filter(|n| *n < WIDE_RUN) {
                    sums[n] = mul_add(simd, cell, *w, sums[n]);
                }
            }
        }
    }
    sums
}

/// The first vector of a slice.
#[inline(always)]
pub(super) fn load<S: Simd>(simd: S, x: &[f32]) -> S::f32s {
    S::as_simd_f32s(x).0.first().copied().unwrap_or(simd.splat_f32s(0.0))
}

#[inline(always)]
fn store<S: Simd, const N: usize, const RELU6: bool>(
    simd: S,
    sums: [S::f32s; N],
    y: &mut [f32],
    c: usize,
    lanes: usize,
) {
    let mut line = [0.0; LANES];
    for (n, sum) in sums.into_iter().enumerate() {
        let sum = if RELU6 {
            simd.min_f32s(simd.max_f32s(sum, simd.splat_f32s(0.0)), simd.splat_f32s(6.0))
        } else {
            sum
        };
        if let Some(out) = S::as_mut_simd_f32s(&mut line).0.first_mut() {
            *out = sum;
        }
        y[n * c..][..lanes].copy_from_slice(&line[..lanes]);
    }
}
