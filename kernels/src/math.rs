//! Branch-free elementary functions that the compiler turns into vector code inside [`crate::simd::dispatch`].

use pulp::{Simd, WithSimd};

use crate::simd::{Isa, mul_add, with_simd_at};

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

/// Beyond this [`spread`] is 1 to the last bit.
const FARTHEST: f32 = 5.542_594;

/// [`spread`] is x P(x^2) / Q(x^2) to 2e-8, by a fit to the error function; P and Q from the highest power on.
const P: [f32; 6] = [4.497_52e-8, 1.270_484_1e-5, 3.418_045e-4, 9.379_197e-3, 6.814_085e-2, 0.797_884_46];
const Q: [f32; 6] = [1.189_901_4e-6, 7.424_125e-5, 1.896_223_2e-3, 2.876_791_5e-2, 0.252_067_71, 1.0];

/// P(|N(0,1)| <= |x|) with the sign of x, which is erf(x / sqrt(2)), to 4e-7.
#[inline(always)]
pub(crate) fn spread(x: f32) -> f32 {
    let x = x.clamp(-FARTHEST, FARTHEST);
    let square = x * x;
    let along = |powers: &[f32; 6]| powers.iter().fold(0.0, |sum, v| sum * square + v);
    (x * along(&P) / along(&Q)).clamp(-1.0, 1.0)
}

/// GELU with the exact error function, x P(N(0,1) <= x), of a vector.
#[inline(always)]
fn gelu<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
    let near = within(simd, x, FARTHEST);
    let square = simd.mul_f32s(near, near);
    let above = simd.mul_f32s(near, along(simd, square, &P));
    let spread = within(simd, simd.div_f32s(above, along(simd, square, &Q)), 1.0);
    let half = simd.mul_f32s(x, simd.splat_f32s(0.5));
    mul_add(simd, half, spread, half)
}

/// The nearest number in -most..=most.
#[inline(always)]
fn within<S: Simd>(simd: S, x: S::f32s, most: f32) -> S::f32s {
    simd.min_f32s(simd.max_f32s(x, simd.splat_f32s(-most)), simd.splat_f32s(most))
}

/// The polynomial of those factors, from the highest power on.
#[inline(always)]
fn along<S: Simd>(simd: S, x: S::f32s, factors: &[f32; 6]) -> S::f32s {
    let mut sum = simd.splat_f32s(factors[0]);
    for factor in &factors[1..] {
        sum = mul_add(simd, sum, x, simd.splat_f32s(*factor));
    }
    sum
}

/// Replaces numbers by their GELU, at a level: each is the same wherever it lies.
pub(crate) fn gelu_all(isa: Isa, numbers: &mut [f32]) {
    with_simd_at(isa, GeluAll(numbers));
}

struct GeluAll<'a>(&'a mut [f32]);

impl WithSimd for GeluAll<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let (vectors, rest) = S::as_mut_simd_f32s(self.0);
        for v in vectors {
            *v = gelu(simd, *v);
        }
        let last = gelu(simd, simd.partial_load_f32s(rest));
        simd.partial_store_f32s(rest, last);
    }
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
    use crate::simd::isa;

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
    fn spread_matches_the_table() {
        for (x, y) in [(0.0, 0.0), (0.5, 0.520_499_9), (1.0, 0.842_700_8), (2.0, 0.995_322_3)] {
            let found = [spread(x * std::f32::consts::SQRT_2), spread(-x * std::f32::consts::SQRT_2)];
            assert!((found[0] - y).abs() < 4e-7 && (found[1] + y).abs() < 4e-7, "erf({x}) = {found:?}");
        }
        assert_eq!([spread(1e9), spread(f32::NEG_INFINITY)], [1.0, -1.0]);
    }

    /// The parts of a row that threads are given may begin anywhere.
    #[test]
    fn a_number_has_one_gelu_wherever_it_lies() {
        let all: Vec<f32> = (-4_000..4_000).map(|i| i as f32 * 0.002).collect();
        let mut whole = all.clone();
        gelu_all(isa(), &mut whole);
        for (x, y) in all.iter().zip(&whole) {
            let mut alone = [*x];
            gelu_all(isa(), &mut alone);
            assert_eq!(alone[0].to_bits(), y.to_bits(), "gelu({x})");
            assert!((y - 0.5 * x * (1.0 + spread(*x))).abs() < 2e-6, "gelu({x}) = {y}");
        }
        let mut far = [-1e30, -1e3, 1e3, f32::NAN];
        gelu_all(isa(), &mut far);
        assert!(far[..3] == [0.0, 0.0, 1e3] && far[3].is_nan(), "{far:?}");
    }
}
