//! The ways of the scans through square maps.

use snarm_kernels::cross_scan::Sweep;

use super::shape::{Kind, Shape};
use crate::error::Result;
use crate::models::scan_order::scan_order;

/// The numbers of the directions that a decoder of so many reads, see [`scan_order`]: whatever it reads it reads backwards, too.
fn directions(count: usize) -> impl Iterator<Item = usize> {
    (0..count / 2).chain(4..4 + count / 2)
}

/// The sweeps through a map of `side` x `side` cells.
///
/// # Errors
/// When the side is odd and quarters are scanned.
pub(super) fn sweeps(kind: &Kind, shape: &Shape, side: usize) -> Result<Vec<Sweep>> {
    let made = orders(kind, shape, side).into_iter();
    made.map(|(orders, len)| Ok(Sweep::new(orders, side * side, len)?)).collect()
}

/// For each sweep, the cell at each place of each direction, (directions, cells), and the length of a sequence.
pub(crate) fn orders(kind: &Kind, shape: &Shape, side: usize) -> Vec<(Vec<u32>, usize)> {
    let whole = |direction: usize| scan_order(shape.curve, side, direction);
    let mut all = vec![(directions(shape.directions).flat_map(whole).collect(), side * side)];
    if kind.quarters {
        let half = side / 2;
        let quarters = |direction: usize| {
            let order = scan_order(shape.curve, half, direction);
            (0..4).flat_map(move |quarter| {
                let (row, column) = (quarter / 2 * half, quarter % 2 * half);
                let place =
                    move |cell: u32| (row + cell as usize / half) * side + column + cell as usize % half;
                order.clone().into_iter().map(move |cell| place(cell) as u32)
            })
        };
        all.push((directions(shape.directions).flat_map(quarters).collect(), half * half));
    }
    all
}
