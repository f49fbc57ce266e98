//! Convolutions as products of matrices.

use candle_core::{Result, Tensor, bail};
use snarm_kernels::conv3x3::TAPS;

use super::super::{Maps, width};

/// The taps of each cell beside each other, (rows, 9 c_in), times the weights of all groups at once.
pub(in super::super) fn conv3x3(
    x: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
    maps: Maps,
) -> Result<Tensor> {
    let Maps { side, dilation, groups } = maps;
    let (c_in, c_out) = (width(x), weight.dim(0)? / groups);
    if side == 0 || !(x.elem_count() / c_in / groups).is_multiple_of(side * side) {
        bail!(
            "conv3x3: expected whole maps of {side} x {side} cells for {groups} weights, found {:?}",
            x.dims()
        );
    }
    let framed = x.reshape(((), side, side, c_in))?;
    let framed = framed.pad_with_zeros(1, dilation, dilation)?.pad_with_zeros(2, dilation, dilation)?;
    let tap =
        |i: usize| framed.narrow(1, i / 3 * dilation, side)?.narrow(2, i % 3 * dilation, side)?.contiguous();
    let taps = Tensor::cat(&(0..TAPS).map(tap).collect::<Result<Vec<_>>>()?, 3)?;
    let weight = weight.reshape((groups, c_out, c_in, TAPS))?.permute((0, 3, 2, 1))?.contiguous()?;
    let weight = weight.reshape((groups, TAPS * c_in, c_out))?;
    let mut y = taps.reshape((groups, (), TAPS * c_in))?.matmul(&weight)?;
    if let Some(bias) = bias {
        y = y.broadcast_add(&bias.reshape((groups, 1, c_out))?)?;
    }
    y.reshape(((), c_out))
}

/// A channel is filtered by a product with a banded matrix: rows of cells, with the rows above and below beside them, times
/// (k width, width) elements that are the taps or zero. There are width / k times as many products as a loop would
/// make, and a batch of channels keeps a GPU busy with them; candle's grouped convolution is as many small ones.
pub(in super::super) fn depthwise(x: &Tensor, weight: &Tensor, bias: &Tensor) -> Result<Tensor> {
    let (maps, height, width, c) = x.dims4()?;
    let k = weight.dim(1)?;
    if k.is_multiple_of(2) || weight.dims() != [c, k, k] {
        bail!("depthwise: expected {c} squares of an odd side, found {:?}", weight.dims());
    }
    let planes = x.permute((3, 0, 1, 2))?.contiguous()?.pad_with_zeros(2, k / 2, k / 2)?;
    let shifted = |i: usize| planes.narrow(2, i, height)?.contiguous();
    let rows = Tensor::cat(&(0..k).map(shifted).collect::<Result<Vec<_>>>()?, 3)?;
    let band = Tensor::from_vec(band(k, width), (k, width * width), x.device())?;
    let band = weight.reshape((c * k, k))?.matmul(&band)?.reshape((c, k * width, width))?;
    let y = rows.reshape((c, maps * height, k * width))?.matmul(&band)?;
    let y = y.reshape((c, maps, height, width))?.permute((1, 2, 3, 0))?;
    y.contiguous()?.broadcast_add(bias)
}

/// For each tap of a row, where in a (width, width) matrix from cells to cells it stands.
fn band(k: usize, width: usize) -> Vec<f32> {
    let mut band = vec![0.0; k * width * width];
    for tap in 0..k {
        for to in 0..width {
            let from = (to + tap).wrapping_sub(k / 2);
            if from < width {
                band[(tap * width + from) * width + to] = 1.0;
            }
        }
    }
    band
}
