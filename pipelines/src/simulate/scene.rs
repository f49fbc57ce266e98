//! The station: a belt between two rails, pieces on it, the lamp above. Renders one exposure and its ground truth.

use super::defects::Defect;
use super::geometry::{V2, coverage, smooth, v2};
use super::noise::{Sensor, fractal, hash, value};
use super::parts::{PartKind, Piece};
use super::surface::{Light, Rgb, Surface, blend, scale};

/// A piece on the belt as the camera sees it.
#[derive(Debug, Clone)]
pub(crate) struct Placed {
    pub(crate) piece: Piece,
    pub(crate) defects: Vec<Defect>,
    /// Centre in pixels.
    pub(crate) centre: V2,
    pub(crate) angle: f32,
}

/// One exposure.
#[derive(Debug, Clone)]
pub(crate) struct Shot {
    /// Names the exposure: flicker and sensor noise follow from it.
    pub(crate) seed: u64,
    /// How far the belt has moved, in pixels.
    pub(crate) travel: f32,
    pub(crate) placed: Vec<Placed>,
}

/// An RGB picture and, for each pixel, the number of the defect that covers it: counted from 1 over all defects
/// of the shot, 0 for none.
pub(crate) struct Exposure {
    pub(crate) rgb: Vec<u8>,
    pub(crate) labels: Vec<u8>,
}

/// The camera, the belt and the product.
pub(crate) struct Station {
    pub(crate) width: usize,
    pub(crate) height: usize,
    pub(crate) part: PartKind,
    sensor: Sensor,
}

const BELT: Rgb = [0.040, 0.043, 0.047];
const RAIL: Rgb = [0.30, 0.31, 0.32];
/// Share of the height that each rail takes.
const RAIL_SHARE: f32 = 0.075;
const SHADOW: V2 = v2(0.075, 0.065);

impl Station {
    pub(crate) fn new(width: usize, height: usize, part: PartKind) -> Self {
        Self { width, height, part, sensor: Sensor::new() }
    }

    /// Takes the picture.
    pub(crate) fn expose(&self, shot: &Shot) -> Exposure {
        let lamp = lamp(shot.seed);
        let mut canvas = Canvas::new(self.width, self.height);
        self.belt(&mut canvas, lamp, shot.travel);
        let mut first_label = 1;
        for placed in &shot.placed {
            self.piece(&mut canvas, lamp, placed, first_label);
            first_label += placed.defects.len() as u8;
        }
        self.rails(&mut canvas, lamp);
        self.vignette(&mut canvas);
        Exposure { rgb: self.sensor.expose(&canvas.light, shot.seed), labels: canvas.labels }
    }

    fn belt(&self, canvas: &mut Canvas, lamp: Light, travel: f32) {
        let unit = 480.0 / self.height as f32;
        for y in 0..self.height {
            for x in 0..self.width {
                let p = v2((x as f32 + travel) * unit, y as f32 * unit);
                let weave = (p.x * 0.9 + p.y * 0.5).sin() * (p.x * 0.5 - p.y * 0.9).sin();
                let grain = value(p.x * 0.55, p.y * 0.55, 3);
                let wear = fractal(p.x * 0.006, p.y * 0.045, 2, 4);
                let tone = 1.0 + 0.13 * weave + 0.12 * grain + 0.20 * wear;
                let slope = v2(0.10 * weave + 0.05 * grain, 0.05 * grain);
                let surface = Surface { slope, gloss: 0.008, ..Surface::matt(scale(BELT, tone)) };
                canvas.put(y * self.width + x, lamp.shade(&surface));
            }
        }
    }

    /// Draws one piece: its shadow, itself, then what lies on it.
    fn piece(&self, canvas: &mut Canvas, lamp: Light, placed: &Placed, first_label: u8) {
        let radius = self.part.radius(self.height);
        let px = 1.0 / radius;
        let lamp = lamp.seen_from(placed.angle);
        let shadow = SHADOW.rotated(-placed.angle);
        let reach = 1.55 * radius;
        let rows = clip(placed.centre.y - reach, placed.centre.y + reach, self.height);
        let columns = clip(placed.centre.x - reach, placed.centre.x + reach, self.width);
        for y in rows {
            for x in columns.clone() {
                let p = (v2(x as f32 + 0.5, y as f32 + 0.5) - placed.centre).rotated(-placed.angle) * px;
                let at = y * self.width + x;
                self.cast_shadow(canvas, at, p - shadow, &placed.piece);
                self.surface(canvas, at, p, px, lamp, placed, first_label);
                on_top(canvas, at, p, px, lamp, placed, first_label);
            }
        }
    }

    fn cast_shadow(&self, canvas: &mut Canvas, at: usize, p: V2, piece: &Piece) {
        if !piece.absent && p.dot(p) < self.part.reach().powi(2) {
            let depth = smooth(0.07, -0.05, self.part.distance(p, piece));
            canvas.dim(at, 1.0 - 0.72 * depth);
        }
    }

    fn surface(
        &self,
        canvas: &mut Canvas,
        at: usize,
        p: V2,
        px: f32,
        lamp: Light,
        placed: &Placed,
        first_label: u8,
    ) {
        if p.dot(p) > self.part.reach().powi(2) {
            return;
        }
        let inside = coverage(self.part.distance(p, &placed.piece), px);
        if inside <= 0.0 {
            return;
        }
        let mut surface = self.part.surface(p, px, &placed.piece);
        for (i, defect) in placed.defects.iter().enumerate() {
            let defective = defect.apply(self.part, p, px, &mut surface);
            canvas.label(at, first_label + i as u8, defective * inside);
        }
        if !placed.piece.absent {
            canvas.cover(at, lamp.shade(&surface), inside);
        }
    }

    fn rails(&self, canvas: &mut Canvas, lamp: Light) {
        let (height, rail) = (self.height as f32, RAIL_SHARE * self.height as f32);
        for y in 0..self.height {
            let from_edge = (y as f32 + 0.5).min(height - y as f32 - 0.5);
            let upper = 2 * y < self.height;
            let shade = if upper { smooth(rail + 0.03 * height, rail, from_edge) } else { 0.0 };
            let inside = coverage(from_edge - rail, 1.0);
            for x in 0..self.width {
                let at = y * self.width + x;
                canvas.dim(at, 1.0 - 0.5 * shade);
                if inside > 0.0 {
                    let surface = self.rail(x as f32, from_edge / rail, upper);
                    canvas.cover(at, lamp.shade(&surface), inside);
                }
            }
        }
    }

    /// Brushed aluminium with a rounded inner edge and a screw now and then. `across` is 1 at the inner edge.
    fn rail(&self, x: f32, across: f32, upper: bool) -> Surface {
        let unit = 480.0 / self.height as f32;
        let brush =
            value(x * unit * 0.02, across * 34.0, 21) + 0.5 * value(x * unit * 0.15, across * 60.0, 22);
        let edge = smooth(0.84, 1.0, across) * if upper { 0.8 } else { -0.8 };
        let mut s = Surface {
            albedo: scale(RAIL, 1.0 + 0.10 * brush),
            slope: v2(0.0, 0.03 * brush + edge),
            gloss: 0.16,
            grain: v2(1.0, 0.0),
            open: 1.0,
        };
        let pitch = 0.31 * self.width as f32;
        let rail = RAIL_SHARE * self.height as f32;
        let q = v2((x + 0.15 * pitch).rem_euclid(pitch) - 0.5 * pitch, (across - 0.48) * rail) * (1.0 / rail);
        let turn = hash(((x + 0.15 * pitch) / pitch).floor() as i32, i32::from(upper), 5);
        screw(q.rotated(turn * 3.0), 1.0 / rail, &mut s);
        s
    }

    fn vignette(&self, canvas: &mut Canvas) {
        let (w, h) = (self.width as f32, self.height as f32);
        for y in 0..self.height {
            for x in 0..self.width {
                let p = v2((x as f32 - 0.46 * w) / w, (y as f32 - 0.45 * h) / w);
                canvas.dim(y * self.width + x, 1.0 - 0.55 * p.dot(p));
            }
        }
    }
}

/// The lamp flickers a little and is never quite at the same place.
fn lamp(seed: u64) -> Light {
    let jitter = |i: i32| hash(seed as i32, i, (seed >> 32) as u32 ^ 0xA5);
    let bar = v2(-0.46 + 0.010 * jitter(0), -0.40 + 0.010 * jitter(1));
    Light { bar, gain: 1.0 + 0.018 * jitter(2) + 0.010 * jitter(3) }
}

/// A hexagon socket screw of radius 0.27.
fn screw(q: V2, px: f32, s: &mut Surface) {
    let r = q.length();
    s.open *= 1.0 - 0.5 * smooth(0.06, 0.0, (r - 0.30).abs());
    let head = Surface { gloss: 0.25, slope: q.unit() * -smooth(0.20, 0.27, r), ..Surface::matt([0.2; 3]) };
    s.cover(head, coverage(r - 0.27, px));
    let side = std::f32::consts::FRAC_PI_3;
    let turn = (q.angle() + side / 2.0).rem_euclid(side) - side / 2.0;
    s.cover(Surface::matt([0.012; 3]), coverage(r * turn.cos() - 0.125, px));
}

fn on_top(canvas: &mut Canvas, at: usize, p: V2, px: f32, lamp: Light, placed: &Placed, first_label: u8) {
    for (i, defect) in placed.defects.iter().enumerate() {
        canvas.dim(at, 1.0 - defect.shadow(p));
        if let Some((surface, inside)) = defect.body(p, px) {
            canvas.cover(at, lamp.shade(&surface), inside);
            canvas.label(at, first_label + i as u8, inside);
        }
    }
}

/// Linear light and labels, row after row.
struct Canvas {
    light: Vec<f32>,
    labels: Vec<u8>,
}

impl Canvas {
    fn new(width: usize, height: usize) -> Self {
        Self { light: vec![0.0; 3 * width * height], labels: vec![0; width * height] }
    }

    fn get(&self, at: usize) -> Rgb {
        std::array::from_fn(|c| self.light.get(3 * at + c).copied().unwrap_or(0.0))
    }

    fn put(&mut self, at: usize, light: Rgb) {
        if let Some(pixel) = self.light.get_mut(3 * at..3 * at + 3) {
            pixel.copy_from_slice(&light);
        }
    }

    fn dim(&mut self, at: usize, factor: f32) {
        self.put(at, scale(self.get(at), factor));
    }

    fn cover(&mut self, at: usize, light: Rgb, t: f32) {
        self.put(at, blend(self.get(at), light, t));
    }

    fn label(&mut self, at: usize, label: u8, covered: f32) {
        if covered >= 0.5
            && let Some(pixel) = self.labels.get_mut(at)
        {
            *pixel = label;
        }
    }
}

/// The whole pixels between two places, within `0..n`.
fn clip(from: f32, to: f32, n: usize) -> std::ops::Range<usize> {
    let clamp = |v: f32| v.clamp(0.0, n as f32) as usize;
    clamp(from.floor())..clamp(to.ceil())
}
