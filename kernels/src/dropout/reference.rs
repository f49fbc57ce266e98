//! Element by element.

use super::cpu::bits;

pub(super) fn dropout(x: &mut [f32], p: f32, key: u64) {
    for (i, v) in x.iter_mut().enumerate() {
        let unit = f64::from(bits(key, i as u32)) / 4_294_967_296.0;
        *v = if unit < f64::from(p) { 0.0 } else { *v / (1.0 - p) };
    }
}
