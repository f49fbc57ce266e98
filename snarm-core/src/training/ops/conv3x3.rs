//! 3 x 3 convolutions of square maps, each stretch of maps with weights of its own.

use candle_core::{CpuStorage, CustomOp3, DType, Device, Layout, Result, Shape, Tensor, bail};
use snarm_kernels::Grid;
use snarm_kernels::conv3x3::backward::{input_gradient, transposed, weight_gradient};
use snarm_kernels::conv3x3::{self as kernel, Kernel, TAPS, Then, Workspace};

use super::{Values, composed, gradient, made, on_kernels, refused, slice, width};

/// How maps lie in rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Maps {
    /// Side of a map: its rows are side * side tokens.
    pub side: usize,
    /// Tokens between two taps.
    pub dilation: usize,
    /// Stretches of equally many maps, each with weights of its own.
    pub groups: usize,
}

/// Convolves maps: x (rows, c_in), weight (groups * c_out, c_in, 3, 3), bias (groups * c_out) -> (rows, c_out).
///
/// # Errors
/// When a shape does not fit.
pub fn conv3x3(x: &Tensor, weight: &Tensor, bias: Option<&Tensor>, maps: Maps) -> Result<Tensor> {
    let (n, c_in, groups) = (weight.dim(0)?, width(x), maps.groups);
    if n == 0 || weight.elem_count() != n * c_in * TAPS || !n.is_multiple_of(groups) {
        bail!("conv3x3: expected {groups} weights of {c_in} channels, found {:?}", weight.dims());
    }
    if let Some(bias) = bias
        && bias.dims() != [n]
    {
        bail!("conv3x3: expected a bias of {n}, found {:?}", bias.dims());
    }
    if x.elem_count() == 0 || !(x.elem_count() / c_in).is_multiple_of(groups) {
        bail!("conv3x3: expected rows for {groups} weights, found {:?}", x.dims());
    }
    if !on_kernels(x) {
        return composed::conv3x3(x, weight, bias, maps);
    }
    match bias {
        Some(bias) => x.apply_op3(weight, bias, Conv { maps }),
        None => x.apply_op3(weight, &Tensor::zeros(n, DType::F32, &Device::Cpu)?, Conv { maps }),
    }
}

struct Conv {
    maps: Maps,
}

impl CustomOp3 for Conv {
    fn name(&self) -> &'static str {
        "conv3x3"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        weight: &CpuStorage,
        weight_layout: &Layout,
        bias: &CpuStorage,
        bias_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let Maps { side, dilation, groups } = self.maps;
        let grid = Grid::square(side);
        let (x, weight, bias) =
            (slice(x, x_layout)?, slice(weight, weight_layout)?, slice(bias, bias_layout)?);
        let c_in = x_layout.dims().last().copied().unwrap_or(1);
        let (rows, c_out) = (x.len() / c_in, bias.len() / groups);
        let mut y = vec![0.0; rows * c_out];
        let mut workspace = Workspace::default();
        let parts = x.chunks_exact(x.len() / groups).zip(y.chunks_exact_mut(rows / groups * c_out));
        let weights = weight.chunks_exact(weight.len() / groups).zip(bias.chunks_exact(c_out));
        for ((x, y), (weight, bias)) in parts.zip(weights) {
            let taps = Kernel::new(weight, bias.to_vec()).map_err(refused)?;
            kernel::conv3x3(x, grid, &taps, dilation, Then::Store, &mut workspace, y).map_err(refused)?;
        }
        made(y, (rows, c_out))
    }

    fn bwd(
        &self,
        x: &Tensor,
        weight: &Tensor,
        bias: &Tensor,
        _y: &Tensor,
        dy: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let Maps { side, dilation, groups } = self.maps;
        let grid = Grid::square(side);
        let dy = dy.contiguous()?;
        let (xs, ws, dys) = (Values::of(x)?, Values::of(weight)?, Values::of(&dy)?);
        let c_out = bias.elem_count() / groups;
        let (mut dx, mut dw, mut db) =
            (vec![0.0; xs.len()], vec![0.0; ws.len()], vec![0.0; bias.elem_count()]);
        let mut workspace = Workspace::default();
        for group in 0..groups {
            let part = |len: usize| group * (len / groups)..(group + 1) * (len / groups);
            let dy = &dys[part(dys.len())];
            if x.track_op() {
                let turned = transposed(&ws[part(ws.len())], c_out).map_err(refused)?;
                let dx = &mut dx[part(xs.len())];
                input_gradient(dy, grid, &turned, dilation, &mut workspace, dx).map_err(refused)?;
            }
            let (dw, db) = (&mut dw[part(ws.len())], &mut db[group * c_out..][..c_out]);
            weight_gradient(&xs[part(xs.len())], dy, grid, dilation, dw, db).map_err(refused)?;
        }
        let dx = if x.track_op() { gradient(dx, x)? } else { None };
        let db = if bias.track_op() { gradient(db, bias)? } else { None };
        Ok((dx, gradient(dw, weight)?, db))
    }
}
