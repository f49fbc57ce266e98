//! Flood fill from each pixel in turn.

use super::Part;

pub(super) fn components(mask: &[bool], w: usize) -> (Vec<u32>, usize) {
    let h = mask.len() / w;
    let mut labels = vec![0; mask.len()];
    let mut n = 0;
    for start in 0..mask.len() {
        if !mask[start] || labels[start] != 0 {
            continue;
        }
        n += 1;
        let mut open = vec![start];
        while let Some(i) = open.pop() {
            if !mask[i] || labels[i] != 0 {
                continue;
            }
            labels[i] = n as u32;
            for row in (i / w).saturating_sub(1)..(i / w + 2).min(h) {
                for col in (i % w).saturating_sub(1)..(i % w + 2).min(w) {
                    open.push(row * w + col);
                }
            }
        }
    }
    (labels, n)
}

/// The pixels of the component of that label, each counted alone.
pub(super) fn part(x: &[f32], w: usize, labels: &[u32], label: u32) -> Part {
    let pixels: Vec<usize> = (0..x.len()).filter(|i| labels[*i] == label).collect();
    let (columns, rows) = (|| pixels.iter().map(|i| i % w), || pixels.iter().map(|i| i / w));
    let centre = |at: usize| at as f64 + 0.5;
    Part {
        left: columns().min().unwrap_or_default(),
        top: rows().min().unwrap_or_default(),
        right: columns().max().map_or(0, |last| last + 1),
        bottom: rows().max().map_or(0, |last| last + 1),
        pixels: pixels.len(),
        x: columns().map(centre).sum(),
        y: rows().map(centre).sum(),
        sum: pixels.iter().map(|i| f64::from(x[*i])).sum(),
        peak: pixels.iter().map(|i| x[*i]).fold(0.0, f32::max),
    }
}
