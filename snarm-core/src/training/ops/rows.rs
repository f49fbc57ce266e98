//! Rows in other places.

use std::sync::Arc;

use candle_core::{CpuStorage, CustomOp1, CustomOp2, Layout, Result, Shape, Tensor, bail};
use snarm_kernels::gather::{KEEP, gather};

use super::{Values, composed, gradient, made, on_kernels, refused, slice, width};

/// Row i of the result is row from\[i\] of x (rows, c); rows may be taken more than once.
///
/// # Errors
/// When a place lies outside x.
pub fn take(x: &Tensor, from: Arc<Vec<u32>>) -> Result<Tensor> {
    if from.contains(&KEEP) {
        bail!("take: expected a place for each row");
    }
    if !on_kernels(x) {
        return composed::take(x, from);
    }
    x.apply_op1(Take { from })
}

/// x (rows, c) with row i replaced by row from\[i\] of `by`, where from\[i\] is not [`KEEP`].
///
/// # Errors
/// When a place lies outside `by`, or there is not a place for each row.
pub fn replace(x: &Tensor, by: &Tensor, from: Arc<Vec<u32>>) -> Result<Tensor> {
    if !on_kernels(x) {
        return composed::replace(x, by, from);
    }
    x.apply_op2(by, Replace { from })
}

struct Take {
    from: Arc<Vec<u32>>,
}

impl CustomOp1 for Take {
    fn name(&self) -> &'static str {
        "take"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let c = layout.dims().last().copied().unwrap_or(1);
        let mut y = vec![0.0; self.from.len() * c];
        gather(slice(x, layout)?, c, &*self.from, &mut y).map_err(refused)?;
        made(y, (self.from.len(), c))
    }

    fn bwd(&self, x: &Tensor, _y: &Tensor, dy: &Tensor) -> Result<Option<Tensor>> {
        let (c, dy) = (width(x), dy.contiguous()?);
        let mut dx = vec![0.0; x.elem_count()];
        for (place, dy) in self.from.iter().zip(Values::of(&dy)?.chunks_exact(c)) {
            dx[*place as usize * c..][..c].iter_mut().zip(dy).for_each(|(dx, dy)| *dx += dy);
        }
        gradient(dx, x)
    }
}

struct Replace {
    from: Arc<Vec<u32>>,
}

impl CustomOp2 for Replace {
    fn name(&self) -> &'static str {
        "replace"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_l: &Layout,
        by: &CpuStorage,
        by_l: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let c = x_l.dims().last().copied().unwrap_or(1);
        let mut y = slice(x, x_l)?.to_vec();
        gather(slice(by, by_l)?, c, &*self.from, &mut y).map_err(refused)?;
        made(y, x_l.shape().clone())
    }

    fn bwd(
        &self,
        x: &Tensor,
        by: &Tensor,
        _y: &Tensor,
        dy: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let (c, dy) = (width(x), dy.contiguous()?);
        let mut dx = Values::of(&dy)?.to_vec();
        let mut dby = vec![0.0; by.elem_count()];
        for (place, row) in self.from.iter().zip(dx.chunks_exact_mut(c)) {
            if *place != KEEP {
                dby[*place as usize * c..][..c].iter_mut().zip(&*row).for_each(|(dby, dy)| *dby += dy);
                row.fill(0.0);
            }
        }
        Ok((gradient(dx, x)?, gradient(dby, by)?))
    }
}
