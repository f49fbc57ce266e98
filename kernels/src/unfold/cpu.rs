//! Lines of windows over threads; lines of pixels are copied whole but where they reach over an edge.

use rayon::prelude::*;

use super::Window;
use crate::same::Same;

pub(super) fn unfold(x: &[f32], [height, width]: [usize; 2], window: Window, y: &mut [f32]) {
    let Window { side, step } = window;
    let (down, across) = (Same::new(height, side, step), Same::new(width, side, step));
    let row = x.len() / (height * width) * side * side;
    y.par_chunks_mut(across.outputs * row).enumerate().for_each(|(r, y)| {
        for (q, y) in y.chunks_exact_mut(row).enumerate() {
            // Pixels of a line that lie inside the image, and those of the window before them.
            let first = q * step;
            let skipped = across.before.saturating_sub(first).min(side);
            let from = (first + skipped).saturating_sub(across.before);
            let n = (side - skipped).min(width.saturating_sub(from));
            for (line, out) in y.chunks_exact_mut(side).enumerate() {
                out.fill(0.0);
                let above = r * step + line % side;
                if (down.before..height + down.before).contains(&above) {
                    let at = (line / side * height + above - down.before) * width + from;
                    out[skipped..skipped + n].copy_from_slice(&x[at..at + n]);
                }
            }
        }
    });
}
