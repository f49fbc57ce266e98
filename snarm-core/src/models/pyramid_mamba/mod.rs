//! Pyramid-Mamba (Iqbal et al. 2025, arXiv 2504.03442): as MambaAD, with rows and columns in place of a curve, both ways;
//! the same weights also scan each quarter of a map, and the mean of the two is taken. What it consists of is in
//! [`reconstruction`](super::reconstruction).

use crate::error::Result;
use crate::files::Weights;
use crate::models::reconstruction::{Kind, Reconstruction};
use crate::models::scan_order::Curve;

/// The family.
pub static KIND: Kind =
    Kind { family: "pyramid-mamba", curve: Some(Curve::Sweep), directions: &[4], quarters: true };

/// Reads a decoder: a published checkpoint or a file of our own.
///
/// # Errors
/// As [`Reconstruction::from_weights`].
pub fn from_weights(file: &Weights) -> Result<Reconstruction> {
    Reconstruction::from_weights(&KIND, file)
}
