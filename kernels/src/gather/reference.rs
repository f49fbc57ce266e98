//! Element by element.

use super::KEEP;

pub(super) fn gather(x: &[f32], d: usize, from: &[u32], y: &mut [f32]) {
    for (i, y) in y.iter_mut().enumerate() {
        if from[i / d] != KEEP {
            *y = x[from[i / d] as usize * d + i % d];
        }
    }
}
