//! Repeatable noise by hashed lattices: a value depends on its place and a seed alone.

use super::plane::{mix, smooth};

/// A number in -1..1 that depends on its arguments alone.
#[inline]
pub fn hash(x: i32, y: i32, seed: u32) -> f32 {
    let mut h = (x as u32).wrapping_mul(0x9E37_79B1)
        ^ (y as u32).wrapping_mul(0x85EB_CA77)
        ^ seed.wrapping_mul(0xC2B2_AE3D);
    h = (h ^ (h >> 15)).wrapping_mul(0x2C1B_3C6D);
    h = (h ^ (h >> 12)).wrapping_mul(0x297A_2D39);
    (h ^ (h >> 15)) as f32 / 2_147_483_648.0 - 1.0
}

/// Smooth noise in -1..1 with one lattice point a unit.
#[inline]
pub fn value(x: f32, y: f32, seed: u32) -> f32 {
    let (fx, fy) = (x.floor(), y.floor());
    let (ix, iy) = (fx as i32, fy as i32);
    let (tx, ty) = (smooth(0.0, 1.0, x - fx), smooth(0.0, 1.0, y - fy));
    let upper = mix(hash(ix, iy, seed), hash(ix.wrapping_add(1), iy, seed), tx);
    let iy = iy.wrapping_add(1);
    let lower = mix(hash(ix, iy, seed), hash(ix.wrapping_add(1), iy, seed), tx);
    mix(upper, lower, ty)
}

/// Smooth noise along one axis.
#[inline]
pub fn value1(x: f32, seed: u32) -> f32 {
    let fx = x.floor();
    mix(hash(fx as i32, 0, seed), hash((fx as i32).wrapping_add(1), 0, seed), smooth(0.0, 1.0, x - fx))
}

/// A sum of `octaves` layers of [`value`], each twice as fine and half as strong; about -1..1.
#[inline]
pub fn fractal(x: f32, y: f32, octaves: u32, seed: u32) -> f32 {
    let (mut sum, mut scale, mut weight) = (0.0, 1.0, 0.5);
    for octave in 0..octaves {
        sum += weight * value(x * scale, y * scale, seed.wrapping_add(octave * 101));
        (scale, weight) = (scale * 2.03, weight * 0.5);
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lattice_noise_is_continuous_and_bounded() {
        for i in 0..2000 {
            let (x, y) = (i as f32 * 0.037 - 20.0, i as f32 * 0.011);
            let here = value(x, y, 7);
            assert!(here.abs() <= 1.0 && (value(x + 1e-3, y, 7) - here).abs() < 0.02);
        }
    }
}
