//! One pass.

use crate::simd::dispatch;

pub(super) fn hide(x: &mut [f32], hidden: &[bool]) {
    dispatch(
        #[inline(always)]
        || {
            for (x, hidden) in x.iter_mut().zip(hidden) {
                *x = if *hidden { 0.0 } else { *x };
            }
        },
    );
}
