//! Signed residuals of hybrid matching: what was matched minus the token itself.
//!
//! `r[i] = mean of rows[matches[i][j]] over the matches that exist - x[i]`; without any match the mean is zero.
//!
//! # Shapes
//! x, r (m, d), rows (t, d), all row-major; matches (m, k), places among the rows or
//! [`NONE`], as [`nearest`](crate::nearest::nearest) leaves them.

mod cpu;
#[cfg(test)]
mod reference;
#[cfg(test)]
mod tests;

use crate::error::{Error, Result, check_len};
use crate::nearest::NONE;

/// Subtracts each row of `d` elements of `x` from the mean of its `k` matches.
///
/// # Errors
/// When d or k is 0, a length does not fit, or a match lies outside the rows.
pub fn matched_residual(
    x: &[f32],
    d: usize,
    rows: &[f32],
    matches: &[u32],
    k: usize,
    r: &mut [f32],
) -> Result<()> {
    const OP: &str = "matched_residual";
    let (m, t) = (x.len() / d.max(1), rows.len() / d.max(1));
    if d == 0 || k == 0 {
        let found = format!("{k} matches of rows of {d}");
        return Err(Error::Shape { op: OP, expected: "matches of rows with elements".into(), found });
    }
    check_len(OP, "x", m * d, x.len())?;
    check_len(OP, "rows", t * d, rows.len())?;
    check_len(OP, "matches", m * k, matches.len())?;
    check_len(OP, "r", m * d, r.len())?;
    if let Some(place) = matches.iter().find(|place| **place != NONE && **place as usize >= t) {
        let expected = format!("matches among {t} rows");
        return Err(Error::Shape { op: OP, expected, found: place.to_string() });
    }
    cpu::matched_residual(x, d, rows, matches, k, r);
    Ok(())
}
