//! What tensors a decoder of some sizes has: those that it reads.

use snarm_kernels::Precision;

use super::Reconstruction;
use super::shape::{Kind, Shape};
use crate::error::Result;
use crate::layers::recorded;

/// Names and shapes of all tensors that a decoder reads, in that order.
///
/// # Errors
/// When the sizes are none of the family.
pub fn tensors(kind: &'static Kind, shape: &Shape) -> Result<Vec<(String, Vec<usize>)>> {
    recorded(|tensors| Reconstruction::of(kind, shape, tensors, Precision::F32))
}
