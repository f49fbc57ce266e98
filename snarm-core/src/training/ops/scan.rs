//! The selective scan. Candle's custom ops take three tensors at most, the scan reads eight: they are packed by
//! concatenation, which hands gradients back by itself.

use candle_core::{CpuStorage, CustomOp3, Layout, Result, Shape, Tensor, bail};
use snarm_kernels::selective_scan as kernel;
use snarm_kernels::selective_scan::backward::{Gradients, selective_scan_backward};
use snarm_kernels::selective_scan::{Parameters, Tokens, Workspace};

use super::{Values, composed, gradient, made, on_kernels, refused, slice, width};

/// What a scan reads. Rows are tokens.
#[derive(Debug, Clone, Copy)]
pub struct Scanned<'a> {
    /// The input, (rows, d).
    pub u: &'a Tensor,
    /// The step before bias and softplus, (rows, d).
    pub delta: &'a Tensor,
    /// The gate, (rows, d), where there is one.
    pub z: Option<&'a Tensor>,
    /// Rows that end in B and C of n elements each.
    pub bc: &'a Tensor,
    /// A = -exp(A_log), (n, d).
    pub a: &'a Tensor,
    /// D, (d).
    pub skip: &'a Tensor,
    /// Bias of the step, (d).
    pub bias: &'a Tensor,
}

/// Scans sequences of `len` tokens; returns (rows, d), gated where there is a gate.
///
/// # Errors
/// When a shape does not fit.
pub fn selective_scan(read: Scanned<'_>, len: usize) -> Result<Tensor> {
    let d = width(read.u);
    let rows: Vec<&Tensor> = [read.u, read.delta].into_iter().chain(read.z).collect();
    if read.u.elem_count() == 0 || rows.iter().any(|rows| rows.dims() != read.u.dims()) {
        let found: Vec<_> = rows.iter().map(|rows| rows.dims()).collect();
        bail!("selective_scan: expected u, delta and z of one shape, found {found:?}");
    }
    if read.skip.elem_count() != d || read.bias.elem_count() != d {
        bail!(
            "selective_scan: expected D and bias of {d}, found {:?} and {:?}",
            read.skip.dims(),
            read.bias.dims()
        );
    }
    if !on_kernels(read.u) {
        return composed::selective_scan(read, len);
    }
    let tokens = Tensor::cat(&rows, 0)?;
    let parameters = Tensor::cat(&[&read.a.flatten_all()?, read.skip, read.bias], 0)?;
    tokens.apply_op3(read.bc, &parameters, Scan { d, len, parts: rows.len() })
}

struct Scan {
    d: usize,
    len: usize,
    /// u and delta, and z where there is one.
    parts: usize,
}

impl Scan {
    /// u, delta and z, where there is one, one after another; A, D and the bias one after another.
    fn unpack<'a>(
        &self,
        tokens: &'a [f32],
        bc: &'a [f32],
        parameters: &'a [f32],
    ) -> (Tokens<&'a [f32]>, Parameters<&'a [f32]>) {
        let one = tokens.len() / self.parts;
        let (a, rest) = parameters.split_at(parameters.len().saturating_sub(2 * self.d));
        let (skip, bias) = rest.split_at(rest.len() / 2);
        let tokens = Tokens {
            u: &tokens[..one],
            delta: &tokens[one..2 * one],
            bc,
            z: Some(&tokens[2 * one..]).filter(|z| !z.is_empty()),
        };
        (tokens, Parameters { a, skip, bias })
    }
}

impl CustomOp3 for Scan {
    fn name(&self) -> &'static str {
        "selective_scan"
    }

    fn cpu_fwd(
        &self,
        tokens: &CpuStorage,
        tokens_layout: &Layout,
        bc: &CpuStorage,
        bc_layout: &Layout,
        parameters: &CpuStorage,
        parameters_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (packed, all) = (slice(tokens, tokens_layout)?, slice(parameters, parameters_layout)?);
        let (tokens, parameters) = self.unpack(packed, slice(bc, bc_layout)?, all);
        let rows = packed.len() / self.parts / self.d;
        let mut y = vec![0.0; rows * self.d];
        let mut states = vec![0.0; rows / self.len.max(1) * parameters.a.len()];
        kernel::selective_scan(tokens, parameters, self.len, &mut Workspace::default(), &mut states, &mut y)
            .map_err(refused)?;
        made(y, (rows, self.d))
    }

    fn bwd(
        &self,
        tokens: &Tensor,
        bc: &Tensor,
        parameters: &Tensor,
        _y: &Tensor,
        dy: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let dy = dy.contiguous()?;
        let (packed, rows, all) = (Values::of(tokens)?, Values::of(bc)?, Values::of(parameters)?);
        let (read, constants) = self.unpack(&packed, &rows, &all);
        let (mut to_tokens, mut to_bc, mut to_parameters) =
            (vec![0.0; packed.len()], vec![0.0; rows.len()], vec![0.0; all.len()]);
        let one = packed.len() / self.parts;
        let (u, rest) = to_tokens.split_at_mut(one);
        let (delta, z) = rest.split_at_mut(one);
        // Without a gate the kernel wants room for its gradient all the same.
        let mut none = vec![0.0; if z.is_empty() { one } else { 0 }];
        let z = if z.is_empty() { &mut none[..] } else { z };
        let (a, rest) = to_parameters.split_at_mut(constants.a.len());
        let (skip, bias) = rest.split_at_mut(self.d);
        let gradients = Gradients { u, delta, bc: &mut to_bc[..], z, a, skip, bias };
        selective_scan_backward(read, constants, self.len, &Values::of(&dy)?, gradients).map_err(refused)?;
        Ok((gradient(to_tokens, tokens)?, gradient(to_bc, bc)?, gradient(to_parameters, parameters)?))
    }
}
