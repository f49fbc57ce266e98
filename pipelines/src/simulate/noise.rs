//! Repeatable noise: textures by hashed lattices, and the sensor of the camera.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

use super::geometry::{mix, smooth};

/// A number in -1..1 that depends on its arguments alone.
pub(crate) fn hash(x: i32, y: i32, seed: u32) -> f32 {
    let mut h = (x as u32).wrapping_mul(0x9E37_79B1)
        ^ (y as u32).wrapping_mul(0x85EB_CA77)
        ^ seed.wrapping_mul(0xC2B2_AE3D);
    h = (h ^ (h >> 15)).wrapping_mul(0x2C1B_3C6D);
    h = (h ^ (h >> 12)).wrapping_mul(0x297A_2D39);
    (h ^ (h >> 15)) as f32 / 2_147_483_648.0 - 1.0
}

/// Smooth noise in -1..1 with one lattice point a unit.
pub(crate) fn value(x: f32, y: f32, seed: u32) -> f32 {
    let (fx, fy) = (x.floor(), y.floor());
    let (ix, iy) = (fx as i32, fy as i32);
    let (tx, ty) = (smooth(0.0, 1.0, x - fx), smooth(0.0, 1.0, y - fy));
    let upper = mix(hash(ix, iy, seed), hash(ix.wrapping_add(1), iy, seed), tx);
    let iy = iy.wrapping_add(1);
    let lower = mix(hash(ix, iy, seed), hash(ix.wrapping_add(1), iy, seed), tx);
    mix(upper, lower, ty)
}

/// Smooth noise along one axis.
pub(crate) fn value1(x: f32, seed: u32) -> f32 {
    let fx = x.floor();
    mix(hash(fx as i32, 0, seed), hash((fx as i32).wrapping_add(1), 0, seed), smooth(0.0, 1.0, x - fx))
}

/// A sum of `octaves` layers of [`value`], each twice as fine and half as strong; about -1..1.
pub(crate) fn fractal(x: f32, y: f32, octaves: u32, seed: u32) -> f32 {
    let (mut sum, mut scale, mut weight) = (0.0, 1.0, 0.5);
    for octave in 0..octaves {
        sum += weight * value(x * scale, y * scale, seed.wrapping_add(octave * 101));
        (scale, weight) = (scale * 2.03, weight * 0.5);
    }
    sum
}

/// A camera sensor: shot and read noise that differ from frame to frame, and an 8-bit gamma curve.
pub(crate) struct Sensor {
    /// 8-bit level of a linear sample, by its upper bits.
    curve: Vec<u8>,
}

const CURVE_STEPS: usize = 1 << 16;
/// Noise variance of full brightness, and of darkness.
const SHOT: f32 = 1.6e-4;
const READ: f32 = 8e-7;

impl Sensor {
    pub(crate) fn new() -> Self {
        let level = |i: usize| (255.0 * (i as f64 / (CURVE_STEPS - 1) as f64).powf(1.0 / 2.2)).round() as u8;
        Self { curve: (0..CURVE_STEPS).map(level).collect() }
    }

    /// Linear light to 8-bit samples. `seed` names the frame.
    pub(crate) fn expose(&self, light: &[f32], seed: u64) -> Vec<u8> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut samples = Vec::with_capacity(light.len());
        for &v in light {
            let noisy = v + (SHOT * v.max(0.0) + READ).sqrt() * gauss(rng.next_u32());
            let at = (noisy.clamp(0.0, 1.0) * (CURVE_STEPS - 1) as f32) as usize;
            samples.push(self.curve.get(at).copied().unwrap_or(255));
        }
        samples
    }
}

/// Nearly Gaussian, of variance 1: the sum of four uniform bytes.
fn gauss(bits: u32) -> f32 {
    let sum: u32 = bits.to_le_bytes().iter().map(|&b| u32::from(b)).sum();
    (sum as f32 - 510.0) / 147.8
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

    #[test]
    fn the_same_frame_is_exposed_alike_and_another_is_not() {
        let (sensor, light) = (Sensor::new(), vec![0.2f32; 4096]);
        assert_eq!(sensor.expose(&light, 1), sensor.expose(&light, 1));
        assert_ne!(sensor.expose(&light, 1), sensor.expose(&light, 2));
        let mean = sensor.expose(&light, 1).iter().map(|&v| f64::from(v)).sum::<f64>() / 4096.0;
        assert!((mean - 255.0 * 0.2f64.powf(1.0 / 2.2)).abs() < 1.0, "{mean}");
    }
}
