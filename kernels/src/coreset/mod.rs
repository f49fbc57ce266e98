//! Greedy coreset: each pick is the point farthest from all picks before it (PatchCore's approximate form).
//!
//! The score of a point falls to the distance of the nearest pick. Each step takes the point of the highest score (the
//! first among equals). A point is picked once. A search starts from the mean distances to a few points, as published.
//!
//! # Shapes
//! points (n, d) row-major -> at most n indices, in the order of picking.

mod cpu;
#[cfg(test)]
mod reference;
#[cfg(test)]
mod tests;

use crate::device::BufferView;
use crate::error::{Error, Result, check_len};

const OP: &str = "coreset";

/// Picks `count` of the points of width `d`. The score of a point starts as its mean distance to the points `starts`.
/// `progress` hears the number of picks now and then; when it returns false the search ends early with the picks made so
/// far.
///
/// # Errors
/// When a length or a starting index does not fit, or an operand lives on a device.
pub fn greedy<'a>(
    points: impl Into<BufferView<'a>>,
    d: usize,
    starts: &[usize],
    count: usize,
    progress: &mut dyn FnMut(usize) -> bool,
) -> Result<Vec<u32>> {
    let points = points.into().host(OP)?;
    let n = points.len() / d.max(1);
    check_len(OP, "points", n * d, points.len())?;
    if starts.is_empty() || starts.iter().any(|start| *start >= n) {
        let expected = format!("at least one starting point, all below {n}");
        return Err(Error::Shape { op: OP, expected, found: format!("{starts:?}") });
    }
    Ok(cpu::greedy(points, d, starts, count.min(n), progress))
}
