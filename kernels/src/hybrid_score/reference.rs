//! The formulas, in f64.

pub(super) fn mean_distances(squared: &[f32], k: usize, distances: &mut [f32]) {
    for (distance, squared) in distances.iter_mut().zip(squared.chunks_exact(k)) {
        let found: Vec<f64> =
            squared.iter().filter(|d| d.is_finite()).map(|d| f64::from(*d).sqrt()).collect();
        *distance = (found.iter().sum::<f64>() / found.len().max(1) as f64) as f32;
    }
}

pub(super) fn hybrid_score(distances: &[f32], squared: &[f32], scores: &mut [f32]) {
    for ((score, s), squared) in scores.iter_mut().zip(distances).zip(squared) {
        *score = (f64::from(*s).powf(0.75) * f64::from(*squared).powf(0.125)) as f32;
    }
}
