//! Where marked tokens lie in maps that hold all tokens, each map in one of several orders: a list of their rows, and the way
//! back.
//!
//! # Shapes
//! parts (n): a token is marked where it is [`HIGH`]. orders (turns, n): the token at each position. Maps of one order follow each
//! other, `each` of them -> rows (turns * each, marked): the rows of the marked tokens of each map, ascending, counted through
//! all maps; places (turns * each, n): for each row its place in `rows`, or [`KEEP`].

mod cpu;
mod cuda;
#[cfg(test)]
mod reference;
#[cfg(test)]
mod tests;

use crate::device::cuda::check_queue;
use crate::device::{BufferView, BufferViewMut, apart};
use crate::error::{Error, Result, check_len};
pub use crate::gather::KEEP;
pub use crate::split::HIGH;

const OP: &str = "mark";

/// Lists the rows of marked tokens. On a device, whose marks are not known here, rows beside those of marked tokens stay as they
/// are, and a token outside of all is not marked.
///
/// # Errors
/// When a length does not fit, operands live apart, or on the host another number of tokens is marked than `rows` has room
/// for, or an order names a token outside.
pub fn mark<'a>(
    parts: impl Into<BufferView<'a, u32>>,
    orders: impl Into<BufferView<'a, u32>>,
    each: usize,
    rows: impl Into<BufferViewMut<'a, u32>>,
    places: impl Into<BufferViewMut<'a, u32>>,
) -> Result<()> {
    let (parts, orders, rows, places) = (parts.into(), orders.into(), rows.into(), places.into());
    let n = parts.len();
    let turns = orders.len() / n.max(1);
    let maps = turns * each;
    let marked = rows.len() / maps.max(1);
    check_len(OP, "orders", turns * n, orders.len())?;
    check_len(OP, "places", maps * n, places.len())?;
    check_len(OP, "rows", maps * marked, rows.len())?;
    match (parts, orders, rows, places) {
        (
            BufferView::Host(parts),
            BufferView::Host(orders),
            BufferViewMut::Host(rows),
            BufferViewMut::Host(places),
        ) => {
            check_len(OP, "marked tokens", marked, parts.iter().filter(|part| **part == HIGH).count())?;
            let mut seen = vec![0_usize; n];
            for token in orders {
                let Some(seen) = seen.get_mut(*token as usize) else {
                    let expected = format!("tokens among {n}");
                    return Err(Error::Shape { op: OP, expected, found: token.to_string() });
                };
                *seen += 1;
            }
            if seen.iter().any(|times| *times != turns) {
                let expected = "every token once in each order".to_owned();
                return Err(Error::Shape { op: OP, expected, found: "others".to_owned() });
            }
            cpu::mark(parts, orders, [each, marked], rows, places);
            Ok(())
        }
        (
            BufferView::Cuda(parts),
            BufferView::Cuda(orders),
            BufferViewMut::Cuda(rows),
            BufferViewMut::Cuda(places),
        ) => {
            check_queue(OP, &places, &[&parts, &orders, rows.as_slice()])?;
            cuda::mark(parts, orders, [each, marked], &rows, &places)
        }
        _ => Err(apart(OP)),
    }
}
