//! Classes made of photographs: one picture is one product, seen again and again, or one material, of which every piece
//! shows another part.

use std::sync::Arc;

use rand::Rng;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use snarm_kernels::resize::{Size, pil_bilinear};

use super::shape::Shape;
use super::{Layer, Material, Play, Product};
use crate::dataset::Picture;
use crate::error::Result;
use crate::synthetic::plane::{V2, v2};
use crate::synthetic::texture::{Colour, Palette, Texture, TextureKind};

/// Pixels of a photograph on the side of an image.
const SIDE: f64 = 448.0;

/// Least part of a photograph's shorter side that an image shows.
const CLOSEST: f64 = 0.35;

/// Share of the classes that are materials.
const MATERIALS: f64 = 0.35;

/// A photograph that goes on beyond its edges, mirrored.
#[derive(Debug, Clone)]
pub(super) struct Photograph {
    picture: Arc<Picture>,
}

impl Photograph {
    /// Colour at a place in units of the image's side, from the middle of the photograph; between pixels linear.
    pub(super) fn at(&self, place: V2) -> Colour {
        let Picture { data, width, height } = &*self.picture;
        let x = place.x * SIDE as f32 + (*width as f32 - 1.0) / 2.0;
        let y = place.y * SIDE as f32 + (*height as f32 - 1.0) / 2.0;
        let (left, top) = (x.floor(), y.floor());
        let (columns, rows) = (mirrored(left, *width), mirrored(top, *height));
        let (dx, dy) = (x - left, y - top);
        std::array::from_fn(|c| {
            let level = |row: usize, column: usize| f32::from(data[(row * width + column) * 3 + c]);
            let line = |row: usize| level(row, columns[0]) * (1.0 - dx) + level(row, columns[1]) * dx;
            (line(rows[0]) * (1.0 - dy) + line(rows[1]) * dy) / 255.0
        })
    }
}

/// Places of two neighbouring pixels along a side of `n`, which is mirrored at its ends.
fn mirrored(first: f32, n: usize) -> [usize; 2] {
    let n = n as i64;
    let place = |i: i64| {
        let i = i.rem_euclid(2 * n);
        i.min(2 * n - 1 - i) as usize
    };
    [place(first as i64), place(first as i64 + 1)]
}

/// A class of a picture: what part of it is seen, how far pieces move, and their light follow from the seed.
pub(super) fn draw(picture: &Picture, seed: u64) -> Result<Product> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(u64::MAX);
    let material = rng.random_bool(MATERIALS);
    let (width, height) = (picture.width as f64, picture.height as f64);
    // How much of the shorter side an image shows: of a material a small part, so that pieces differ.
    let shown = rng.random_range(if material { CLOSEST..=0.6 } else { 0.6..=1.0 });
    let scale = SIDE / (shown * width.min(height));
    let size = |length: f64| ((length * scale).round() as usize).max(2);
    let to = Size { width: size(width), height: size(height) };
    let from = Size { width: picture.width, height: picture.height };
    let scaled = pil_bilinear(&picture.data, from, to, 3)?;
    let picture = Arc::new(Picture { data: scaled, width: to.width, height: to.height });
    let room = |n: usize| ((n as f64 / SIDE - 1.0) / 2.0).max(0.0) as f32;
    let middle = if material {
        V2::default()
    } else {
        let (x, y) = (room(picture.width), room(picture.height));
        v2(x * rng.random_range(-1.0f32..=1.0), y * rng.random_range(-1.0f32..=1.0))
    };
    let play = Play {
        shift: rng.random_range(0.002..=0.04),
        turn: rng.random_range(0.0..=0.08),
        size: rng.random_range(0.0..=0.03),
        background: 0.0,
        light: rng.random_range(0.01..=0.1),
        noise: rng.random_range(0.5..=4.0),
    };
    let layer = Layer {
        // Whatever the piece does, it fills the image.
        shape: Shape::Box(v2(2.0, 2.0), 0.0),
        at: V2::default(),
        angle: 0.0,
        material: Material::Photograph(Photograph { picture }, middle, material),
        bevel: 0.0,
        shadow: false,
        loose: 0.0,
    };
    // Never seen: the photograph covers it.
    let background =
        Texture::draw_kind(TextureKind::Gradient, &mut rng).with_palette(Palette::draw(&mut rng));
    Ok(Product { kind: None, seed, background, layers: vec![layer], play })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Smooth, and nowhere the same.
    fn picture() -> Picture {
        let data = (0..90 * 70 * 3).map(|i| {
            let (x, y) = ((i / 3 % 90) as f32, (i / 3 / 90) as f32);
            (128.0 + 60.0 * (x * 0.13).sin() + 60.0 * (y * 0.11 + (i % 3) as f32).cos()) as u8
        });
        Picture { data: data.collect(), width: 90, height: 70 }
    }

    fn difference(a: &Picture, b: &Picture) -> f64 {
        let sum: u64 = a.data.iter().zip(&b.data).map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
        sum as f64 / a.data.len() as f64
    }

    #[test]
    fn beyond_its_edges_a_photograph_is_mirrored() {
        assert_eq!(
            [-1.0, 0.0, 3.0, 4.0, 8.0].map(|x| mirrored(x, 4)),
            [[0, 0], [0, 1], [3, 3], [3, 2], [0, 1]]
        );
        let photograph = Photograph { picture: Arc::new(picture()) };
        let edge = 35.0 / SIDE as f32;
        let (inside, outside) =
            (photograph.at(v2(0.01, edge - 0.003)), photograph.at(v2(0.01, edge + 0.003)));
        assert!(inside.iter().zip(outside).all(|(a, b)| (a - b).abs() < 1e-4), "{inside:?} {outside:?}");
    }

    #[test]
    fn pieces_are_alike_and_drawn_again_the_same() {
        let picture = picture();
        for seed in 0..12 {
            let product = draw(&picture, seed).unwrap();
            let [a, b] = [0, 1].map(|i| product.image(i, 64));
            assert_eq!(a, draw(&picture, seed).unwrap().image(0, 64));
            let apart = difference(&a, &b);
            let Material::Photograph(_, _, material) = product.layers[0].material else { panic!() };
            let most = if material { 90.0 } else { 40.0 };
            assert!(apart > 0.5 && apart < most, "seed {seed}, material {material}: {apart}");
        }
    }

    #[test]
    fn both_kinds_of_classes_come_up() {
        let picture = picture();
        let materials = (0..40).filter(|seed| {
            let product = draw(&picture, *seed).unwrap();
            matches!(product.layers[0].material, Material::Photograph(_, _, true))
        });
        assert!((6..=24).contains(&materials.count()));
    }
}
