//! One product of bf16 on tensor cores, whose rows are read from where the cells lie.

use super::{Kernel, OP, TAPS, Then};
use crate::device::cuda::{self, Arg, Slice, SliceMut, kernel};
use crate::device::{Buffer, Place};
use crate::error::Result;
use crate::grid::Grid;
use crate::linear::cuda::Tiles;

const WIDE: cuda::Kernel = kernel!("conv3x3.ptx", "conv3x3");
const NARROW: cuda::Kernel = kernel!("conv3x3.ptx", "conv3x3_narrow");

/// Taps (kernels, c_out, 9 c_in) as bf16, bias (kernels, c_out) and dilations (kernels) in the memory of a device.
#[derive(Debug)]
pub(super) struct Weights {
    taps: Buffer,
    bias: Buffer,
    dilations: Buffer<u32>,
}

impl Weights {
    pub(super) fn new(place: &Place, kernels: &[(Kernel, usize)]) -> Result<Self> {
        let rows: Vec<f32> = kernels.iter().flat_map(|(kernel, _)| kernel.panels.to_transposed()).collect();
        let bias: Vec<f32> = kernels.iter().flat_map(|(kernel, _)| &kernel.bias).copied().collect();
        let dilations: Vec<u32> = kernels.iter().map(|(_, dilation)| *dilation as u32).collect();
        let mut taps = Buffer::of_products(place, rows.len())?;
        taps.write(&rows)?;
        Ok(Self { taps, bias: Buffer::of(place, &bias)?, dilations: Buffer::of(place, &dilations)? })
    }

    /// Taps, bias and dilations.
    pub(super) fn slices(&self) -> Result<[Slice<'_>; 3]> {
        let Self { taps, bias, dilations } = self;
        Ok([taps.view().there(OP)?, bias.view().there(OP)?, dilations.view().there(OP)?])
    }
}

pub(super) fn conv3x3(
    x: Slice<'_>,
    grid: Grid,
    [taps, bias, dilations]: [Slice<'_>; 3],
    [c_in, c_out]: [usize; 2],
    first: usize,
    then: Then,
    y: &SliceMut<'_>,
) -> Result<()> {
    debug_assert_eq!(taps.len(), bias.len() * TAPS * c_in, "each kernel has taps and bias");
    if y.is_empty() {
        return Ok(());
    }
    let maps = y.len() / (grid.cells() * c_out);
    let sizes = [grid.rows, grid.columns, c_in, c_out, dilations.len(), first].map(Arg::size);
    let [rows, columns, inputs, outputs, kernels, first] = sizes;
    let (relu, half) = (Arg::Int(i32::from(then == Then::Relu)), Arg::Int(i32::from(y.is_half())));
    let (weights, y_arg) = ([taps.arg(), bias.arg(), dilations.arg()], y.arg());
    let [taps, bias, dilations] = weights;
    let arguments =
        [x.arg(), taps, bias, dilations, y_arg, rows, columns, inputs, outputs, kernels, first, relu, half];
    let (cells, k) = (grid.cells(), TAPS * c_in);
    // Half of a wide tile would lie beside that few outputs.
    let few = c_out <= 32;
    let tiles = if few { Tiles::Narrow } else { Tiles::of(y.queue().device(), [maps, cells, c_out, k]) };
    let kernel = if tiles == Tiles::Wide { &WIDE } else { &NARROW };
    let [across, down] = tiles.across(cells, c_out);
    y.queue().launch(kernel, [across, down, maps], tiles.threads(), tiles.shared(k), &arguments)
}
