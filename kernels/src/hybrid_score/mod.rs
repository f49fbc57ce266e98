//! Raw score of a token from the distances of hybrid matching: S^(3/4) T^(1/4), S being the mean distance to the nearest
//! rows of the bank, T the distance to the nearest trusted token of the frame.
//!
//! # Shapes
//! `mean_distances`: squared distances (n, k) row-major -> distances (n). Infinite ones, where fewer than k rows exist, do
//! not count; a token that matched nothing has distance 0.
//! `hybrid_score`: S (n), squared T (n) -> scores (n).

mod cpu;
#[cfg(test)]
mod reference;
#[cfg(test)]
mod tests;

use crate::error::{Result, check_len};

/// Mean distance of each token to its `k` nearest rows.
///
/// # Errors
/// When there are not k squared distances for each element of `distances`.
pub fn mean_distances(squared: &[f32], k: usize, distances: &mut [f32]) -> Result<()> {
    check_len("mean_distances", "squared distances", distances.len() * k, squared.len())?;
    cpu::mean_distances(squared, k, distances);
    Ok(())
}

/// Raw score of each token.
///
/// # Errors
/// When the lengths differ.
pub fn hybrid_score(distances: &[f32], squared: &[f32], scores: &mut [f32]) -> Result<()> {
    check_len("hybrid_score", "distances to the bank", scores.len(), distances.len())?;
    check_len("hybrid_score", "distances to trusted tokens", scores.len(), squared.len())?;
    cpu::hybrid_score(distances, squared, scores);
    Ok(())
}
