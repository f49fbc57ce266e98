//! Place by place.

pub(super) fn hide(x: &mut [f32], hidden: &[bool]) {
    for i in (0..x.len()).filter(|i| hidden[*i]) {
        x[i] = 0.0;
    }
}
