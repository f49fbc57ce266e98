//! Random numbers without a state: each use names what it is for, and gets the same numbers in every run.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// What random numbers are for: the seed of the run, and numbers that tell one use from another, such as purpose, step
/// and sample.
pub fn generator(seed: u64, place: &[u64]) -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(key(seed, place))
}

/// 64 bits that stand for such a use.
pub fn key(seed: u64, place: &[u64]) -> u64 {
    // Rotated, so that a seed and a number do not make the same key when they change places.
    place.iter().fold(mix(seed), |key, number| mix(key.rotate_left(23) ^ mix(number.wrapping_add(1))))
}

/// SplitMix64: every bit of the result depends on every bit of `x`.
pub fn mix(x: u64) -> u64 {
    let mut x = x.wrapping_add(0x9E37_79B9_7F4A_7C15);
    x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ (x >> 31)
}

/// Evenly spread over 0..1, element `i` of the numbers of `key`.
pub fn uniform(key: u64, i: u64) -> f32 {
    (mix(key.wrapping_add(i.wrapping_mul(0xD134_2543_DE82_EF95))) >> 40) as f32 / (1 << 24) as f32
}

/// Normally distributed (mean 0, deviation 1), elements 2 i and 2 i + 1 of the numbers of `key`: Box and Muller.
pub fn normal_pair(key: u64, i: u64) -> [f32; 2] {
    let bits = mix(key.wrapping_add(i.wrapping_mul(0xD134_2543_DE82_EF95)));
    let (a, b) = ((bits >> 40) as f32 + 0.5, (bits & 0xFF_FFFF) as f32);
    let radius = (-2.0 * (a / (1 << 24) as f32).ln()).sqrt();
    let (sin, cos) = (b * (std::f32::consts::TAU / (1 << 24) as f32)).sin_cos();
    [radius * cos, radius * sin]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_use_has_its_own_numbers() {
        let mut keys: Vec<u64> = (0..10)
            .flat_map(|a| (0..10).flat_map(move |b| [key(a, &[b]), key(1, &[a, b]), key(1, &[a, b, 0])]))
            .collect();
        keys.sort_unstable();
        keys.dedup();
        assert_eq!(keys.len(), 300);
    }

    #[test]
    fn numbers_are_spread_as_they_should_be() {
        let n = 100_000;
        let mean = |f: &dyn Fn(u64) -> f64| (0..n).map(f).sum::<f64>() / n as f64;
        assert!((mean(&|i| f64::from(uniform(3, i))) - 0.5).abs() < 0.005);
        let pair = |i| normal_pair(5, i).map(f64::from);
        assert!(mean(&|i| pair(i)[0]).abs() < 0.01 && mean(&|i| pair(i)[1]).abs() < 0.01);
        assert!((mean(&|i| pair(i)[0].powi(2)) - 1.0).abs() < 0.02);
        assert!((mean(&|i| pair(i)[1].powi(4)) - 3.0).abs() < 0.15);
        assert!(mean(&|i| pair(i)[0] * pair(i)[1]).abs() < 0.01);
    }
}
