//! Map after map.

use super::{HIGH, KEEP};

pub(super) fn mark(
    parts: &[u32],
    orders: &[u32],
    [each, marked]: [usize; 2],
    rows: &mut [u32],
    places: &mut [u32],
) {
    let n = parts.len();
    for (map, own) in places.chunks_exact_mut(n.max(1)).enumerate() {
        let mut found = 0;
        for (position, (place, token)) in own.iter_mut().zip(&orders[map / each * n..]).enumerate() {
            *place = KEEP;
            // One order may name a marked token that another lacks.
            if parts[*token as usize] == HIGH && found < marked {
                *place = (map * marked + found) as u32;
                rows[map * marked + found] = (map * n + position) as u32;
                found += 1;
            }
        }
    }
}
