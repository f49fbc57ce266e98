//! One value after the other: there are few of them.

pub(super) fn scatter(x: &[f32], places: &[u32], column: usize, d: usize, y: &mut [f32]) {
    for (x, place) in x.iter().zip(places) {
        y[*place as usize * d + column] = *x;
    }
}
