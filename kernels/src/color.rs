//! The arithmetic between the samples of a frame and R'G'B' in 0..255.

use crate::frame::{ColorRange, Colorimetry};
use crate::layout::Samples;

/// Rounds to a whole number, for `0 <= v < 2^23`. At 2^23 the last bit of a f32 is worth 1, so the sum holds the
/// number in its low bits; a cast would be done one element at a time.
#[inline(always)]
pub(crate) fn whole(v: f32) -> i32 {
    ((v + 8_388_608.0).to_bits() & 0x7f_ffff) as i32
}

/// Samples to R'G'B': `luma = (y - y_offset) * y_scale`, `r = luma + r_cr * (cr - c_offset)`,
/// `g = luma + g_cb * (cb - c_offset) + g_cr * (cr - c_offset)`, `b = luma + b_cb * (cb - c_offset)`, each clamped to
/// 0..255.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct ToRgb {
    pub y_offset: f32,
    pub y_scale: f32,
    pub c_offset: f32,
    pub r_cr: f32,
    pub g_cb: f32,
    pub g_cr: f32,
    pub b_cb: f32,
}

impl ToRgb {
    /// For samples of the given colorimetry, as whole words: with the unused bits below them.
    pub(crate) fn new(colorimetry: Colorimetry, samples: Samples) -> Self {
        let (kr, kb) = (colorimetry.matrix.kr, colorimetry.matrix.kb);
        let kg = 1.0 - kr - kb;
        let below = f64::from(1_u32 << samples.shift);
        let unit = samples.unit(colorimetry.range) * below;
        let (y_offset, y_scale, c_scale) = match colorimetry.range {
            ColorRange::Full => (0.0, 1.0, 1.0),
            ColorRange::Limited => (16.0, 255.0 / 219.0, 255.0 / 224.0),
        };
        let c_scale = (c_scale / unit) as f32;
        Self {
            y_offset: (y_offset * unit) as f32,
            y_scale: (y_scale / unit) as f32,
            c_offset: (samples.middle() * below) as f32,
            r_cr: 2.0 * (1.0 - kr) * c_scale,
            g_cb: -2.0 * kb * (1.0 - kb) / kg * c_scale,
            g_cr: -2.0 * kr * (1.0 - kr) / kg * c_scale,
            b_cb: 2.0 * (1.0 - kb) * c_scale,
        }
    }

    /// R'G'B' of one pixel.
    #[inline(always)]
    pub(crate) fn rgb(&self, y: f32, cb: f32, cr: f32) -> [f32; 3] {
        let luma = (y - self.y_offset) * self.y_scale;
        let (cb, cr) = (cb - self.c_offset, cr - self.c_offset);
        let r = luma + self.r_cr * cr;
        let g = luma + self.g_cb * cb + self.g_cr * cr;
        let b = luma + self.b_cb * cb;
        [r.clamp(0.0, 255.0), g.clamp(0.0, 255.0), b.clamp(0.0, 255.0)]
    }

    /// The grey level of one luma sample.
    #[inline(always)]
    pub(crate) fn grey(&self, y: f32) -> f32 {
        ((y - self.y_offset) * self.y_scale).clamp(0.0, 255.0)
    }
}

/// R'G'B' in 0..255 to samples: each is a weighted sum of the three plus an offset.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct FromRgb {
    /// Weights of R, G, B and the offset, for luma.
    pub y: [f32; 4],
    /// The same for Cb.
    pub cb: [f32; 4],
    /// The same for Cr.
    pub cr: [f32; 4],
}

impl FromRgb {
    /// For samples of the given colorimetry, without unused bits.
    pub(crate) fn new(colorimetry: Colorimetry, samples: Samples) -> Self {
        let (kr, kb) = (colorimetry.matrix.kr, colorimetry.matrix.kb);
        let kg = 1.0 - kr - kb;
        let unit = samples.unit(colorimetry.range) as f32;
        let (offset, y, c) = match colorimetry.range {
            ColorRange::Full => (0.0, unit, unit),
            ColorRange::Limited => (16.0 * unit, 219.0 / 255.0 * unit, 224.0 / 255.0 * unit),
        };
        let (u, v) = (0.5 * c / (1.0 - kb), 0.5 * c / (1.0 - kr));
        let middle = samples.middle() as f32;
        Self {
            y: [kr * y, kg * y, kb * y, offset],
            cb: [-kr * u, -kg * u, 0.5 * c, middle],
            cr: [0.5 * c, -kg * v, -kb * v, middle],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::{ChromaSite, ColorMatrix, PixelFormat};
    use crate::layout::samples;

    #[test]
    fn the_two_directions_undo_each_other() {
        for range in [ColorRange::Full, ColorRange::Limited] {
            for matrix in [ColorMatrix::BT601, ColorMatrix::BT709, ColorMatrix::BT2020] {
                let colorimetry = Colorimetry { matrix, range, site: ChromaSite::LEFT };
                for samples in PixelFormat::ALL.map(samples) {
                    let (from, to) = (FromRgb::new(colorimetry, samples), ToRgb::new(colorimetry, samples));
                    let below = (1_u32 << samples.shift) as f32;
                    for rgb in
                        [[0.0, 0.0, 0.0], [255.0, 255.0, 255.0], [200.0, 30.0, 90.0], [1.0, 250.0, 3.0]]
                    {
                        let sample =
                            |w: [f32; 4]| (w[0] * rgb[0] + w[1] * rgb[1] + w[2] * rgb[2] + w[3]) * below;
                        let back = to.rgb(sample(from.y), sample(from.cb), sample(from.cr));
                        for c in 0..3 {
                            assert!((back[c] - rgb[c]).abs() < 1e-3, "{rgb:?} came back as {back:?}");
                        }
                    }
                }
            }
        }
    }
}
