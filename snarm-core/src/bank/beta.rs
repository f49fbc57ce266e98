//! The beta distribution: of all good frames, the part that lies above the rth highest of n scored ones is one of Beta(r, n + 1 - r),
//! whatever the scores are distributed like.

/// Terms of the continued fraction: its count grows with the square root of the parameters.
const MOST_TERMS: u32 = 10_000;

/// Halvings of an interval: the rest is one in a million millions.
const HALVINGS: u32 = 40;

/// P(B <= x) for parameters above 0: the regularised incomplete beta function, by its continued fraction (DLMF 8.17.22).
pub(super) fn below(a: f64, b: f64, x: f64) -> f64 {
    if x <= 0.0 {
        return 0.0;
    }
    if x >= 1.0 {
        return 1.0;
    }
    // The fraction converges fast below the mean.
    if x > (a + 1.0) / (a + b + 2.0) { 1.0 - far_below(b, a, 1.0 - x) } else { far_below(a, b, x) }
}

/// P(B <= x) where the fraction converges.
fn far_below(a: f64, b: f64, x: f64) -> f64 {
    let front = ln_gamma(a + b) - ln_gamma(a) - ln_gamma(b) + a * x.ln() + b * (-x).ln_1p();
    (front.exp() * fraction(a, b, x) / a).clamp(0.0, 1.0)
}

/// The x of P(B <= x) = `part`.
pub(super) fn quantile(a: f64, b: f64, part: f64) -> f64 {
    halve((0.0, 1.0), |x| below(a, b, x) < part)
}

/// Where in an interval `is_low` ends, which holds from its low end on.
pub(super) fn halve((mut low, mut high): (f64, f64), is_low: impl Fn(f64) -> bool) -> f64 {
    for _ in 0..HALVINGS {
        let middle = 0.5 * (low + high);
        if middle <= low || middle >= high {
            break;
        }
        if is_low(middle) { low = middle } else { high = middle }
    }
    0.5 * (low + high)
}

/// The continued fraction, by Lentz's method.
fn fraction(a: f64, b: f64, x: f64) -> f64 {
    let bounded = |v: f64| if v.abs() < f64::MIN_POSITIVE { f64::MIN_POSITIVE } else { v };
    let mut c = 1.0;
    let mut d = 1.0 / bounded(1.0 - (a + b) * x / (a + 1.0));
    let mut found = d;
    for term in 1..MOST_TERMS {
        let m = f64::from(term);
        let even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        let mut change = 1.0;
        for step in [even, odd] {
            d = 1.0 / bounded(1.0 + step * d);
            c = bounded(1.0 + step / c);
            change = c * d;
            found *= change;
        }
        if (change - 1.0).abs() < 1e-12 {
            break;
        }
    }
    found
}

/// The logarithm of the gamma function above 0 (Lanczos, g = 7).
fn ln_gamma(x: f64) -> f64 {
    const TERMS: [f64; 8] = [
        676.520_368_121_885_1,
        -1_259.139_216_722_402_8,
        771.323_428_777_653_1,
        -176.615_029_162_140_6,
        12.507_343_278_686_905,
        -0.138_571_095_265_720_12,
        9.984_369_578_019_572e-6,
        1.505_632_735_149_311_6e-7,
    ];
    if x < 0.5 {
        // Of x + 1, which is x times as much.
        return ln_gamma(x + 1.0) - x.ln();
    }
    let x = x - 1.0;
    let sum: f64 = (1..).zip(TERMS).map(|(i, term)| term / (x + f64::from(i))).sum();
    let t = x + 7.5;
    0.5 * (2.0 * std::f64::consts::PI).ln() + (x + 0.5) * t.ln() - t + (sum + 0.999_999_999_999_809_9).ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_distribution_is_that_of_the_textbook() {
        // Of one frame any part may lie above it; of the highest of n, 1 - (1 - x)^n is below x.
        for x in [0.01, 0.3, 0.5, 0.99] {
            assert!((below(1.0, 1.0, x) - x).abs() < 1e-12, "{x}");
            for n in [2.0, 8.0, 1000.0_f64] {
                let expected = 1.0 - (1.0 - x).powf(n);
                assert!((below(1.0, n, x) - expected).abs() < 1e-9, "{n} {x}: {}", below(1.0, n, x));
                assert!((below(n, 1.0, x) - x.powf(n)).abs() < 1e-9, "{n} {x}");
            }
        }
        // P(at least 2 of 5) at 0.4, by hand.
        let expected = 1.0 - 0.6_f64.powi(5) - 5.0 * 0.4 * 0.6_f64.powi(4);
        assert!((below(2.0, 4.0, 0.4) - expected).abs() < 1e-12, "{}", below(2.0, 4.0, 0.4));
        assert_eq!((below(2.0, 3.0, 0.0), below(2.0, 3.0, 1.0)), (0.0, 1.0));
    }

    #[test]
    fn quantiles_are_the_inverse() {
        for (a, b) in [(1.0, 32.0), (0.3, 4.0), (12.5, 300.0), (5000.0, 95_001.0)] {
            for part in [0.1, 0.5, 0.8] {
                let x = quantile(a, b, part);
                assert!((below(a, b, x) - part).abs() < 1e-6, "{a} {b} {part}: {x}");
            }
        }
        // With 32 frames the highest is passed by less than one in twenty, in four of five cases; with 31 not yet.
        assert!(quantile(1.0, 32.0, 0.8) < 0.05 && quantile(1.0, 31.0, 0.8) > 0.05);
    }
}
