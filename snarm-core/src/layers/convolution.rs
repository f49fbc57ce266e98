//! A dense convolution with its batch norm folded in.

use snarm_kernels::Grid;
use snarm_kernels::conv3x3::{self, Kernel, SIDE, Stack, conv3x3_in_turns};
use snarm_kernels::device::{Buffer, BufferView, Place};
use snarm_kernels::linear::Then;
use snarm_kernels::relu::relu;
use snarm_kernels::windows::{Window, windows};

use super::{Linear, Source, folded_with, for_products};
use crate::error::Result;

/// A convolution of maps with channels last.
pub(crate) struct Convolution {
    window: Window,
    taps: Taps,
    outputs: usize,
}

enum Taps {
    /// Of neighbours, at every cell: one kernel.
    Near(Stack),
    /// Of windows that are laid in rows, in the order row, column, channel.
    Rows(Linear),
}

/// What follows a convolution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum After {
    /// Nothing.
    Store,
    /// max(0, .)
    Relu,
}

/// Scratch of convolutions: it grows at the first run and is kept.
#[derive(Default)]
pub(crate) struct Unrolled {
    rows: Buffer,
    near: conv3x3::Workspace,
}

impl Unrolled {
    /// For convolutions at a place.
    pub(crate) fn at(place: &Place) -> Result<Self> {
        Ok(Self { rows: Buffer::of_products(place, 0)?, ..Self::default() })
    }
}

/// A cell by itself.
const POINT: Window = Window { side: 1, step: 1, border: 0 };

impl Convolution {
    /// Reads the `weight` (outputs, inputs, side, side) of `conv`, with its `bias` where it has one, and the batch norm
    /// `norm` behind it.
    pub(crate) fn read(
        [conv, norm]: [&Source<'_>; 2],
        [outputs, inputs]: [usize; 2],
        window: Window,
        has_bias: bool,
        eps: f32,
    ) -> Result<Self> {
        let side = window.side;
        let own = if has_bias { Some(conv.get("bias", &[outputs])?) } else { None };
        let (weight, bias) = folded_with(conv, norm, outputs, &[inputs, side, side], own.as_deref(), eps)?;
        let taps = if window == (Window { side: SIDE, step: 1, border: 1 }) {
            let kernel = Kernel::new(&weight, bias)?.in_precision(conv.precision());
            Taps::Near(Stack::new(&Place::Host, vec![(kernel, 1)])?)
        } else {
            Taps::Rows(Linear::of(conv, &channels_last(&weight, inputs, side * side), bias))
        };
        Ok(Self { window, taps, outputs })
    }

    /// A copy at another place.
    pub(crate) fn at(&self, place: &Place) -> Result<Self> {
        let taps = match &self.taps {
            Taps::Near(stack) => Taps::Near(stack.at(place)?),
            Taps::Rows(linear) => Taps::Rows(linear.at(place)?),
        };
        Ok(Self { window: self.window, taps, outputs: self.outputs })
    }

    /// A map x of `grid` to `y`, whose grid is returned.
    pub(crate) fn run<'a>(
        &self,
        x: impl Into<BufferView<'a>>,
        grid: Grid,
        after: After,
        unrolled: &mut Unrolled,
        y: &mut Buffer,
    ) -> Result<Grid> {
        let (x, outputs) = (x.into(), self.window.outputs(grid));
        let c = x.len() / grid.cells().max(1);
        y.resize(outputs.cells() * self.outputs)?;
        match &self.taps {
            Taps::Near(stack) => {
                let then = match after {
                    After::Store => conv3x3::Then::Store,
                    After::Relu => conv3x3::Then::Relu,
                };
                let x = for_products(x, c, &mut unrolled.rows)?;
                conv3x3_in_turns(x, grid, stack, 0, then, &mut unrolled.near, &mut *y)?;
            }
            Taps::Rows(linear) => {
                let rows = if self.window == POINT {
                    for_products(x, c, &mut unrolled.rows)?
                } else {
                    unrolled.rows.resize(outputs.cells() * self.window.side * self.window.side * c)?;
                    windows(x, grid, self.window, &mut unrolled.rows)?;
                    unrolled.rows.view()
                };
                linear.run(rows, Then::Store, &mut *y)?;
                if after == After::Relu {
                    relu(&mut *y)?;
                }
            }
        }
        Ok(outputs)
    }
}

/// A weight (outputs, inputs, taps) as (outputs, taps, inputs).
fn channels_last(weight: &[f32], inputs: usize, taps: usize) -> Vec<f32> {
    let rows = weight.chunks_exact((inputs * taps).max(1));
    rows.flat_map(|row| (0..inputs * taps).map(|i| row[i % inputs * taps + i / inputs])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encoder::seeded::values;
    use crate::error::Error;
    use crate::layers::Made;

    /// One output, the plainest way, in f64.
    fn plain(x: &[f32], grid: Grid, weight: &[f32], window: Window, [r, q]: [usize; 2]) -> f64 {
        let c = x.len() / grid.cells();
        let mut sum = 0.0;
        for (i, w) in weight.iter().enumerate() {
            let (channel, tap) = (i / (window.side * window.side), i % (window.side * window.side));
            let row = (r * window.step + tap / window.side).checked_sub(window.border);
            let column = (q * window.step + tap % window.side).checked_sub(window.border);
            if let (Some(row), Some(column)) = (row, column)
                && row < grid.rows
                && column < grid.columns
            {
                sum += f64::from(*w) * f64::from(x[(row * grid.columns + column) * c + channel]);
            }
        }
        sum
    }

    #[test]
    fn all_windows_give_the_plain_sums() {
        let (grid, [outputs, inputs]) = (Grid { rows: 6, columns: 8 }, [5, 3]);
        let x = values("x", grid.cells() * inputs, 0.0, 1.0);
        for (side, step, border) in [(3, 1, 1), (3, 2, 1), (1, 1, 0), (1, 2, 0)] {
            let window = Window { side, step, border };
            let weight = values("weight", outputs * inputs * side * side, 0.0, 1.0);
            // The variance is 4: everything is halved.
            let make = |name: &str, shape: &[usize]| {
                Ok::<_, Error>(match name {
                    "c.weight" => weight.clone(),
                    "c.bias" => vec![1.0; outputs],
                    "n.weight" => vec![1.0; outputs],
                    "n.running_var" => vec![4.0; outputs],
                    _ => vec![0.0; shape.iter().product()],
                })
            };
            let made = Made(&make);
            let source = Source::new("test", &made);
            let (conv, norm) = (source.at("c"), source.at("n"));
            let layer = Convolution::read([&conv, &norm], [outputs, inputs], window, true, 0.0).unwrap();
            let mut y = Buffer::default();
            let over = layer.run(&x, grid, After::Relu, &mut Unrolled::default(), &mut y).unwrap();
            assert_eq!((over, y.len()), (window.outputs(grid), over.cells() * outputs));
            for (i, found) in y.view().host("test").unwrap().iter().enumerate() {
                let (cell, out) = (i / outputs, i % outputs);
                let row = &weight[out * inputs * side * side..][..inputs * side * side];
                let sum = plain(&x, grid, row, window, [cell / over.columns, cell % over.columns]);
                let expected = ((sum + 1.0) / 2.0).max(0.0);
                assert!((f64::from(*found) - expected).abs() < 1e-5, "{window:?} {i}: {found}, {expected}");
            }
        }
    }
}
