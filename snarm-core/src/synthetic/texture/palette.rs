//! Colours that go together, and the way from one to the next.

use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::Colour;
use crate::synthetic::ops::hsv_to_rgb;

/// Two to six colours in a row.
#[derive(Debug, Clone, PartialEq)]
pub struct Palette {
    colours: Vec<Colour>,
    /// Whether colours change by steps rather than smoothly.
    stepped: bool,
}

impl Palette {
    /// Random colours: one of five shades of one hue, neighbours on the colour wheel, opposites, colours of industry
    /// (nearly grey), or anything.
    pub fn draw(rng: &mut ChaCha8Rng) -> Self {
        let n = rng.random_range(2..=6);
        let scheme = rng.random_range(0..5);
        let (hue, strong) = (rng.random_range(0.0f32..360.0), rng.random_range(0.15f32..=0.95));
        let colours = (0..n).map(|i| {
            let (away, saturation) = match scheme {
                0 => (rng.random_range(-6.0f32..=6.0), strong * rng.random_range(0.6f32..=1.0)),
                1 => (rng.random_range(-35.0..=35.0), strong),
                2 => (180.0 * (i % 2) as f32 + rng.random_range(-15.0..=15.0), strong),
                3 => (rng.random_range(-20.0..=20.0), rng.random_range(0.0..=0.12)),
                _ => (rng.random_range(0.0..=360.0), rng.random_range(0.0..=1.0)),
            };
            hsv_to_rgb([(hue + away).rem_euclid(360.0), saturation, rng.random_range(0.08f32..=1.0)])
        });
        let colours: Vec<_> = colours.collect();
        Self { colours, stepped: rng.random_bool(0.25) }.parted()
    }

    /// A palette of one colour and a darker and a lighter one.
    pub fn shades(colour: Colour, depth: f32) -> Self {
        let lighter = colour.map(|v| v + (1.0 - v) * depth * 0.5);
        Self { colours: vec![colour.map(|v| v * (1.0 - depth)), colour, lighter], stepped: false }
    }

    /// Moves the ends apart where they are too alike to be told from each other.
    fn parted(mut self) -> Self {
        let luma = |c: &Colour| 0.299 * c[0] + 0.587 * c[1] + 0.114 * c[2];
        let low = self.colours.iter().map(luma).fold(f32::MAX, f32::min);
        let high = self.colours.iter().map(luma).fold(0.0, f32::max);
        if high - low < 0.25 {
            let up = if high < 0.6 { 0.3 } else { -0.3 };
            if let Some(last) = self.colours.last_mut() {
                *last = last.map(|v| (v + up).clamp(0.0, 1.0));
            }
        }
        self
    }

    /// The colour at `t`, 0 at the first and 1 at the last; held beyond both.
    pub fn at(&self, t: f32) -> Colour {
        let last = self.colours.len() - 1;
        let t = t.clamp(0.0, 1.0) * last as f32;
        let i = (t as usize).min(last.saturating_sub(1));
        let way = if self.stepped { (t - i as f32).round() } else { t - i as f32 };
        let (a, b) = (self.colours[i], self.colours[(i + 1).min(last)]);
        std::array::from_fn(|c| a[c] + (b[c] - a[c]) * way)
    }

    /// One of the colours, by a number from 0 to 1.
    pub fn pick(&self, t: f32) -> Colour {
        self.colours[((t.clamp(0.0, 0.9999)) * self.colours.len() as f32) as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::synthetic::Draw;

    #[test]
    fn colours_lie_in_range_and_palettes_have_contrast() {
        let luma = |c: Colour| 0.299 * c[0] + 0.587 * c[1] + 0.114 * c[2];
        for variant in 0..200 {
            let palette = Palette::draw(&mut Draw { seed: 2, image: 0, variant }.rng());
            let colours: Vec<_> = (0..=20).map(|i| palette.at(i as f32 / 20.0)).collect();
            assert!(colours.iter().flatten().all(|v| (0.0..=1.0).contains(v)));
            let lumas = colours.iter().map(|&c| luma(c));
            let (low, high) = (lumas.clone().fold(1.0, f32::min), lumas.fold(0.0, f32::max));
            assert!(high - low > 0.02, "{variant}: {palette:?}");
        }
    }

    #[test]
    fn the_way_through_a_palette_is_straight() {
        let palette = Palette { colours: vec![[0.0; 3], [1.0, 0.5, 0.0], [1.0; 3]], stepped: false };
        assert_eq!(palette.at(0.25), [0.5, 0.25, 0.0]);
        assert_eq!((palette.at(-1.0), palette.at(2.0)), ([0.0; 3], [1.0; 3]));
        assert_eq!(
            (palette.pick(0.0), palette.pick(0.5), palette.pick(1.0)),
            ([0.0; 3], [1.0, 0.5, 0.0], [1.0; 3])
        );
    }
}
