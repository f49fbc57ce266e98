//! Elementary functions of vectors, with fused multiplications where the machine has them.

use std::f32::consts::LOG2_E;

use pulp::Simd;

use crate::simd::mul_add;

/// 2^x to 3 ulp for x in -126..126; clamped outside, so that no result is denormal or infinite.
#[inline(always)]
pub(crate) fn exp2<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
    // 1.5 * 2^23 + 127: adding it rounds to an integer, which is then in the low mantissa bits, as a biased exponent.
    let round = simd.splat_f32s(12_583_039.0);
    let x = simd.min_f32s(simd.max_f32s(x, simd.splat_f32s(-126.0)), simd.splat_f32s(126.0));
    let shifted = simd.add_f32s(x, round);
    let r = simd.sub_f32s(x, simd.sub_f32s(shifted, round));
    let mut p = simd.splat_f32s(1.535_336_2e-4);
    for c in [1.339_887_5e-3, 9.618_437e-3, 5.550_332_6e-2, 2.402_264_8e-1, std::f32::consts::LN_2, 1.0] {
        p = mul_add(simd, p, r, simd.splat_f32s(c));
    }
    let bits = simd.wrapping_dyn_shl_u32s(simd.transmute_u32s_f32s(shifted), simd.splat_u32s(23));
    simd.mul_f32s(p, simd.transmute_f32s_u32s(bits))
}

/// ln(1 + e^x) to 6e-7 of its value, without a branch: max(x, 0) + ln(1 + t) with t = e^-|x| in 0..1, and
/// ln(1 + t) = 2 artanh(s) with s = t / (2 + t), whose series is short for s up to 1/3.
#[inline(always)]
pub(crate) fn softplus<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
    let zero = simd.splat_f32s(0.0);
    let t = exp2(simd, simd.mul_f32s(simd.abs_f32s(x), simd.splat_f32s(-LOG2_E)));
    let s = simd.div_f32s(t, simd.add_f32s(t, simd.splat_f32s(2.0)));
    let q = simd.mul_f32s(s, s);
    let mut series = simd.splat_f32s(2.0 / 15.0);
    for odd in [13.0, 11.0, 9.0, 7.0, 5.0, 3.0, 1.0] {
        series = mul_add(simd, series, q, simd.splat_f32s(2.0 / odd));
    }
    mul_add(simd, s, series, simd.max_f32s(x, zero))
}

/// x / (1 + e^-x)
#[inline(always)]
pub(crate) fn silu<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
    let t = exp2(simd, simd.mul_f32s(x, simd.splat_f32s(-LOG2_E)));
    simd.div_f32s(x, simd.add_f32s(t, simd.splat_f32s(1.0)))
}

#[cfg(test)]
mod tests {
    use pulp::WithSimd;

    use super::*;
    use crate::simd::with_simd;
    use crate::tile::MAX_COLS;

    /// A value through all three functions.
    struct Apply(f32);

    impl WithSimd for Apply {
        type Output = [f64; 3];

        #[inline(always)]
        fn with_simd<S: Simd>(self, simd: S) -> Self::Output {
            let x = simd.splat_f32s(self.0);
            [exp2(simd, x), softplus(simd, x), silu(simd, x)].map(|y| {
                let mut lanes = [0.0_f32; MAX_COLS];
                S::as_mut_simd_f32s(&mut lanes).0[0] = y;
                f64::from(lanes[0])
            })
        }
    }

    #[test]
    fn functions_are_those_of_f64() {
        for i in -3_000..3_000 {
            let x = i as f32 * 0.01 + 0.003;
            let wide = f64::from(x);
            let exact = [wide.exp2(), wide.exp().ln_1p(), wide / (1.0 + (-wide).exp())];
            // Rounding x log2(e) once costs e^-x as much as x is long.
            let tolerance = [4e-7, 6e-7 + 1.5e-7 * wide.abs(), 6e-7 + 1.5e-7 * wide.abs()];
            for ((found, exact), tolerance) in with_simd(Apply(x)).into_iter().zip(exact).zip(tolerance) {
                assert!((found / exact - 1.0).abs() < tolerance, "at {x}: expected {exact}, found {found}");
            }
        }
    }

    #[test]
    fn far_out_nothing_overflows() {
        let [power, softplus, silu] = with_simd(Apply(1e9));
        assert!(power.is_finite() && softplus == 1e9 && silu == 1e9);
        let [power, softplus, silu] = with_simd(Apply(-1e9));
        assert!(power > 0.0 && (0.0..1e-30).contains(&softplus) && (-1e-25..=0.0).contains(&silu));
    }
}
