//! Textures drawn from nothing: every one a formula of place, with a palette and strengths of its own.
//!
//! Places are in units of the image's side, so a texture looks the same at every resolution, and it goes on beyond
//! the image: another part of it is the same material.

mod cells;
mod fields;
mod leaves;
mod palette;

use rand::Rng;
use rand_chacha::ChaCha8Rng;

pub use palette::Palette;

use super::noise::{fractal, hash};
use super::ops::to_level;
use super::plane::{V2, v2};
use crate::dataset::Picture;

/// Red, green and blue, 0 to 1, as they are stored (not in linear light).
pub type Colour = [f32; 3];

/// A family of textures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TextureKind {
    /// Overlapping shapes of all sizes, as in a pile of leaves.
    DeadLeaves,
    /// Noise of many octaves: clouds, marble, contour lines.
    Clouds,
    /// Voronoi cells: cobbles, scales, cracked mud.
    Cells,
    /// Parallel bands.
    Stripes,
    /// Threads over and under each other.
    Weave,
    /// Bricks and tiles with joints.
    Bricks,
    /// Growth rings with fibres.
    Wood,
    /// Grains of several sizes on a base.
    Speckle,
    /// Metal brushed in one direction.
    Brushed,
    /// A gradient under noise.
    Gradient,
    /// Dots in rows.
    Dots,
}

impl TextureKind {
    /// All families.
    pub const ALL: [Self; 11] = [
        Self::DeadLeaves,
        Self::Clouds,
        Self::Cells,
        Self::Stripes,
        Self::Weave,
        Self::Bricks,
        Self::Wood,
        Self::Speckle,
        Self::Brushed,
        Self::Gradient,
        Self::Dots,
    ];
}

/// One texture.
#[derive(Debug, Clone)]
pub struct Texture {
    kind: TextureKind,
    palette: Palette,
    /// Elements along a side.
    frequency: f32,
    angle: f32,
    /// How far places are moved by noise before the formula sees them.
    warp: f32,
    /// Strength of the finest noise on top.
    grain: f32,
    /// Three numbers from 0 to 1 that each family reads in its own way.
    shape: [f32; 3],
    seed: u32,
    /// Which part of the endless texture is the image.
    origin: V2,
}

impl Texture {
    /// A texture of a random family.
    pub fn draw(rng: &mut ChaCha8Rng) -> Self {
        let kind = TextureKind::ALL[rng.random_range(0..TextureKind::ALL.len())];
        Self::draw_kind(kind, rng)
    }

    /// A texture of one family.
    pub fn draw_kind(kind: TextureKind, rng: &mut ChaCha8Rng) -> Self {
        let (low, high) = match kind {
            TextureKind::DeadLeaves | TextureKind::Clouds | TextureKind::Wood => (1.5f32, 9.0),
            TextureKind::Gradient => (0.4, 2.0),
            TextureKind::Cells | TextureKind::Bricks | TextureKind::Dots => (4.0, 40.0),
            TextureKind::Stripes | TextureKind::Weave => (5.0, 60.0),
            TextureKind::Speckle | TextureKind::Brushed => (10.0, 60.0),
        };
        Self {
            kind,
            palette: Palette::draw(rng),
            // Even in octaves.
            frequency: low * (high / low).powf(rng.random_range(0.0..=1.0)),
            angle: rng.random_range(0.0..std::f32::consts::TAU),
            warp: if rng.random_bool(0.5) { 0.0 } else { rng.random_range(0.1..=1.0) },
            grain: rng.random_range(0.0..=0.06),
            shape: std::array::from_fn(|_| rng.random_range(0.0..=1.0)),
            seed: rng.random(),
            origin: V2::default(),
        }
    }

    /// The family.
    pub fn kind(&self) -> TextureKind {
        self.kind
    }

    /// Another part of the same material.
    pub fn moved(&self, by: V2) -> Self {
        Self { origin: self.origin + by, ..self.clone() }
    }

    /// The same texture in other colours.
    pub fn with_palette(mut self, palette: Palette) -> Self {
        self.palette = palette;
        self
    }

    /// The same texture along the axes of the image, without distortion: as it leaves a machine.
    pub fn upright(mut self) -> Self {
        (self.angle, self.warp) = (0.0, 0.0);
        self
    }

    /// Colour at a place in units of the image's side.
    pub fn at(&self, place: V2) -> Colour {
        let place = place + self.origin;
        let mut p = place.rotated(self.angle) * self.frequency;
        if self.warp > 0.0 {
            let q = p * 0.35;
            let (dx, dy) = (fractal(q.x, q.y, 2, self.seed ^ 1), fractal(q.x, q.y, 2, self.seed ^ 2));
            p = p + v2(dx, dy) * (self.warp * 1.2);
        }
        let colour = match self.kind {
            TextureKind::DeadLeaves => leaves::dead_leaves(p, self.shape, self.seed, &self.palette),
            TextureKind::Cells => cells::voronoi(p, self.shape, self.seed, &self.palette),
            TextureKind::Speckle => cells::speckle(p, self.shape, self.seed, &self.palette),
            TextureKind::Dots => cells::dots(p, self.shape, self.seed, &self.palette),
            TextureKind::Clouds => self.palette.at(fields::clouds(p, self.shape, self.seed)),
            TextureKind::Stripes => self.palette.at(fields::stripes(p, self.shape, self.seed)),
            TextureKind::Weave => fields::weave(p, self.shape, self.seed, &self.palette),
            TextureKind::Bricks => fields::bricks(p, self.shape, self.seed, &self.palette),
            TextureKind::Wood => self.palette.at(fields::wood(p, self.shape, self.seed)),
            TextureKind::Brushed => self.palette.at(fields::brushed(p, self.shape, self.seed)),
            TextureKind::Gradient => self.palette.at(fields::gradient(p, self.shape, self.seed)),
        };
        let fine = place * 500.0;
        let grain = self.grain * hash(fine.x.floor() as i32, fine.y.floor() as i32, self.seed ^ 3);
        colour.map(|v| v + grain)
    }

    /// An image of the texture.
    pub fn render(&self, width: usize, height: usize) -> Picture {
        let scale = 1.0 / width.min(height).max(1) as f32;
        let mut data = Vec::with_capacity(3 * width * height);
        for (y, x) in (0..height).flat_map(|y| (0..width).map(move |x| (y, x))) {
            let colour = self.at(v2((x as f32 + 0.5) * scale, (y as f32 + 0.5) * scale));
            data.extend(colour.map(|v| to_level(255.0 * v)));
        }
        Picture { data, width, height }
    }
}

/// The colour with its brightness multiplied.
fn shaded(colour: Colour, factor: f32) -> Colour {
    colour.map(|v| v * factor)
}

#[cfg(test)]
mod tests {
    use super::super::Draw;
    use super::*;

    fn textures(kind: TextureKind, n: u32) -> impl Iterator<Item = Texture> {
        (0..n).map(move |i| {
            Texture::draw_kind(kind, &mut Draw { seed: 11, image: kind as u32, variant: i }.rng())
        })
    }

    #[test]
    fn every_family_varies_in_place_and_from_draw_to_draw() {
        for kind in TextureKind::ALL {
            let pictures: Vec<_> = textures(kind, 6).map(|t| t.render(64, 64)).collect();
            let spread = |p: &Picture| {
                let n = p.data.len() as f64;
                let mean = p.data.iter().map(|&v| f64::from(v)).sum::<f64>() / n;
                (p.data.iter().map(|&v| (f64::from(v) - mean).powi(2)).sum::<f64>() / n).sqrt()
            };
            let seen = pictures.iter().filter(|p| spread(p) > 8.0).count();
            assert!(seen >= 4, "{kind:?}: {:?}", pictures.iter().map(spread).collect::<Vec<_>>());
            assert!(pictures.windows(2).all(|pair| pair[0] != pair[1]), "{kind:?}");
        }
    }

    #[test]
    fn a_texture_is_the_same_at_every_resolution() {
        for kind in TextureKind::ALL {
            for texture in textures(kind, 3) {
                let texture = Texture { grain: 0.0, ..texture };
                // Pixel (i, j) of the small picture has its middle on pixel (3 i + 1, 3 j + 1) of the large one.
                let (small, large) = (texture.render(16, 16), texture.render(48, 48));
                let alike = (0..256).filter(|i| {
                    let (x, y) = (3 * (i % 16) + 1, 3 * (i / 16) + 1);
                    (0..3).all(|c| small.data[3 * i + c].abs_diff(large.data[3 * (y * 48 + x) + c]) <= 2)
                });
                assert!(alike.count() >= 250, "{kind:?}");
            }
        }
    }

    #[test]
    fn moved_textures_show_another_part_of_the_same_plane() {
        for texture in TextureKind::ALL.into_iter().flat_map(|kind| textures(kind, 2)) {
            let (here, there) = (texture.at(v2(0.75, 0.5)), texture.moved(v2(0.5, 0.25)).at(v2(0.25, 0.25)));
            assert_eq!(here, there);
        }
    }
}
