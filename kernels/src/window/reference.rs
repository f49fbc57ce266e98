//! Pixel by pixel.

use super::PixelRect;

pub(super) fn extend(x: &mut [f32], w: usize, window: PixelRect) {
    let old = x.to_vec();
    for (i, v) in x.iter_mut().enumerate() {
        let column = (i % w).clamp(window.x, window.x + window.width - 1);
        let row = (i / w).clamp(window.y, window.y + window.height - 1);
        *v = old[row * w + column];
    }
}

pub(super) fn clear(x: &mut [f32], w: usize, window: PixelRect) {
    for (i, v) in x.iter_mut().enumerate() {
        let inside = (window.x..window.x + window.width).contains(&(i % w))
            && (window.y..window.y + window.height).contains(&(i / w));
        *v = if inside { *v } else { 0.0 };
    }
}
