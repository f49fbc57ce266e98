//! What tensors a decoder of some sizes has: those that it reads.

use std::cell::RefCell;

use super::Reconstruction;
use super::shape::{Kind, Shape};
use crate::error::Result;
use crate::layers::Made;

/// Names and shapes of all tensors that a decoder reads, in that order.
///
/// # Errors
/// When the sizes are none of the family.
pub fn tensors(kind: &'static Kind, shape: &Shape) -> Result<Vec<(String, Vec<usize>)>> {
    let all = RefCell::new(Vec::new());
    let record = |name: &str, shape: &[usize]| {
        all.borrow_mut().push((name.to_owned(), shape.to_vec()));
        Ok(vec![1.0; shape.iter().product()])
    };
    Reconstruction::of(kind, shape, &Made(&record))?;
    Ok(all.into_inner())
}
