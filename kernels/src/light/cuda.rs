//! A block a cell; one block for the planes; a thread a pixel.

use super::{CELLS, COLOURS, NUMBERS};
use crate::device::cuda::{Arg, Kernel, Slice, SliceMut, kernel};
use crate::error::Result;
use crate::preprocess::{PixelRect, PreprocessSpec};

const CELLS_OF: Kernel = kernel!("light.ptx", "light_cells");
const COMPARE: Kernel = kernel!("light.ptx", "light_compare");
const RELIGHT: Kernel = kernel!("light.ptx", "light_relight");

/// Warps of a block that measures a cell.
const WARPS: usize = 4;

/// The arguments of a picture, behind two addresses.
fn arguments(first: Arg, second: Arg, spec: &PreprocessSpec, visible: PixelRect) -> [Arg; 14] {
    let PixelRect { x, y, width, height } = visible;
    let [rows, columns, x, y, width, height] =
        [spec.size.rows, spec.size.columns, x, y, width, height].map(Arg::size);
    let ([red, green, blue], [std_red, std_green, std_blue]) =
        (spec.mean.map(Arg::Float), spec.std.map(Arg::Float));
    [first, second, rows, columns, x, y, width, height, red, green, blue, std_red, std_green, std_blue]
}

pub(super) fn cells(
    picture: Slice<'_>,
    spec: &PreprocessSpec,
    visible: PixelRect,
    cells: &SliceMut<'_>,
) -> Result<()> {
    let arguments = arguments(picture.arg(), cells.arg(), spec, visible);
    let shared = WARPS * NUMBERS * size_of::<f32>();
    cells.queue().launch(&CELLS_OF, [CELLS, 1, 1], 32 * WARPS, shared, &arguments)
}

pub(super) fn compare(
    cells: Slice<'_>,
    usual: Slice<'_>,
    range: Slice<'_>,
    found: &SliceMut<'_>,
) -> Result<()> {
    let shared = COLOURS * (2 * CELLS + 3) * size_of::<f32>();
    let arguments = [cells.arg(), usual.arg(), range.arg(), found.arg()];
    found.queue().launch(&COMPARE, [1, 1, 1], 32 * COLOURS, shared, &arguments)
}

pub(super) fn relight(
    picture: &SliceMut<'_>,
    spec: &PreprocessSpec,
    visible: PixelRect,
    gains: Slice<'_>,
) -> Result<()> {
    let arguments = arguments(picture.arg(), gains.arg(), spec, visible);
    picture.queue().launch_each(&RELIGHT, visible.width * visible.height, &arguments)
}
