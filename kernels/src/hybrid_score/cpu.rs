//! Square roots alone: a fourth root is two of them.

use crate::simd::dispatch;

pub(super) fn mean_distances(squared: &[f32], k: usize, distances: &mut [f32]) {
    dispatch(
        #[inline(always)]
        || {
            for (distance, squared) in distances.iter_mut().zip(squared.chunks_exact(k.max(1))) {
                let found = squared.iter().filter(|squared| squared.is_finite());
                let count = found.clone().count().max(1) as f32;
                *distance = found.map(|squared| squared.sqrt()).sum::<f32>() / count;
            }
        },
    );
}

pub(super) fn hybrid_score(distances: &[f32], squared: &[f32], scores: &mut [f32]) {
    dispatch(
        #[inline(always)]
        || {
            for ((score, s), squared) in scores.iter_mut().zip(distances).zip(squared) {
                *score = (s * s * s * squared.sqrt()).sqrt().sqrt();
            }
        },
    );
}
