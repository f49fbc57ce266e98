//! For each element of y, the last value that goes there.

pub(super) fn scatter(x: &[f32], places: &[u32], column: usize, d: usize, y: &mut [f32]) {
    for (at, y) in y.iter_mut().enumerate().filter(|(at, _)| at % d == column) {
        if let Some(i) = places.iter().rposition(|place| *place as usize == at / d) {
            *y = x[i];
        }
    }
}
