//! Raw score of a token from the distances of hybrid matching: S^(3/4) T^(1/4), S being the mean distance to the nearest
//! rows of the bank, T the distance to the nearest trusted token of the frame.
//!
//! # Shapes
//! `mean_distances`: squared distances (n, k) row-major -> distances (n). Infinite ones, where fewer than k rows exist, do
//! not count; a token that matched nothing has distance 0.
//! `hybrid_score`: S (n), squared T (n) -> scores (n).

mod cpu;
mod cuda;
#[cfg(test)]
mod reference;
#[cfg(test)]
mod tests;

use crate::device::cuda::check_floats;
use crate::device::{BufferView, BufferViewMut, apart};
use crate::error::{Result, check_len};

/// Mean distance of each token to its `k` nearest rows.
///
/// # Errors
/// When there are not k squared distances for each element of `distances`, or operands live apart.
pub fn mean_distances<'a>(
    squared: impl Into<BufferView<'a>>,
    k: usize,
    distances: impl Into<BufferViewMut<'a>>,
) -> Result<()> {
    let (squared, distances) = (squared.into(), distances.into());
    check_len("mean_distances", "squared distances", distances.len() * k, squared.len())?;
    match (squared, distances) {
        (BufferView::Host(squared), BufferViewMut::Host(distances)) => {
            cpu::mean_distances(squared, k, distances);
            Ok(())
        }
        (BufferView::Cuda(squared), BufferViewMut::Cuda(distances)) => {
            check_floats("mean_distances", &distances, &[&squared, distances.as_slice()])?;
            cuda::mean_distances(squared, k, &distances)
        }
        _ => Err(apart("mean_distances")),
    }
}

/// Raw score of each token.
///
/// # Errors
/// When the lengths differ, or operands live apart.
pub fn hybrid_score<'a>(
    distances: impl Into<BufferView<'a>>,
    squared: impl Into<BufferView<'a>>,
    scores: impl Into<BufferViewMut<'a>>,
) -> Result<()> {
    let (distances, squared, scores) = (distances.into(), squared.into(), scores.into());
    check_len("hybrid_score", "distances to the bank", scores.len(), distances.len())?;
    check_len("hybrid_score", "distances to trusted tokens", scores.len(), squared.len())?;
    match (distances, squared, scores) {
        (BufferView::Host(distances), BufferView::Host(squared), BufferViewMut::Host(scores)) => {
            cpu::hybrid_score(distances, squared, scores);
            Ok(())
        }
        (BufferView::Cuda(distances), BufferView::Cuda(squared), BufferViewMut::Cuda(scores)) => {
            check_floats("hybrid_score", &scores, &[&distances, &squared, scores.as_slice()])?;
            cuda::hybrid_score(distances, squared, &scores)
        }
        _ => Err(apart("hybrid_score")),
    }
}
