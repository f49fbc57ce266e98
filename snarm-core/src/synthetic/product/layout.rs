//! What the classes of each family look like.

use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::shape::Shape;
use super::{Layer, Material, Play, Product, ProductKind};
use crate::synthetic::ops::hsv_to_rgb;
use crate::synthetic::plane::{V2, v2};
use crate::synthetic::texture::{Colour, Palette, Texture, TextureKind};

/// Draws a class.
pub(super) fn draw(kind: ProductKind, seed: u64, rng: &mut ChaCha8Rng) -> Product {
    let play = Play {
        shift: rng.random_range(0.002..=0.03),
        turn: rng.random_range(0.0..=0.06),
        size: rng.random_range(0.0..=0.02),
        background: 0.0,
        light: rng.random_range(0.01..=0.08),
        noise: rng.random_range(0.5..=3.0),
    };
    let mut product = Product { kind: Some(kind), seed, background: belt(rng), layers: Vec::new(), play };
    let layers = &mut product.layers;
    match kind {
        ProductKind::Plate => plate(layers, rng),
        ProductKind::Rows => rows(layers, rng),
        ProductKind::Board => board(layers, rng),
        ProductKind::Disc => {
            disc(layers, rng);
            // Round parts lie as they fall in half of the classes.
            if rng.random_bool(0.5) {
                product.play.turn = std::f32::consts::PI;
            }
        }
        ProductKind::Pattern => {
            let kinds = [TextureKind::Weave, TextureKind::Stripes, TextureKind::Bricks, TextureKind::Dots];
            product.background = Texture::draw_kind(pick(&kinds, rng), rng).upright();
            product.play.background = 0.5;
        }
        ProductKind::Material => {
            let kinds = [
                TextureKind::Wood,
                TextureKind::Speckle,
                TextureKind::Brushed,
                TextureKind::Clouds,
                TextureKind::Cells,
            ];
            product.background = Texture::draw_kind(pick(&kinds, rng), rng);
            product.play.background = 30.0;
        }
    }
    product
}

fn pick<T: Copy>(items: &[T], rng: &mut ChaCha8Rng) -> T {
    items[rng.random_range(0..items.len())]
}

fn colour(rng: &mut ChaCha8Rng) -> Colour {
    let saturation = if rng.random_bool(0.5) { 0.1 } else { 0.85 } * rng.random_range(0.2f32..=1.0);
    hsv_to_rgb([rng.random_range(0.0..360.0), saturation, rng.random_range(0.15f32..=0.95)])
}

/// A colour that stands out from `from`.
fn ink(from: Colour, rng: &mut ChaCha8Rng) -> Colour {
    let luma = |c: Colour| 0.299 * c[0] + 0.587 * c[1] + 0.114 * c[2];
    let mut drawn = colour(rng);
    for _ in 0..8 {
        if (luma(drawn) - luma(from)).abs() > 0.25 {
            break;
        }
        drawn = colour(rng);
    }
    drawn
}

/// A calm surface to lie on.
fn belt(rng: &mut ChaCha8Rng) -> Texture {
    let kinds = [TextureKind::Gradient, TextureKind::Clouds, TextureKind::Speckle, TextureKind::Brushed];
    let level = if rng.random_bool(0.6) { 0.08..=0.3 } else { 0.6f32..=0.9 };
    let grey = hsv_to_rgb([rng.random_range(0.0..360.0), 0.1, rng.random_range(level)]);
    let palette = Palette::shades(grey, rng.random_range(0.05..=0.3));
    Texture::draw_kind(pick(&kinds, rng), rng).with_palette(palette)
}

/// A plain colour or a surface of that colour; each piece shows another part of it.
fn surface(base: Colour, rng: &mut ChaCha8Rng) -> Material {
    if rng.random_bool(0.3) {
        return Material::Plain(base);
    }
    let kinds = [TextureKind::Brushed, TextureKind::Clouds, TextureKind::Speckle, TextureKind::Wood];
    let palette = Palette::shades(base, rng.random_range(0.1..=0.35));
    Material::Textured(Box::new(Texture::draw_kind(pick(&kinds, rng), rng).with_palette(palette)), true)
}

fn flat(shape: Shape, at: V2, colour: Colour) -> Layer {
    let material = Material::Plain(colour);
    Layer { shape, at, angle: 0.0, material, bevel: 0.0, shadow: false, loose: 0.0 }
}

fn body(shape: Shape, material: Material, rng: &mut ChaCha8Rng) -> Layer {
    let bevel = rng.random_range(0.006..=0.03);
    Layer { shape, at: V2::default(), angle: 0.0, material, bevel, shadow: true, loose: 0.0 }
}

fn hole(radius: f32, at: V2, rng: &mut ChaCha8Rng) -> Layer {
    let dark = rng.random_range(0.02f32..=0.1);
    Layer { bevel: -0.012, ..flat(Shape::Circle(radius), at, [dark; 3]) }
}

fn plate(layers: &mut Vec<Layer>, rng: &mut ChaCha8Rng) {
    let base = colour(rng);
    let half = v2(rng.random_range(0.25f32..=0.42), rng.random_range(0.22f32..=0.42));
    let material = surface(base, rng);
    layers.push(body(Shape::Box(half, rng.random_range(0.0..=0.1)), material, rng));
    let inset = rng.random_range(0.05f32..=0.08);
    let corner = half - v2(inset, inset);
    let screws = rng.random_bool(0.5);
    let radius = rng.random_range(0.014f32..=0.03);
    for sign in [v2(1.0, 1.0), v2(-1.0, 1.0), v2(-1.0, -1.0), v2(1.0, -1.0)] {
        let at = v2(corner.x * sign.x, corner.y * sign.y);
        if screws {
            let metal = [0.72f32, 0.72, 0.7].map(|v| v * rng.random_range(0.8f32..=1.1));
            let head = Layer { bevel: 0.012, shadow: true, ..flat(Shape::Circle(radius), at, metal) };
            let slot = Shape::Box(v2(0.8 * radius, 0.15 * radius), 0.0);
            let angle = rng.random_range(0.0..std::f32::consts::PI);
            layers.extend([head, Layer { angle, ..flat(slot, at, [0.1; 3]) }]);
        } else {
            layers.push(hole(radius, at, rng));
        }
    }
    let ink = ink(base, rng);
    for _ in 0..rng.random_range(2..=4) {
        let room = corner - v2(0.06, 0.06);
        let at = v2(room.x * rng.random_range(-0.8f32..=0.8), room.y * rng.random_range(-0.8f32..=0.8));
        print(layers, at, ink, rng);
    }
}

/// A bar code, a line of strokes like writing, a frame, or a symbol.
fn print(layers: &mut Vec<Layer>, at: V2, ink: Colour, rng: &mut ChaCha8Rng) {
    let unit = rng.random_range(0.008f32..=0.016);
    match rng.random_range(0..4) {
        0 => {
            let mut x = at.x;
            for _ in 0..rng.random_range(6..=14) {
                let bar = unit * rng.random_range(0.2f32..=0.7);
                layers.push(flat(Shape::Box(v2(bar, 3.5 * unit), 0.0), v2(x + bar, at.y), ink));
                x += 2.0 * bar + unit * rng.random_range(0.3f32..=0.8);
            }
        }
        1 => {
            for i in 0..rng.random_range(3..=8) {
                let middle = at + v2(3.2 * unit * i as f32, 0.0);
                for _ in 0..rng.random_range(2..=4) {
                    let mut end =
                        || v2(rng.random_range(-1i32..=1) as f32, rng.random_range(-1i32..=1) as f32);
                    let (a, b) = (end(), end());
                    let (a, b) = (v2(a.x, 1.6 * a.y) * unit, v2(b.x, 1.6 * b.y) * unit);
                    layers.push(flat(Shape::Line(a, b, 0.28 * unit), middle, ink));
                }
            }
        }
        2 => layers.push(flat(Shape::Ring(unit * rng.random_range(3.0f32..=6.0), unit), at, ink)),
        _ => {
            let points = rng.random_range(3..=7) as f32;
            let outer = unit * rng.random_range(3.0f32..=5.0);
            layers.push(flat(Shape::Star(points, outer, outer * rng.random_range(0.4..=0.8)), at, ink));
        }
    }
}

fn rows(layers: &mut Vec<Layer>, rng: &mut ChaCha8Rng) {
    let (columns, rows) = (rng.random_range(2..=6), rng.random_range(2..=6));
    let cell = 0.86 / columns.max(rows) as f32;
    let r = cell * rng.random_range(0.28f32..=0.44);
    let shape = match rng.random_range(0..5) {
        0 => Shape::Circle(r),
        1 => Shape::Capsule(0.5 * r, 0.5 * r),
        2 => Shape::Polygon(6.0, 0.85 * r),
        3 => Shape::Box(v2(r, r * rng.random_range(0.4f32..=1.0)), 0.2 * r),
        _ => Shape::Ring(r, r * rng.random_range(0.25f32..=0.5)),
    };
    let base = colour(rng);
    let part = Layer { loose: cell * rng.random_range(0.0..=0.06), ..body(shape, surface(base, rng), rng) };
    let angle = rng.random_range(0.0..std::f32::consts::TAU);
    let mark = rng.random_bool(0.6).then(|| {
        let ink = ink(base, rng);
        match rng.random_range(0..3) {
            0 => flat(Shape::Line(v2(-0.45 * r, 0.0), v2(0.45 * r, 0.0), 0.07 * r), V2::default(), ink),
            1 => flat(Shape::Circle(0.3 * r), V2::default(), ink),
            _ => flat(Shape::Star(5.0, 0.45 * r, 0.2 * r), V2::default(), ink),
        }
    });
    for i in 0..columns * rows {
        let (x, y) = ((i % columns) as f32, (i / columns) as f32);
        let at = v2(x - 0.5 * (columns - 1) as f32, y - 0.5 * (rows - 1) as f32) * cell;
        layers.push(Layer { at, angle, ..part.clone() });
        layers.extend(mark.clone().map(|mark| Layer { at, angle, ..mark }));
    }
}

fn board(layers: &mut Vec<Layer>, rng: &mut ChaCha8Rng) {
    let hue = pick(&[140.0f32, 150.0, 220.0, 0.0, 60.0], rng);
    let base = hsv_to_rgb([hue, 0.75, rng.random_range(0.18f32..=0.45)]);
    let half = v2(rng.random_range(0.34f32..=0.46), rng.random_range(0.30f32..=0.46));
    layers.push(body(Shape::Box(half, 0.015), Material::Plain(base), rng));
    let trace = base.map(|v| v * 1.35 + 0.04);
    let mut place = |margin: f32| {
        let room = half - v2(margin, margin);
        v2(room.x * rng.random_range(-1.0f32..=1.0), room.y * rng.random_range(-1.0f32..=1.0))
    };
    let mut ends = Vec::new();
    for _ in 0..14 {
        ends.push((place(0.04), place(0.04)));
    }
    for (a, b) in ends {
        // Traces run along the axes.
        let knee = v2(a.x, b.y);
        layers.push(flat(Shape::Line(V2::default(), knee - a, 0.003), a, trace));
        layers.push(flat(Shape::Line(V2::default(), b - knee, 0.003), knee, trace));
    }
    let gold = [0.83, 0.68, 0.28];
    for _ in 0..rng.random_range(8..=20) {
        let at = v2(half.x * rng.random_range(-0.9f32..=0.9), half.y * rng.random_range(-0.9f32..=0.9));
        layers.push(flat(Shape::Ring(0.011, 0.005), at, gold));
    }
    for _ in 0..rng.random_range(3..=8) {
        let chip = v2(rng.random_range(0.025f32..=0.09), rng.random_range(0.02f32..=0.07));
        let room = half - chip - v2(0.03, 0.03);
        let at = v2(room.x * rng.random_range(-1.0f32..=1.0), room.y * rng.random_range(-1.0f32..=1.0));
        let pins = (chip.x / 0.012) as i32;
        for (i, side) in (-pins..=pins).flat_map(|i| [(i, 1.0), (i, -1.0)]) {
            let pin = v2(i as f32 * 0.011, side * (chip.y + 0.006));
            layers.push(flat(Shape::Box(v2(0.003, 0.008), 0.0), at + pin, [0.75; 3]));
        }
        let dark = colour(rng).map(|v| 0.25 * v);
        let case = Layer { at, ..body(Shape::Box(chip, 0.004), Material::Plain(dark), rng) };
        layers.extend([case, flat(Shape::Circle(0.005), at - chip + v2(0.012, 0.012), [0.6; 3])]);
    }
}

fn disc(layers: &mut Vec<Layer>, rng: &mut ChaCha8Rng) {
    let radius = rng.random_range(0.26f32..=0.44);
    let base = colour(rng);
    let outline = match rng.random_range(0..4) {
        0 => Shape::Star(rng.random_range(8..=24) as f32, radius, radius * rng.random_range(0.82..=0.93)),
        1 => Shape::Polygon(rng.random_range(5..=8) as f32, 0.9 * radius),
        _ => Shape::Circle(radius),
    };
    let material = surface(base, rng);
    layers.push(body(outline, material, rng));
    for _ in 0..rng.random_range(1..=3) {
        let r = radius * rng.random_range(0.35f32..=0.85);
        let shade = if rng.random_bool(0.5) { ink(base, rng) } else { base.map(|v| v * 0.7) };
        let width = radius * rng.random_range(0.02f32..=0.15);
        let bevel = if rng.random_bool(0.5) { 0.012 } else { -0.012 };
        layers.push(Layer { bevel, ..flat(Shape::Ring(r, width), V2::default(), shade) });
    }
    let n = rng.random_range(3..=10);
    let (r, size) = (radius * rng.random_range(0.5f32..=0.75), radius * rng.random_range(0.04f32..=0.12));
    let marks = ink(base, rng);
    let holes = rng.random_bool(0.6);
    for i in 0..n {
        let angle = std::f32::consts::TAU * i as f32 / n as f32;
        let at = V2::polar(angle) * r;
        layers.push(match holes {
            true => hole(size, at, rng),
            false => Layer { angle, ..flat(Shape::Box(v2(size, 0.4 * size), 0.0), at, marks) },
        });
    }
    if rng.random_bool(0.7) {
        layers.push(hole(radius * rng.random_range(0.08f32..=0.3), V2::default(), rng));
    }
}
