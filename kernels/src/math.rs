//! Branch-free elementary functions that the compiler turns into vector code inside [`crate::simd::dispatch`].

/// e^x to 2 ulp for x in -87..88; clamped outside, so that no result is denormal or infinite.
#[inline(always)]
pub(crate) fn exp(x: f32) -> f32 {
    const ROUND: f32 = 12_582_912.0; // 1.5 * 2^23: adding it rounds to an integer.
    const LN2_HIGH: f32 = 0.693_359_4;
    const LN2_LOW: f32 = -2.121_944_4e-4;
    let x = x.clamp(-87.0, 88.0);
    let shifted = x * std::f32::consts::LOG2_E + ROUND;
    let n = shifted - ROUND;
    let r = (x - n * LN2_HIGH) - n * LN2_LOW;
    let mut p = 1.987_569_1e-4;
    p = p * r + 1.398_2e-3;
    p = p * r + 8.333_452e-3;
    p = p * r + 4.166_579_6e-2;
    p = p * r + 1.666_666_5e-1;
    p = p * r + 0.5;
    let poly = p * r * r + r + 1.0;
    // The integer sits in the low mantissa bits of `shifted`: move it into the exponent.
    f32::from_bits((shifted.to_bits().wrapping_shl(23)).wrapping_add(poly.to_bits()))
}

/// 1 / (1 + e^-x)
#[inline(always)]
pub(crate) fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

/// ln(1 + e^x) without a branch: max(x, 0) + ln(1 + t) with t = e^-|x|, and ln(1 + t) = 2 artanh(t / (2 + t)).
#[inline(always)]
pub(crate) fn softplus(x: f32) -> f32 {
    let t = exp(-x.abs());
    let s = t / (2.0 + t);
    let q = s * s;
    let mut series = 2.0 / 15.0;
    for odd in [13.0, 11.0, 9.0, 7.0, 5.0, 3.0, 1.0] {
        series = series * q + 2.0 / odd;
    }
    s * series + x.max(0.0)
}

/// The error function to 1.5e-7 (Abramowitz and Stegun 7.1.26).
#[inline(always)]
pub(crate) fn erf(x: f32) -> f32 {
    let a = x.abs();
    let t = 1.0 / (1.0 + 0.327_591_1 * a);
    let poly = ((((1.061_405_4 * t - 1.453_152) * t + 1.421_413_8) * t - 0.284_496_74) * t + 0.254_829_6) * t;
    (1.0 - poly * exp(-a * a)).copysign(x)
}

/// GELU with the exact error function: x * P(N(0,1) <= x).
#[inline(always)]
pub(crate) fn gelu(x: f32) -> f32 {
    0.5 * x * (1.0 + erf(x * std::f32::consts::FRAC_1_SQRT_2))
}

/// Sum of `f` over a slice, in sixteen lanes: fixed order, same result on every machine.
#[inline(always)]
pub(crate) fn lane_sum(x: &[f32], f: impl Fn(f32) -> f32) -> f32 {
    let (chunks, rest) = x.as_chunks::<16>();
    let mut lanes = [0.0_f32; 16];
    for chunk in chunks {
        for (lane, v) in lanes.iter_mut().zip(chunk) {
            *lane += f(*v);
        }
    }
    for (lane, v) in lanes.iter_mut().zip(rest) {
        *lane += f(*v);
    }
    tree(lanes)
}

/// Sum of `f` over the pairs of two slices, as [`lane_sum`].
#[inline(always)]
pub(crate) fn pair_sum(a: &[f32], b: &[f32], f: impl Fn(f32, f32) -> f32) -> f32 {
    let (a_chunks, a_rest) = a.as_chunks::<16>();
    let (b_chunks, b_rest) = b.as_chunks::<16>();
    let mut lanes = [0.0_f32; 16];
    for (a, b) in a_chunks.iter().zip(b_chunks) {
        for ((lane, a), b) in lanes.iter_mut().zip(a).zip(b) {
            *lane += f(*a, *b);
        }
    }
    for ((lane, a), b) in lanes.iter_mut().zip(a_rest).zip(b_rest) {
        *lane += f(*a, *b);
    }
    tree(lanes)
}

/// Squared Euclidean distance of two rows, by direct differences.
#[inline(always)]
pub(crate) fn squared_distance(a: &[f32], b: &[f32]) -> f32 {
    pair_sum(a, b, |a, b| (a - b) * (a - b))
}

/// Sum of all lanes. Each half is a value of its own, so that none goes through memory.
#[inline(always)]
fn tree(lanes: [f32; 16]) -> f32 {
    let eight: [f32; 8] = std::array::from_fn(|i| lanes[i] + lanes[i + 8]);
    let four: [f32; 4] = std::array::from_fn(|i| eight[i] + eight[i + 4]);
    let two: [f32; 2] = std::array::from_fn(|i| four[i] + four[i + 2]);
    two[0] + two[1]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp_is_within_two_ulp_of_f64() {
        for i in -8_700..8_800 {
            let x = i as f32 * 0.01;
            let exact = f64::from(x).exp();
            assert!((f64::from(exp(x)) / exact - 1.0).abs() < 2.5e-7, "exp({x}) = {}", exp(x));
        }
        assert!(exp(f32::NEG_INFINITY) > 0.0 && exp(1e9).is_finite());
    }

    #[test]
    fn sigmoid_and_softplus_are_those_of_f64() {
        for i in -3_000..3_000 {
            let x = i as f32 * 0.01;
            let wide = f64::from(x);
            let exact = [1.0 / (1.0 + (-wide).exp()), wide.exp().ln_1p()];
            for (found, exact) in [sigmoid(x), softplus(x)].into_iter().zip(exact) {
                assert!(
                    (f64::from(found) / exact - 1.0).abs() < 2e-6,
                    "at {x}: expected {exact}, found {found}"
                );
            }
        }
        assert_eq!([softplus(1e9), sigmoid(1e9)], [1e9, 1.0]);
    }

    /// Values of the error function from tables (Abramowitz and Stegun, table 7.1).
    #[test]
    fn erf_matches_the_table() {
        for (x, y) in [(0.0, 0.0), (0.5, 0.520_499_9), (1.0, 0.842_700_8), (2.0, 0.995_322_3)] {
            assert!((erf(x) - y).abs() < 3e-7 && (erf(-x) + y).abs() < 3e-7, "erf({x}) = {}", erf(x));
        }
    }
}
