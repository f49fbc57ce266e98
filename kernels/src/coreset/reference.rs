//! Every score after every pick.

use crate::math::squared_distance;

pub(super) fn greedy(points: &[f32], d: usize, starts: &[usize], count: usize) -> Vec<u32> {
    let row = |i: usize| &points[i * d..][..d];
    let distance = |a: usize, b: usize| squared_distance(row(a), row(b)).sqrt();
    let n = points.len() / d;
    let mean = |i: usize| starts.iter().map(|s| distance(i, *s)).sum::<f32>() / starts.len() as f32;
    let (mut scores, mut picks): (Vec<f32>, Vec<u32>) = ((0..n).map(mean).collect(), Vec::new());
    while picks.len() < count {
        let free = (0..n).filter(|i| !picks.contains(&(*i as u32)));
        let best = free.max_by(|a, b| scores[*a].total_cmp(&scores[*b]).then(b.cmp(a))).unwrap();
        picks.push(best as u32);
        for (i, score) in scores.iter_mut().enumerate() {
            *score = score.min(distance(i, best));
        }
    }
    picks
}
