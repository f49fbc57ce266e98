//! Pyramid-Mamba (Iqbal et al. 2025, arXiv 2504.03442): as MambaAD, with rows and columns in place of a curve, both ways;
//! the same weights also scan each quarter of a map, and the mean of the two is taken. What it consists of is in
//! [`reconstruction`](super::reconstruction).

use crate::models::reconstruction::Kind;
use crate::models::scan_order::Curve;

/// The family.
pub static KIND: Kind =
    Kind { family: "pyramid-mamba", curve: Some(Curve::Sweep), directions: &[4], quarters: true };
