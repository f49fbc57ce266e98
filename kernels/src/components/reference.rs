//! Flood fill from each pixel in turn.

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
