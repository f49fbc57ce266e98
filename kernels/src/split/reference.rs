//! The rank of each place, counted.

/// Whether each place is in the lower part.
pub(super) fn is_low(values: &[f32], left_out: &[bool], fraction: f64) -> Vec<Option<bool>> {
    let out = |place: usize| left_out.get(place).is_some_and(|out| *out);
    let places: Vec<usize> = (0..values.len()).filter(|place| !out(*place)).collect();
    let count = (places.len() as f64 * fraction).round_ties_even() as usize;
    let before = |a: usize, b: usize| values[a] < values[b] || (values[a] == values[b] && a < b);
    let rank = |place: usize| places.iter().filter(|other| before(**other, place)).count();
    (0..values.len()).map(|place| (!out(place)).then(|| rank(place) < count)).collect()
}
