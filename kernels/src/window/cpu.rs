//! Rows are filled and copied whole.

use super::PixelRect;

pub(super) fn extend(map: &mut [f32], w: usize, window: PixelRect) {
    let PixelRect { x, y, width, height } = window;
    if width * height == map.len() {
        return;
    }
    for row in map.chunks_exact_mut(w).skip(y).take(height) {
        let (first, last) = (row[x], row[x + width - 1]);
        row[..x].fill(first);
        row[x + width..].fill(last);
    }
    let (above, rest) = map.split_at_mut(y * w);
    let (seen, below) = rest.split_at_mut(height * w);
    above.chunks_exact_mut(w).for_each(|row| row.copy_from_slice(&seen[..w]));
    below.chunks_exact_mut(w).for_each(|row| row.copy_from_slice(&seen[(height - 1) * w..]));
}

pub(super) fn clear(map: &mut [f32], w: usize, window: PixelRect) {
    let (columns, rows) = (window.x..window.x + window.width, window.y..window.y + window.height);
    for (y, row) in map.chunks_exact_mut(w.max(1)).enumerate() {
        let (left, right) = if rows.contains(&y) { (columns.start, columns.end) } else { (w, w) };
        row[..left].fill(0.0);
        row[right..].fill(0.0);
    }
}
