//! The formula, in f64.

pub(super) fn relative_change(a: &[f32], b: &[f32], d: usize, left_out: &[bool]) -> f64 {
    let counts = |i: &usize| !left_out.get(i / d).is_some_and(|out| *out);
    let of = |f: &dyn Fn(f64, f64) -> f64| -> f64 {
        (0..a.len()).filter(counts).map(|i| f(f64::from(a[i]), f64::from(b[i])).powi(2)).sum()
    };
    (of(&|a, b| a - b) / of(&|_, b| b).max(f64::MIN_POSITIVE)).sqrt()
}
