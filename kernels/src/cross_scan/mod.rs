//! The selective scan of a map in several directions (VMamba's cross scan, arXiv 2401.10166): each direction reads the cells
//! in an order of its own, with parameters of its own, and what they make of a cell is added up.
//!
//! For direction k, along its order, with \[dt | B | C\] the part of the cell's row that belongs to it, delta =
//! softplus(W_k dt + bias_k) and A_k < 0:
//!
//! h_t = exp(delta_t A_k) h_{t-1} + delta_t B_t u_t, y_k = C_t . h_t + D_k u_t
//!
//! y is the sum over the directions, and the mean of these sums over several [`Sweep`]s through the same map. The state
//! starts at zero in each sequence. A device has a body for up to 16 states.
//!
//! # Shapes
//! u, y (cells, d); rows (cells, directions (r + 2 n)), r being the rank of the step and n the number of states.

mod cpu;
mod cuda;
mod packed;
#[cfg(test)]
mod reference;
#[cfg(test)]
mod tests;

pub use packed::Directions;

use crate::device::cuda::check_floats;
use crate::device::{Buffer, BufferView, BufferViewMut, Place, apart};
use crate::error::{Error, Result, check_len};

const OP: &str = "cross_scan";

/// Channels that one thread scans together.
const LANES: usize = 16;

/// A way through all cells of a map, in every direction.
#[derive(Debug, Clone)]
pub struct Sweep {
    /// The cell at each place of the sequences of each direction, (directions, cells).
    orders: Vec<u32>,
    cells: usize,
    len: usize,
    /// Where it runs on a device.
    on_device: Option<cuda::Orders>,
}

/// What a scan needs beside its operands: it grows at the first call and is kept.
#[derive(Debug, Default)]
pub struct Workspace {
    host: cpu::Workspace,
    /// On a device, what each direction makes of the map, (sweeps directions, cells, d).
    parts: Buffer,
}

impl Sweep {
    /// Of `orders` (directions, cells) through a map of `cells`, in sequences of `len` cells.
    ///
    /// # Errors
    /// When the orders are no whole sequences through all cells, or one does not name each cell once.
    pub fn new(orders: Vec<u32>, cells: usize, len: usize) -> Result<Self> {
        let wrong = |expected: String, found: String| Err(Error::Shape { op: OP, expected, found });
        if cells == 0 || len == 0 || !cells.is_multiple_of(len) || !orders.len().is_multiple_of(cells) {
            let expected = format!("orders through {cells} cells in whole sequences");
            return wrong(expected, format!("{} places in sequences of {len}", orders.len()));
        }
        let mut seen = vec![false; cells];
        for order in orders.chunks_exact(cells) {
            seen.fill(false);
            order.iter().for_each(|cell| {
                if let Some(seen) = seen.get_mut(*cell as usize) {
                    *seen = true;
                }
            });
            if let Some(missing) = seen.iter().position(|seen| !seen) {
                return wrong(
                    format!("each of {cells} cells once in an order"),
                    format!("none of cell {missing}"),
                );
            }
        }
        Ok(Self { orders, cells, len, on_device: None })
    }

    /// The same way, ready to be gone at a place.
    ///
    /// # Errors
    /// When the device lacks the memory.
    pub fn at(&self, place: &Place) -> Result<Self> {
        let on_device = match place {
            Place::Host => None,
            Place::Cuda(_) => Some(cuda::Orders::new(place, &self.orders)?),
        };
        Ok(Self { on_device, ..self.clone() })
    }

    /// Number of directions.
    pub fn directions(&self) -> usize {
        self.orders.len() / self.cells
    }
}

/// Scans a map. `workspace` grows at the first call and is kept.
///
/// # Errors
/// When a length does not fit the directions, a sweep is through another map or has another number of directions, there is
/// no sweep, or operands live apart.
pub fn cross_scan<'a>(
    u: impl Into<BufferView<'a>>,
    rows: impl Into<BufferView<'a>>,
    directions: &Directions,
    sweeps: &[Sweep],
    workspace: &mut Workspace,
    y: impl Into<BufferViewMut<'a>>,
) -> Result<()> {
    let (u, rows, y) = (u.into(), rows.into(), y.into());
    let cells = u.len() / directions.channels().max(1);
    check_len(OP, "u", cells * directions.channels(), u.len())?;
    check_len(OP, "y", u.len(), y.len())?;
    check_len(OP, "rows", cells * directions.width(), rows.len())?;
    let fits = |sweep: &Sweep| (sweep.cells, sweep.directions()) == (cells, directions.count());
    if sweeps.is_empty() || !sweeps.iter().all(fits) {
        let expected = format!("sweeps of {cells} cells in {} directions", directions.count());
        let of = |sweep: &Sweep| format!("{} in {}", sweep.cells, sweep.directions());
        return Err(Error::Shape {
            op: OP,
            expected,
            found: sweeps.iter().map(of).collect::<Vec<_>>().join(", "),
        });
    }
    match (u, rows, directions.on_device(), y) {
        (_, _, _, y) if y.is_empty() => Ok(()),
        (BufferView::Host(u), BufferView::Host(rows), None, BufferViewMut::Host(y)) => {
            cpu::cross_scan(u, rows, directions, sweeps, &mut workspace.host, y);
            Ok(())
        }
        (BufferView::Cuda(u), BufferView::Cuda(rows), Some(weights), BufferViewMut::Cuda(y)) => {
            let [a, step, bias, skip] = weights;
            check_floats(OP, &y, &[&u, &rows, &a, &step, &bias, &skip, y.as_slice()])?;
            let len = sweeps.len() * directions.count() * y.len();
            cuda::room(&mut workspace.parts, Place::Cuda(y.queue().clone()), len)?;
            let parts = workspace.parts.view().there(OP)?;
            let sizes = [directions.count(), directions.channels(), directions.states(), directions.rank()];
            cuda::cross_scan([u, rows], sizes, weights, sweeps, parts, &y)
        }
        _ => Err(apart(OP)),
    }
}
