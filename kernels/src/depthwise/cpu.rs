//! Maps are copied once with a border of zeros, in blocks of channels, so that no tap asks where it is and the cells that taps meet
//! lie side by side. Several cells of a row then share each tap.

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::{Cell, Kernel, LANES, Then, blocks};
use crate::aligned::Aligned;
use crate::same::Same;
use crate::simd::{mul_add, with_simd};

/// Cells of a row that are filtered together: their sums, a tap and a cell are in registers.
const RUN: usize = 8;

/// Maps with their borders.
#[derive(Debug, Default)]
pub struct Workspace {
    bordered: Aligned,
}

/// Sizes of maps with a border: (maps, blocks of channels, rows, cells, lanes).
#[derive(Clone, Copy)]
pub(super) struct Bordered {
    pub(super) height: usize,
    pub(super) width: usize,
    /// Blocks of channels.
    pub(super) blocks: usize,
    step: usize,
    down: Same,
    across: Same,
}

impl Bordered {
    /// For outputs at every `step`-th cell.
    pub(super) fn new([height, width]: [usize; 2], c: usize, side: usize, step: usize) -> Self {
        let [down, across] = [height, width].map(|n| Same::new(n, side, step));
        Self { height, width, blocks: blocks(c), step, down, across }
    }

    /// Cells of a row with its border.
    pub(super) fn row(&self) -> usize {
        self.across.padded
    }

    /// Cells of a block of channels of a map with its border.
    pub(super) fn block(&self) -> usize {
        self.down.padded * self.row()
    }
}

impl Workspace {
    /// Copies maps of `c` channels and puts their borders around them.
    pub(super) fn border(&mut self, x: &[f32], size: Bordered, c: usize) -> &[Cell] {
        let maps = x.len() / (size.height * size.width * c);
        let (row, rows, above) = (size.row(), size.down.padded, size.down.before);
        // With a step the last cells may be met by no tap.
        let cells = size.width.min(row - size.across.before);
        self.bordered.resize(maps * size.blocks * size.block() * LANES);
        self.bordered.par_chunks_mut(row * LANES).enumerate().for_each(|(at, out)| {
            let (map, block, line) = (at / rows / size.blocks, at / rows % size.blocks, at % rows);
            if !(above..size.height + above).contains(&line) {
                out.fill(0.0);
                return;
            }
            let from = (map * size.height + line - above) * size.width * c + block * LANES;
            let lanes = LANES.min(c - block * LANES);
            let (left, rest) = out.as_chunks_mut::<LANES>().0.split_at_mut(size.across.before);
            let (middle, right) = rest.split_at_mut(cells);
            left.fill([0.0; LANES]);
            right.fill([0.0; LANES]);
            for (out, x) in middle.iter_mut().zip(x[from..].chunks(c)) {
                if lanes == LANES {
                    out.copy_from_slice(&x[..LANES]);
                } else {
                    out[..lanes].copy_from_slice(&x[..lanes]);
                    out[lanes..].fill(0.0);
                }
            }
        });
        self.bordered.as_chunks().0
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
        let first = at / lines * size.blocks * size.block() + at % lines * size.step * size.row();
        with_simd(FilterRow { x: &bordered[first..], size, kernel, y });
    });
}

/// One row of outputs; `x` begins with the row of inputs that the uppermost taps meet.
struct FilterRow<'a> {
    x: &'a [Cell],
    size: Bordered,
    kernel: &'a Kernel,
    y: &'a mut [f32],
}

impl WithSimd for FilterRow<'_> {
    type Output = ();

    /// Sides and steps of known networks are known to the compiler.
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        match (self.kernel.side, self.kernel.step) {
            (7, 1) => self.filter(simd, 7, 1),
            (5, 1) => self.filter(simd, 5, 1),
            (5, 2) => self.filter(simd, 5, 2),
            (3, 1) => self.filter(simd, 3, 1),
            (3, 2) => self.filter(simd, 3, 2),
            (side, step) => self.filter(simd, side, step),
        }
    }
}

impl FilterRow<'_> {
    #[inline(always)]
    fn filter<S: Simd>(self, simd: S, side: usize, step: usize) {
        let Self { x, size, kernel, y } = self;
        let (c, cells) = (kernel.channels(), size.across.outputs);
        for (block, taps) in kernel.taps.chunks_exact(side * side).enumerate() {
            let (from, x) = (block * LANES, &x[block * size.block()..]);
            let lanes = LANES.min(c - from);
            let mut bias = [0.0; LANES];
            bias[..lanes].copy_from_slice(&kernel.bias[from..from + lanes]);
            let mut first = 0;
            while first < cells {
                // The last run may be short: it begins earlier and repeats cells that are done.
                let start = if cells >= RUN { first.min(cells - RUN) } else { first };
                let (x, y) = (&x[start * step..], &mut y[start * c + from..]);
                if cells >= RUN {
                    let sums = run::<S, RUN>(simd, x, size.row(), [side, step], taps, &bias);
                    store(simd, sums, kernel.then, y, c, lanes);
                    first = start + RUN;
                } else {
                    let sums = run::<S, 1>(simd, x, size.row(), [side, step], taps, &bias);
                    store(simd, sums, kernel.then, y, c, lanes);
                    first += 1;
                }
            }
        }
    }
}

/// Sums of neighbouring cells of a row of outputs, for a block of channels.
#[inline(always)]
fn run<S: Simd, const N: usize>(
    simd: S,
    x: &[Cell],
    row: usize,
    [side, step]: [usize; 2],
    taps: &[Cell],
    bias: &Cell,
) -> [Cell; N] {
    let mut y = [[0.0; LANES]; N];
    for part in 0..LANES / S::F32_LANES {
        let mut sums = [vectors::<S>(bias)[part]; N];
        for (i, taps) in taps.chunks_exact(side).enumerate() {
            let line = &x[i * row..][..(N - 1) * step + side];
            for (j, tap) in taps.iter().enumerate() {
                let w = vectors::<S>(tap)[part];
                for (n, sum) in sums.iter_mut().enumerate() {
                    *sum = mul_add(simd, vectors::<S>(&line[n * step + j])[part], w, *sum);
                }
            }
        }
        for (y, sum) in y.iter_mut().zip(sums) {
            S::as_mut_simd_f32s(y).0[part] = sum;
        }
    }
    y
}

/// The vectors of a cell.
#[inline(always)]
pub(super) fn vectors<S: Simd>(cell: &Cell) -> &[S::f32s] {
    S::as_simd_f32s(cell).0
}

#[inline(always)]
fn store<S: Simd, const N: usize>(
    simd: S,
    mut sums: [Cell; N],
    then: Then,
    y: &mut [f32],
    c: usize,
    lanes: usize,
) {
    if then == Then::Relu6 {
        let [least, most] = [0.0, 6.0].map(|limit| simd.splat_f32s(limit));
        for sum in S::as_mut_simd_f32s(sums.as_flattened_mut()).0 {
            *sum = simd.min_f32s(simd.max_f32s(*sum, least), most);
        }
    }
    for (y, sum) in y.chunks_mut(c).zip(&sums) {
        if lanes == LANES {
            y[..LANES].copy_from_slice(sum);
        } else {
            y[..lanes].copy_from_slice(&sum[..lanes]);
        }
    }
}
