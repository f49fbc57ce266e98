//! Signed residuals of hybrid matching: what was matched minus the token itself.
//!
//! `r[i] = mean of rows[matches[i][j]] over the matches that exist - x[i]`; without any match the mean is zero.
//!
//! # Shapes
//! x, r (m, d), rows (t, d), all row-major; matches (m, k), places among the rows or
//! [`NONE`], as [`nearest`](crate::nearest::nearest) leaves them.

mod cpu;
mod cuda;
#[cfg(test)]
mod reference;
#[cfg(test)]
mod tests;

use crate::device::cuda::{check_floats, check_queue};
use crate::device::{BufferView, BufferViewMut, apart};
use crate::error::{Error, Result, check_len};
use crate::nearest::NONE;

/// Subtracts each row of `d` elements of `x` from the mean of its `k` matches. On a device a match outside the rows counts as
/// none.
///
/// # Errors
/// When d or k is 0, a length does not fit, a match of the host lies outside the rows, or operands live apart.
pub fn matched_residual<'a>(
    x: impl Into<BufferView<'a>>,
    d: usize,
    rows: impl Into<BufferView<'a>>,
    matches: impl Into<BufferView<'a, u32>>,
    k: usize,
    r: impl Into<BufferViewMut<'a>>,
) -> Result<()> {
    const OP: &str = "matched_residual";
    let (x, rows, matches, r) = (x.into(), rows.into(), matches.into(), r.into());
    let (m, t) = (x.len() / d.max(1), rows.len() / d.max(1));
    if d == 0 || k == 0 {
        let found = format!("{k} matches of rows of {d}");
        return Err(Error::Shape { op: OP, expected: "matches of rows with elements".into(), found });
    }
    check_len(OP, "x", m * d, x.len())?;
    check_len(OP, "rows", t * d, rows.len())?;
    check_len(OP, "matches", m * k, matches.len())?;
    check_len(OP, "r", m * d, r.len())?;
    match (x, rows, matches, r) {
        (BufferView::Host(x), BufferView::Host(rows), BufferView::Host(matches), BufferViewMut::Host(r)) => {
            if let Some(place) = matches.iter().find(|place| **place != NONE && **place as usize >= t) {
                let expected = format!("matches among {t} rows");
                return Err(Error::Shape { op: OP, expected, found: place.to_string() });
            }
            cpu::matched_residual(x, d, rows, matches, k, r);
            Ok(())
        }
        (BufferView::Cuda(x), BufferView::Cuda(rows), BufferView::Cuda(matches), BufferViewMut::Cuda(r)) => {
            check_floats(OP, &r, &[&x, &rows, r.as_slice()])?;
            check_queue(OP, &r, &[&matches])?;
            cuda::matched_residual(x, d, rows, matches, k, &r)
        }
        _ => Err(apart(OP)),
    }
}
