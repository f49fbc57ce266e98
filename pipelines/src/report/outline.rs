//! The outline of a mask as an SVG path.

use std::fmt::Write;

use snarm_core::dataset::Mask;

/// The outline of the defective parts on a grid of `width` x `height` cells; a cell belongs to them if any of its pixels
/// does, so that small defects are not lost. `None` where nothing is marked.
pub(super) fn path(mask: &Mask, width: usize, height: usize) -> Option<String> {
    let cells = cells(mask, width, height);
    if !cells.contains(&true) {
        return None;
    }
    let at = |x: usize, y: usize| {
        // Before the first and behind the last there is nothing.
        (1..=width).contains(&x) && (1..=height).contains(&y) && cells[(y - 1) * width + x - 1]
    };
    let mut path = String::new();
    for y in 0..=height {
        for (start, length) in runs(width, |x| at(x + 1, y) != at(x + 1, y + 1)) {
            let _ = write!(path, "M{start} {y}h{length}");
        }
    }
    for x in 0..=width {
        for (start, length) in runs(height, |y| at(x, y + 1) != at(x + 1, y + 1)) {
            let _ = write!(path, "M{x} {start}v{length}");
        }
    }
    Some(path)
}

fn cells(mask: &Mask, width: usize, height: usize) -> Vec<bool> {
    let mut cells = vec![false; width * height];
    for (i, _) in mask.data.iter().enumerate().filter(|(_, marked)| **marked) {
        let (x, y) = (i % mask.width * width / mask.width, i / mask.width * height / mask.height);
        cells[y * width + x] = true;
    }
    cells
}

/// Start and length of each run of numbers below `n` that fit.
fn runs(n: usize, fits: impl Fn(usize) -> bool) -> Vec<(usize, usize)> {
    let mut runs: Vec<(usize, usize)> = Vec::new();
    for i in (0..n).filter(|i| fits(*i)) {
        match runs.last_mut() {
            Some((start, length)) if *start + *length == i => *length += 1,
            _ => runs.push((i, 1)),
        }
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_has_four_sides_and_small_defects_stay() {
        let mut mask = Mask::empty(8, 8);
        assert_eq!(path(&mask, 4, 4), None);
        mask.data[8 * 3 + 5] = true;
        assert_eq!(path(&mask, 4, 4).unwrap(), "M2 1h1M2 2h1M2 1v1M3 1v1");
        let full = Mask { data: vec![true; 64], width: 8, height: 8 };
        assert_eq!(path(&full, 2, 2).unwrap(), "M0 0h2M0 2h2M0 0v2M2 0v2");
    }
}
