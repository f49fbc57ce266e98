//! The layers of a student as operations of candle whose two directions run on the project's kernels. Candle's own fused
//! norms have no gradient at all, and its convolution by groups walks the channels one at a time.

use candle_core::{CpuStorage, CustomOp1, CustomOp3, Layout, Result, Shape, Storage, Tensor};
use snarm_kernels::depthwise::{Kernel, Workspace, depthwise, depthwise_weight_gradient};
use snarm_kernels::gelu::{gelu, gelu_gradient};
use snarm_kernels::layer_norm::{layer_norm, layer_norm_gradient};
use snarm_kernels::linear::{self, Panels, Then};
use snarm_kernels::softmax::{softmax, softmax_gradient};

/// x W^T + b over the last dimension.
pub(super) struct Linear {
    /// Whether anything before x is trained.
    pub(super) input_trained: bool,
}

/// Layer norm over the last dimension.
pub(super) struct Norm {
    pub(super) eps: f32,
}

/// Depth-wise convolution of (maps, side, side, c) with (c, k, k).
pub(super) struct Depthwise;

/// GELU, exact form.
pub(super) struct Gelu;

/// Softmax over the last dimension.
pub(super) struct Softmax;

impl CustomOp3 for Linear {
    fn name(&self) -> &'static str {
        "linear"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_at: &Layout,
        w: &CpuStorage,
        w_at: &Layout,
        b: &CpuStorage,
        b_at: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (n, k) = w_at.shape().dims2()?;
        let mut dims = x_at.dims().to_vec();
        if let Some(last) = dims.last_mut() {
            *last = n;
        }
        let panels = Panels::from_transposed(slice(w, w_at)?, n, k);
        let mut y = vec![0.0; dims.iter().product()];
        linear::linear(slice(x, x_at)?, &panels, slice(b, b_at)?, Then::Store, &mut y).map_err(wrapped)?;
        Ok((CpuStorage::F32(y), dims.into()))
    }

    fn bwd(
        &self,
        x: &Tensor,
        w: &Tensor,
        _: &Tensor,
        _: &Tensor,
        g: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let (n, k) = w.dims2()?;
        let (dx, dw, db) = with3([x, w, g], |x, w, g| {
            let mut dx = vec![0.0; if self.input_trained { x.len() } else { 0 }];
            if self.input_trained {
                linear::input_gradient(g, w, n, k, &mut dx).map_err(wrapped)?;
            }
            let dw = linear::weight_gradient(g, x, n, k).map_err(wrapped)?;
            Ok((dx, dw, linear::bias_gradient(g, n).map_err(wrapped)?))
        })?;
        let dx = if self.input_trained { Some(like(dx, x)?) } else { None };
        Ok((dx, Some(like(dw, w)?), Some(Tensor::from_vec(db, n, x.device())?)))
    }
}

impl CustomOp3 for Norm {
    fn name(&self) -> &'static str {
        "layer-norm"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_at: &Layout,
        w: &CpuStorage,
        w_at: &Layout,
        b: &CpuStorage,
        b_at: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let x = slice(x, x_at)?;
        let mut y = vec![0.0; x.len()];
        layer_norm(x, slice(w, w_at)?, slice(b, b_at)?, self.eps, &mut y).map_err(wrapped)?;
        Ok((CpuStorage::F32(y), x_at.shape().clone()))
    }

    fn bwd(
        &self,
        x: &Tensor,
        w: &Tensor,
        b: &Tensor,
        _: &Tensor,
        g: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let all = with3([x, w, g], |x, w, g| layer_norm_gradient(x, w, self.eps, g).map_err(wrapped))?;
        Ok((Some(like(all.x, x)?), Some(like(all.weight, w)?), Some(like(all.bias, b)?)))
    }
}

impl CustomOp3 for Depthwise {
    fn name(&self) -> &'static str {
        "depthwise"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_at: &Layout,
        w: &CpuStorage,
        w_at: &Layout,
        b: &CpuStorage,
        b_at: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (_, height, width, _) = x_at.shape().dims4()?;
        let x = slice(x, x_at)?;
        let kernel = Kernel::new(slice(w, w_at)?, slice(b, b_at)?.to_vec()).map_err(wrapped)?;
        let mut y = vec![0.0; x.len()];
        depthwise(x, height, width, &kernel, &mut Workspace::default(), &mut y).map_err(wrapped)?;
        Ok((CpuStorage::F32(y), x_at.shape().clone()))
    }

    fn bwd(
        &self,
        x: &Tensor,
        w: &Tensor,
        b: &Tensor,
        _: &Tensor,
        g: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let (_, height, width, c) = x.dims4()?;
        let side = w.dim(1)?;
        let (dx, dw, db) = with3([x, w, g], |x, w, g| {
            let mut workspace = Workspace::default();
            let turned = Kernel::of_input_gradient(w, c).map_err(wrapped)?;
            let mut dx = vec![0.0; x.len()];
            depthwise(g, height, width, &turned, &mut workspace, &mut dx).map_err(wrapped)?;
            let dw = depthwise_weight_gradient(x, g, height, width, c, side, &mut workspace);
            Ok((dx, dw.map_err(wrapped)?, linear::bias_gradient(g, c).map_err(wrapped)?))
        })?;
        Ok((Some(like(dx, x)?), Some(like(dw, w)?), Some(like(db, b)?)))
    }
}

impl CustomOp1 for Gelu {
    fn name(&self) -> &'static str {
        "gelu"
    }

    fn cpu_fwd(&self, x: &CpuStorage, at: &Layout) -> Result<(CpuStorage, Shape)> {
        let x = slice(x, at)?;
        let mut y = vec![0.0; x.len()];
        gelu(x, &mut y).map_err(wrapped)?;
        Ok((CpuStorage::F32(y), at.shape().clone()))
    }

    fn bwd(&self, x: &Tensor, _: &Tensor, g: &Tensor) -> Result<Option<Tensor>> {
        let dx = with3([x, g, g], |x, g, _| {
            let mut dx = vec![0.0; x.len()];
            gelu_gradient(x, g, &mut dx).map_err(wrapped)?;
            Ok(dx)
        })?;
        Ok(Some(like(dx, x)?))
    }
}

impl CustomOp1 for Softmax {
    fn name(&self) -> &'static str {
        "softmax"
    }

    fn cpu_fwd(&self, x: &CpuStorage, at: &Layout) -> Result<(CpuStorage, Shape)> {
        let n = at.dims().last().copied().unwrap_or(1);
        let x = slice(x, at)?;
        let mut y = vec![0.0; x.len()];
        softmax(x, n, &mut y).map_err(wrapped)?;
        Ok((CpuStorage::F32(y), at.shape().clone()))
    }

    fn bwd(&self, x: &Tensor, y: &Tensor, g: &Tensor) -> Result<Option<Tensor>> {
        let n = x.dims().last().copied().unwrap_or(1);
        let dx = with3([y, g, g], |y, g, _| {
            let mut dx = vec![0.0; y.len()];
            softmax_gradient(y, g, n, &mut dx).map_err(wrapped)?;
            Ok(dx)
        })?;
        Ok(Some(like(dx, x)?))
    }
}

/// The elements of a storage, which must lie together.
fn slice<'a>(storage: &'a CpuStorage, at: &Layout) -> Result<&'a [f32]> {
    let CpuStorage::F32(all) = storage else { candle_core::bail!("expected f32 on the processor") };
    match at.contiguous_offsets() {
        Some((from, to)) => Ok(&all[from..to]),
        None => candle_core::bail!("expected a contiguous tensor, found {at:?}"),
    }
}

/// Runs `work` on the elements of three tensors.
fn with3<R>(all: [&Tensor; 3], work: impl FnOnce(&[f32], &[f32], &[f32]) -> Result<R>) -> Result<R> {
    let [a, b, c] = [all[0].contiguous()?, all[1].contiguous()?, all[2].contiguous()?];
    let ((a, a_at), (b, b_at), (c, c_at)) =
        (a.storage_and_layout(), b.storage_and_layout(), c.storage_and_layout());
    let (Storage::Cpu(a), Storage::Cpu(b), Storage::Cpu(c)) = (&*a, &*b, &*c) else {
        candle_core::bail!("expected tensors on the processor")
    };
    work(slice(a, a_at)?, slice(b, b_at)?, slice(c, c_at)?)
}

/// A tensor of the shape and device of another.
fn like(values: Vec<f32>, other: &Tensor) -> Result<Tensor> {
    Tensor::from_vec(values, other.shape(), other.device())
}

fn wrapped(reason: snarm_kernels::Error) -> candle_core::Error {
    candle_core::Error::wrap(reason)
}
