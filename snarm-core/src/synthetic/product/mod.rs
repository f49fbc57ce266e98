//! Products drawn from nothing: a class is a seed, and every image of it shows another piece in slightly other light.
//!
//! A product is a background and layers on it: shapes with a material, some with a bevel or a shadow. What a piece
//! may do (how far it moves and turns, whether its texture is another every time) belongs to the class, so that a
//! bank of good images has something to learn. A photograph can be a product, too.

mod layout;
mod photograph;
mod shape;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::Draw;
use super::ops::to_level;
use super::plane::{V2, coverage, mix, smooth, v2};
use super::texture::{Colour, Texture};
use crate::dataset::Picture;
use crate::error::Result;
use photograph::Photograph;
use shape::Shape;

/// A family of products.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ProductKind {
    /// A plate with holes, screws and printed marks.
    Plate,
    /// Rows of equal parts on a tray.
    Rows,
    /// A circuit board with chips, pads and traces.
    Board,
    /// A round part: rings, teeth, holes around a middle.
    Disc,
    /// Cloth, tiles or a printed pattern that fills the image.
    Pattern,
    /// A material without order that fills the image: wood, stone, metal.
    Material,
}

impl ProductKind {
    /// All families.
    pub const ALL: [Self; 6] =
        [Self::Plate, Self::Rows, Self::Board, Self::Disc, Self::Pattern, Self::Material];
}

/// One class of products.
#[derive(Debug, Clone)]
pub struct Product {
    /// Of a photograph none.
    kind: Option<ProductKind>,
    seed: u64,
    background: Texture,
    layers: Vec<Layer>,
    play: Play,
}

/// What differs from piece to piece.
#[derive(Debug, Clone, Copy)]
struct Play {
    /// Largest shift, in units of the image's side.
    shift: f32,
    /// Largest turn in radians.
    turn: f32,
    /// Largest change of size.
    size: f32,
    /// How far the background's texture moves: 0 for one that is always in the same place.
    background: f32,
    /// Largest change of brightness.
    light: f32,
    /// Standard deviation of the noise, in levels of 255.
    noise: f32,
}

/// A shape with a material. Places are in units of the image's side, from the middle of the product.
#[derive(Debug, Clone)]
struct Layer {
    shape: Shape,
    at: V2,
    angle: f32,
    material: Material,
    /// Height of the rounded edge that catches the light; negative for a hollow.
    bevel: f32,
    /// Whether it throws a shadow on what is below.
    shadow: bool,
    /// How far it may be off its place.
    loose: f32,
}

#[derive(Debug, Clone)]
enum Material {
    Plain(Colour),
    /// A texture, and whether each piece shows another part of it.
    Textured(Box<Texture>, bool),
    /// A photograph, the place in it that is the middle, and whether each piece shows another part of it.
    Photograph(Photograph, V2, bool),
}

/// Light of one image.
struct Light {
    gain: f32,
    /// Change of brightness across the image.
    slope: V2,
    /// Colour of the light.
    cast: Colour,
    /// Where bevels are bright.
    from: V2,
}

impl Product {
    /// The class of that seed, of a family that follows from it.
    pub fn new(seed: u64) -> Self {
        let kind = ProductKind::ALL[(seed % ProductKind::ALL.len() as u64) as usize];
        Self::of_kind(kind, seed)
    }

    /// A class of one family.
    pub fn of_kind(kind: ProductKind, seed: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(u64::MAX);
        layout::draw(kind, seed, &mut rng)
    }

    /// A class that a picture is the product of: each piece lies a little differently, or shows another part of the
    /// same material, in other light.
    ///
    /// # Errors
    /// When the picture has no pixels.
    pub fn of_picture(picture: &Picture, seed: u64) -> Result<Self> {
        photograph::draw(picture, seed)
    }

    /// The family; a photograph has none.
    pub fn kind(&self) -> Option<ProductKind> {
        self.kind
    }

    /// The seed of the class.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// Good piece number `i` of the class, as an image of `side` x `side`.
    pub fn image(&self, i: u32, side: usize) -> Picture {
        let mut rng = Draw { seed: self.seed, image: i, variant: 0 }.rng();
        let mut spread = |most: f32| most * rng.random_range(-1.0f32..=1.0);
        let play = &self.play;
        let place = Place {
            middle: v2(0.5 + spread(play.shift), 0.5 + spread(play.shift)),
            angle: spread(play.turn),
            size: 1.0 + spread(play.size),
        };
        let light = Light {
            gain: 1.0 + spread(play.light),
            slope: v2(spread(play.light), spread(play.light)),
            cast: [1.0 + spread(0.015), 1.0, 1.0 + spread(0.015)],
            from: V2::polar(-2.2 + spread(0.1)),
        };
        let background = self.background.moved(v2(spread(play.background), spread(play.background)));
        let mut canvas = Canvas::new(side, |p| background.at(p));
        for layer in &self.layers {
            let moved = V2 { x: spread(layer.loose), y: spread(layer.loose) };
            let part = v2(spread(20.0), spread(20.0));
            let turned = layer.angle + spread(layer.loose) * 2.0;
            canvas.draw(layer, &place, layer.at + moved, turned, part, &light);
        }
        let noise = play.noise;
        canvas.expose(&light, noise, &mut rng)
    }
}

/// How a piece lies.
struct Place {
    middle: V2,
    angle: f32,
    size: f32,
}

struct Canvas {
    side: usize,
    colours: Vec<Colour>,
}

impl Canvas {
    fn new(side: usize, colour: impl Fn(V2) -> Colour) -> Self {
        let colours = (0..side * side).map(|i| colour(middle_of(i % side, i / side, side))).collect();
        Self { side, colours }
    }

    fn draw(&mut self, layer: &Layer, place: &Place, at: V2, angle: f32, part: V2, light: &Light) {
        let middle = place.middle + at.rotated(place.angle) * place.size;
        let angle = angle + place.angle;
        let px = 1.0 / (self.side as f32 * place.size);
        let drop = v2(0.008, 0.010);
        let reach = (layer.shape.reach() + 0.03) * place.size;
        let range = |at: f32| {
            let low = ((at - reach) * self.side as f32).max(0.0) as usize;
            low..(((at + reach) * self.side as f32).max(0.0) as usize + 1)
                .clamp(low.min(self.side), self.side)
        };
        let (rows, columns) = (range(middle.y), range(middle.x));
        for y in rows {
            for x in columns.clone() {
                let from = middle_of(x, y, self.side) - middle;
                let p = from.rotated(-angle) * (1.0 / place.size);
                let colour = &mut self.colours[y * self.side + x];
                if layer.shadow {
                    let depth = smooth(0.016, -0.010, layer.shape.distance(p - drop.rotated(-angle)));
                    *colour = colour.map(|v| v * (1.0 - 0.45 * depth));
                }
                let d = layer.shape.distance(p);
                let cover = coverage(d, px);
                if cover > 0.0 {
                    let over = layer.colour(p, d, part, light.from.rotated(-angle));
                    *colour = std::array::from_fn(|c| mix(colour[c], over[c], cover));
                }
            }
        }
    }

    /// Adds light and noise.
    fn expose(self, light: &Light, noise: f32, rng: &mut ChaCha8Rng) -> Picture {
        let mut data = Vec::with_capacity(3 * self.colours.len());
        for (i, colour) in self.colours.iter().enumerate() {
            let p = middle_of(i % self.side, i / self.side, self.side) - v2(0.5, 0.5);
            let gain = light.gain * (1.0 + light.slope.dot(p)) * (1.0 - 0.12 * p.dot(p));
            for (v, cast) in colour.iter().zip(light.cast) {
                // The sum of four even numbers is nearly Gaussian; each has a variance of 1/12.
                let sum: f32 = rng.random::<u32>().to_le_bytes().iter().map(|&b| f32::from(b)).sum();
                let random = (sum - 510.0) / 147.8;
                data.push(to_level(255.0 * v * gain * cast + noise * random));
            }
        }
        Picture { data, width: self.side, height: self.side }
    }
}

fn middle_of(x: usize, y: usize, side: usize) -> V2 {
    v2((x as f32 + 0.5) / side as f32, (y as f32 + 0.5) / side as f32)
}

impl Layer {
    /// Colour at a point at distance `d` (negative) from the outline.
    fn colour(&self, p: V2, d: f32, part: V2, light: V2) -> Colour {
        let colour = match &self.material {
            Material::Plain(colour) => *colour,
            Material::Textured(texture, false) => texture.at(p),
            Material::Textured(texture, true) => texture.at(p + part),
            Material::Photograph(photograph, middle, false) => photograph.at(p + *middle),
            Material::Photograph(photograph, middle, true) => photograph.at(p + *middle + part),
        };
        if self.bevel == 0.0 {
            return colour;
        }
        let width = self.bevel.abs();
        let edge = 1.0 - smooth(0.0, width, -d);
        let slope = self.shape.outward(p) * self.bevel.signum();
        let shade = 1.0 + 0.45 * edge * slope.dot(light);
        colour.map(|v| v * shade)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn difference(a: &Picture, b: &Picture) -> f64 {
        let sum: u64 = a.data.iter().zip(&b.data).map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
        sum as f64 / a.data.len() as f64
    }

    #[test]
    fn pieces_of_a_class_vary_less_than_classes_do() {
        for kind in [ProductKind::Plate, ProductKind::Rows, ProductKind::Board, ProductKind::Disc] {
            let classes: Vec<_> = (0..4).map(|seed| Product::of_kind(kind, seed)).collect();
            let pieces: Vec<_> = classes.iter().map(|c| [c.image(0, 48), c.image(1, 48)]).collect();
            let within = pieces.iter().map(|[a, b]| difference(a, b)).sum::<f64>() / 4.0;
            let between = pieces.windows(2).map(|w| difference(&w[0][0], &w[1][0])).sum::<f64>() / 3.0;
            assert!(within > 0.3, "{kind:?}: pieces are copies, {within}");
            assert!(between > 2.0 * within, "{kind:?}: {within} within, {between} between");
        }
    }

    #[test]
    fn every_seed_draws_a_picture_that_is_not_even_and_is_drawn_again_alike() {
        for seed in 0..24 {
            let product = Product::new(seed);
            let picture = product.image(3, 40);
            assert_eq!(picture, Product::new(seed).image(3, 40));
            let (low, high) = (picture.data.iter().min().unwrap(), picture.data.iter().max().unwrap());
            assert!(high - low > 30, "{seed} {:?}: {low} to {high}", product.kind());
        }
    }
}
