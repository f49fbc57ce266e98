//! Element by element.

use super::Window;

pub(super) fn unfold(x: &[f32], [height, width]: [usize; 2], window: Window, y: &mut [f32]) {
    let Window { side, step } = window;
    let before = |n: usize| ((n.div_ceil(step) - 1) * step + side).saturating_sub(n) / 2;
    let (cols, row) = (width.div_ceil(step), x.len() / (height * width) * side * side);
    for (i, y) in y.iter_mut().enumerate() {
        let (output, element) = (i / row, i % row);
        let (plane, line, col) = (element / (side * side), element / side % side, element % side);
        let (r, q) = (output / cols * step + line, output % cols * step + col);
        let (above, left) = (before(height), before(width));
        let inside = (above..height + above).contains(&r) && (left..width + left).contains(&q);
        *y = if inside { x[(plane * height + r - above) * width + q - left] } else { 0.0 };
    }
}
