//! The sensor of the camera, whose noise is repeatable; the noise of surfaces is the one of the core's textures.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

pub(super) use snarm_core::synthetic::noise::{fractal, hash, value, value1};

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
    fn the_same_frame_is_exposed_alike_and_another_is_not() {
        let (sensor, light) = (Sensor::new(), vec![0.2f32; 4096]);
        assert_eq!(sensor.expose(&light, 1), sensor.expose(&light, 1));
        assert_ne!(sensor.expose(&light, 1), sensor.expose(&light, 2));
        let mean = sensor.expose(&light, 1).iter().map(|&v| f64::from(v)).sum::<f64>() / 4096.0;
        assert!((mean - 255.0 * 0.2f64.powf(1.0 / 2.2)).abs() < 1.0, "{mean}");
    }
}
