//! What a point of a surface looks like under the light of the station.

use super::geometry::V2;

/// A colour in linear light, 0..1.
pub(crate) type Rgb = [f32; 3];

/// A point of a surface.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Surface {
    /// Colour of the material.
    pub(crate) albedo: Rgb,
    /// How much the surface rises along x and y.
    pub(crate) slope: V2,
    /// Strength of the highlight.
    pub(crate) gloss: f32,
    /// Direction of the grooves of a brushed or turned finish; zero without grooves.
    pub(crate) grain: V2,
    /// Part of the light that reaches the point.
    pub(crate) open: f32,
}

impl Surface {
    /// An even, matt surface.
    pub(crate) fn matt(albedo: Rgb) -> Self {
        Self { albedo, slope: V2::default(), gloss: 0.0, grain: V2::default(), open: 1.0 }
    }

    /// Covers the part `t` of the point with another material.
    pub(crate) fn cover(&mut self, with: Surface, t: f32) {
        self.albedo = blend(self.albedo, with.albedo, t);
        self.slope = self.slope * (1.0 - t) + with.slope * t;
        self.grain = self.grain * (1.0 - t) + with.grain * t;
        self.gloss += (with.gloss - self.gloss) * t;
        self.open += (with.open - self.open) * t;
    }
}

/// The light of the station: a ring around the lens, and a bar from one side.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Light {
    /// Towards the bar, in the plane of the belt, shorter than 1.
    pub(crate) bar: V2,
    /// Brightness.
    pub(crate) gain: f32,
}

/// Strength of ring and bar.
const RING: f32 = 0.55;
const BAR: f32 = 0.62;

impl Light {
    /// The same light as seen by something turned by `angle`.
    pub(crate) fn seen_from(self, angle: f32) -> Self {
        Self { bar: self.bar.rotated(-angle), gain: self.gain }
    }

    /// Light that `surface` sends into the lens.
    pub(crate) fn shade(self, surface: &Surface) -> Rgb {
        let slope = surface.slope;
        let up = (1.0 - self.bar.dot(self.bar)).max(0.05).sqrt();
        let tall = (1.0 + slope.dot(slope)).sqrt();
        let facing_bar = ((up - slope.dot(self.bar)) / tall).max(0.0);
        let facing_lens = 1.0 / tall;
        let diffuse = RING * facing_lens + BAR * facing_bar;
        let shine = surface.gloss * self.highlight(surface, facing_lens);
        surface.albedo.map(|albedo| self.gain * surface.open * (albedo * diffuse + shine))
    }

    /// Highlight by the half vector: stretched across the grooves where there are any.
    fn highlight(self, surface: &Surface, facing_lens: f32) -> f32 {
        let half = self.bar * 0.5;
        if surface.grain.dot(surface.grain) > 0.01 {
            let along = surface.grain.dot(half + surface.slope * 0.5);
            return (1.0 - along * along).max(0.0).powi(22);
        }
        let off = surface.slope + half;
        facing_lens * (-9.0 * off.dot(off)).exp()
    }
}

pub(crate) fn blend(a: Rgb, b: Rgb, t: f32) -> Rgb {
    [a[0] + (b[0] - a[0]) * t, a[1] + (b[1] - a[1]) * t, a[2] + (b[2] - a[2]) * t]
}

pub(crate) fn scale(a: Rgb, factor: f32) -> Rgb {
    a.map(|v| v * factor)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulate::geometry::v2;

    #[test]
    fn a_slope_towards_the_bar_is_brighter() {
        let light = Light { bar: v2(0.5, 0.0), gain: 1.0 };
        let face = |x: f32| light.shade(&Surface { slope: v2(x, 0.0), ..Surface::matt([0.5; 3]) })[0];
        assert!(face(-0.4) > face(0.0) && face(0.0) > face(0.4));
    }
}
