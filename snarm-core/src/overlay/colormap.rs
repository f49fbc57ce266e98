//! Colour maps: a number in 0..1 to a colour.

/// How heat becomes colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Colormap {
    /// Blue over green to red, with even steps of brightness.
    #[default]
    Turbo,
    /// Black over violet to yellow.
    Inferno,
    /// Violet over green to yellow.
    Viridis,
    /// The classic blue over cyan and yellow to red.
    Jet,
    /// Black to white.
    Gray,
}

impl Colormap {
    /// R, G, B of `t`, which is clamped to 0..1.
    pub fn color(self, t: f64) -> [u8; 3] {
        let t = t.clamp(0.0, 1.0);
        match self {
            Self::Turbo => TURBO.map(|terms| byte(terms.iter().rev().fold(0.0, |sum, &term| sum * t + term))),
            Self::Inferno => between(&INFERNO, t),
            Self::Viridis => between(&VIRIDIS, t),
            Self::Jet => [3.0, 2.0, 1.0].map(|centre| byte(1.5 - (4.0 * t - centre).abs())),
            Self::Gray => [byte(t); 3],
        }
    }
}

fn byte(v: f64) -> u8 {
    (v * 255.0).round().clamp(0.0, 255.0) as u8
}

/// Linear steps between colours at equal distances, given as 0xRRGGBB.
fn between(stops: &[u32; 10], t: f64) -> [u8; 3] {
    let at = t * (stops.len() - 1) as f64;
    let (i, f) = (at as usize, at.fract());
    let next = stops[(i + 1).min(stops.len() - 1)];
    [16, 8, 0].map(|shift| {
        let part = |colour: u32| f64::from(colour >> shift & 255);
        (part(stops[i]) * (1.0 - f) + part(next) * f).round() as u8
    })
}

/// Polynomials of degree 5 for red, green and blue, constant term first, as published for Turbo.
const TURBO: [[f64; 6]; 3] = [
    [0.135_721_38, 4.615_392_6, -42.660_322_58, 132.131_082_34, -152.942_393_96, 59.286_379_43],
    [0.091_402_61, 2.194_188_39, 4.842_966_58, -14.185_033_33, 4.277_298_57, 2.829_566_04],
    [0.106_673_3, 12.641_946_08, -60.582_048_36, 110.362_767_71, -89.903_109_12, 27.348_249_73],
];

const INFERNO: [u32; 10] = [
    0x00_0004, 0x1b_0c41, 0x4a_0c6b, 0x78_1c6d, 0xa5_2c60, 0xcf_4446, 0xed_6925, 0xfb_9b06, 0xf7_d13d,
    0xfc_ffa4,
];

const VIRIDIS: [u32; 10] = [
    0x44_0154, 0x48_2878, 0x3e_4989, 0x31_688e, 0x26_828e, 0x1f_9e89, 0x35_b779, 0x6e_ce58, 0xb5_de2b,
    0xfd_e725,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_and_middles_are_the_known_colours() {
        assert_eq!(Colormap::Viridis.color(0.0), [0x44, 0x01, 0x54]);
        assert_eq!(Colormap::Viridis.color(1.0), [0xfd, 0xe7, 0x25]);
        assert_eq!(Colormap::Inferno.color(2.0), [0xfc, 0xff, 0xa4]);
        assert_eq!(Colormap::Gray.color(0.5), [128; 3]);
        assert_eq!(Colormap::Jet.color(0.5), [128, 255, 128]);
        let [r, g, b] = Colormap::Turbo.color(0.5);
        assert!(g > 240 && r > 140 && b < 100, "turbo is green in the middle, not {r} {g} {b}");
        let [r, g, b] = Colormap::Turbo.color(0.9);
        assert!(r > 180 && g < 90 && b < 30, "turbo is red at the end, not {r} {g} {b}");
    }
}
