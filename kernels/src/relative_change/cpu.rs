//! Row by row in f32, the rows in f64.

pub(super) fn relative_change(a: &[f32], b: &[f32], d: usize, left_out: &[bool]) -> f64 {
    let (mut difference, mut length) = (0.0_f64, 0.0_f64);
    for (row, (a, b)) in a.chunks_exact(d).zip(b.chunks_exact(d)).enumerate() {
        if left_out.get(row).copied().unwrap_or(false) {
            continue;
        }
        let (mut apart, mut long) = (0.0_f32, 0.0_f32);
        for (a, b) in a.iter().zip(b) {
            apart += (a - b) * (a - b);
            long += b * b;
        }
        difference += f64::from(apart);
        length += f64::from(long);
    }
    (difference / length.max(f64::MIN_POSITIVE)).sqrt()
}
