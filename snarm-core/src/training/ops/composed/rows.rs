//! Rows in other places, gathered in both directions.

use std::sync::Arc;

use candle_core::backend::{BackendDevice, BackendStorage};
use candle_core::{CpuStorage, CudaStorage, CustomOp1, Layout, Result, Shape, Tensor, bail};
use snarm_kernels::gather::KEEP;

use super::super::width;

/// Row i is row from\[i\] of x.
pub(in super::super) fn take(x: &Tensor, from: Arc<Vec<u32>>) -> Result<Tensor> {
    let rows = x.elem_count() / width(x).max(1);
    // A GPU stops for good at a place outside.
    if let Some(place) = from.iter().find(|place| **place != KEEP && **place as usize >= rows) {
        bail!("take: expected places among {rows} rows, found {place}");
    }
    x.contiguous()?.apply_op1(Gather { from })
}

/// x with row i replaced by row from\[i\] of `by`, where from\[i\] is not [`KEEP`].
pub(in super::super) fn replace(x: &Tensor, by: &Tensor, from: Arc<Vec<u32>>) -> Result<Tensor> {
    if from.len() * width(x) != x.elem_count() {
        bail!("replace: expected a place for each row of {:?}, found {}", x.dims(), from.len());
    }
    let taken: Vec<u8> = from.iter().map(|place| u8::from(*place != KEEP)).collect();
    let taken = Tensor::from_vec(taken, (from.len(), 1), x.device())?.broadcast_as(x.shape())?;
    taken.contiguous()?.where_cond(&take(by, from)?, x)
}

/// Rows from places; a row of zeros where the place is [`KEEP`], as candle's `index_select` understands the largest
/// index.
struct Gather {
    from: Arc<Vec<u32>>,
}

impl Gather {
    /// The same on every device.
    fn run<S>(&self, x: &S, layout: &Layout) -> Result<(S, Shape)>
    where
        S: BackendStorage,
        S::Device: BackendDevice<Storage = S>,
    {
        let c = layout.dims().last().copied().unwrap_or(1);
        let places = x.device().storage_from_slice(&self.from)?;
        let rows = self.from.len();
        let y = x.index_select(&places, layout, &Layout::contiguous(rows), 0)?;
        Ok((y, (rows, c).into()))
    }

    /// For each row of x, where its first copy went, then for each row the second one, and so on: as many tables as the
    /// row that is taken most often needs.
    fn copies(&self, rows: usize) -> Vec<Vec<u32>> {
        let (mut tables, mut taken) = (Vec::new(), vec![0; rows]);
        for (to, place) in self.from.iter().enumerate().filter(|(_, place)| **place != KEEP) {
            let count = &mut taken[*place as usize];
            if *count == tables.len() {
                tables.push(vec![KEEP; rows]);
            }
            tables[*count][*place as usize] = to as u32;
            *count += 1;
        }
        tables
    }
}

impl CustomOp1 for Gather {
    fn name(&self) -> &'static str {
        "gather"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        self.run(x, layout)
    }

    fn cuda_fwd(&self, x: &CudaStorage, layout: &Layout) -> Result<(CudaStorage, Shape)> {
        self.run(x, layout)
    }

    fn bwd(&self, x: &Tensor, _y: &Tensor, dy: &Tensor) -> Result<Option<Tensor>> {
        let (dy, rows) = (dy.contiguous()?, x.elem_count() / width(x).max(1));
        let mut sum: Option<Tensor> = None;
        for table in self.copies(rows) {
            let part = dy.index_select(&Tensor::from_vec(table, rows, dy.device())?, 0)?;
            sum = Some(match sum {
                None => part,
                Some(sum) => (sum + part)?,
            });
        }
        sum.map(|dx| dx.reshape(x.shape())).transpose()
    }
}
