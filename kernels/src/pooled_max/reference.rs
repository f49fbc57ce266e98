//! Every window, in f64.

pub(super) fn pooled_max(x: &[f32], w: usize, window: usize, stride: usize) -> f32 {
    let h = x.len() / w;
    let (wh, ww) = (window.min(h), window.min(w));
    let mut best = f64::NEG_INFINITY;
    for row in (0..=h - wh).step_by(stride) {
        for col in (0..=w - ww).step_by(stride) {
            let sum: f64 = (row..row + wh).flat_map(|r| &x[r * w + col..][..ww]).map(|v| f64::from(*v)).sum();
            best = best.max(sum / (wh * ww) as f64);
        }
    }
    best as f32
}

pub(super) fn peak(x: &[f32]) -> f32 {
    x.iter().copied().fold(0.0, f32::max)
}
