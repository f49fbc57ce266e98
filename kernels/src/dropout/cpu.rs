//! Stretches over threads; the random bits are a hash of 32-bit lanes.

use rayon::prelude::*;

use crate::simd::dispatch;

/// Elements of one task.
const STRETCH: usize = 1 << 14;

/// 32 random bits for a place: the finaliser of MurmurHash3, twice, between two halves of the key.
#[inline(always)]
pub(super) fn bits(key: u64, place: u32) -> u32 {
    mix(mix(place ^ key as u32) ^ (key >> 32) as u32)
}

#[inline(always)]
fn mix(mut x: u32) -> u32 {
    x = (x ^ (x >> 16)).wrapping_mul(0x85EB_CA6B);
    x = (x ^ (x >> 13)).wrapping_mul(0xC2B2_AE35);
    x ^ (x >> 16)
}

pub(super) fn dropout(x: &mut [f32], p: f32, key: u64) {
    let (limit, gain) = ((f64::from(p) * 4_294_967_296.0) as u32, 1.0 / (1.0 - p));
    x.par_chunks_mut(STRETCH).enumerate().for_each(|(i, x)| {
        dispatch(
            #[inline(always)]
            || {
                let first = (i * STRETCH) as u32;
                for (j, v) in x.iter_mut().enumerate() {
                    let keep = bits(key, first.wrapping_add(j as u32)) >= limit;
                    *v = if keep { *v * gain } else { 0.0 };
                }
            },
        );
    });
}
