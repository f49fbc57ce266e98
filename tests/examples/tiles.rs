//! How many small dots on drawn frames of 1920 x 1080 are found, and what it costs, with the frame as a whole and in tiles.
//!
//! `cargo run --release -p snarm-tests --example tiles -- [DOT [LEARNED [GOOD [BAD]]]] [TILES...]`, where DOT is the diameter
//! of the dots in pixels, and TILES are `none`, `CxR`, or a smallest defect in pixels, for which the tiles are cut by
//! themselves. `--free` scores without the decoder that ships; `--holes` drills holes with bright rims into the plate.
//!
//! The frames show a plate with a rough, brushed surface; each is shifted by some pixels, a little lighter or darker, and
//! noisy as cameras are. A dot is found `there` where the map of its frame is highest within 16 pixels of it.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a program for whoever measures")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use snarm_core::Grid;
use snarm_core::bank::{BankBuilder, BankSettings};
use snarm_core::detect::Detector;
use snarm_core::encoder::Encoder;
use snarm_core::frame::Frame;
use snarm_core::models::Decoder;
use snarm_core::registry;
use snarm_core::view::{Tiles, TilesAsked, View};

const WIDTH: usize = 1920;
const HEIGHT: usize = 1080;

/// False-positive rate that is asked for.
const RATE: f64 = 0.02;

/// Random numbers by SplitMix64.
struct Random(u64);

impl Random {
    /// A number from `low` to below `high`.
    fn between(&mut self, low: f32, high: f32) -> f32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        low + (high - low) * ((mixed ^ (mixed >> 31)) >> 40) as f32 / (1 << 24) as f32
    }
}

/// The plate, larger than a frame by what frames are shifted.
struct Plate(Vec<f32>, bool);

/// The most pixels that a frame is shifted.
const SHIFT: usize = 2;

impl Plate {
    fn new(holes: bool) -> Self {
        let mut random = Random(1);
        let (width, height) = (WIDTH + SHIFT, HEIGHT + SHIFT);
        // Brushed along x: noise with a long memory in each row, and coarse clouds.
        let clouds: Vec<f32> = (0..40 * 24).map(|_| random.between(-8.0, 8.0)).collect();
        let mut pixels = Vec::with_capacity(width * height);
        for y in 0..height {
            let mut line = 0.0_f32;
            for x in 0..width {
                line = 0.92 * line + random.between(-3.0, 3.0);
                let (u, v) = (x as f32 / 50.0, y as f32 / 50.0);
                let at = |i: usize, j: usize| clouds[j % 24 * 40 + i % 40];
                let (i, j, s, t) = (u as usize, v as usize, u.fract(), v.fract());
                let cloud = (1.0 - t) * ((1.0 - s) * at(i, j) + s * at(i + 1, j))
                    + t * ((1.0 - s) * at(i, j + 1) + s * at(i + 1, j + 1));
                let plate = (80..width - 80).contains(&x) && (60..height - 60).contains(&y);
                let (hx, hy) = ((x % 240) as f32 - 120.0, (y % 240) as f32 - 120.0);
                let hole = if holes { hx.hypot(hy) } else { f32::INFINITY };
                let level = match (plate, hole) {
                    (false, _) => 40.0,
                    (_, ..26.0) => 25.0,
                    (_, ..32.0) => 175.0,
                    _ => 135.0 + cloud + line,
                };
                pixels.push(level);
            }
        }
        Self(pixels, holes)
    }

    /// Frame number `seed`, in RGB, with a dot of that diameter on it, and where that is.
    fn frame(&self, seed: u64, dot: Option<f32>) -> (Vec<u8>, Option<(f32, f32)>) {
        let mut random = Random(seed << 20);
        let mut shift = || random.between(0.0, SHIFT as f32 + 1.0) as usize;
        let (dx, dy) = (shift(), shift());
        let gain = random.between(0.98, 1.02);
        let dot = dot.map(|diameter| {
            let (x, y) = loop {
                let (x, y) = (random.between(100.0, 1820.0), random.between(80.0, 1000.0));
                let hole = (x % 240.0 - 120.0).hypot(y % 240.0 - 120.0);
                if hole > 50.0 || !self.1 {
                    break (x, y);
                }
            };
            let contrast = if random.between(0.0, 1.0) < 0.5 { 90.0 } else { -110.0_f32 };
            (x, y, diameter / 2.0, contrast)
        });
        let mut pixels = Vec::with_capacity(3 * WIDTH * HEIGHT);
        for y in 0..HEIGHT {
            for x in 0..WIDTH {
                let mut level = gain * self.0[(y + dy) * (WIDTH + SHIFT) + x + dx];
                if let Some((cx, cy, radius, contrast)) = dot {
                    // An edge of one pixel, as a lens draws it.
                    let inside = (radius + 0.5 - (x as f32 - cx).hypot(y as f32 - cy)).clamp(0.0, 1.0);
                    level += inside * contrast;
                }
                let noise: f32 = (0..3).map(|_| random.between(-3.0, 3.0)).sum();
                pixels.extend([
                    (level + noise) as u8,
                    (level + 4.0 + noise) as u8,
                    (level + 8.0 + noise) as u8,
                ]);
            }
        }
        (pixels, dot.map(|(x, y, ..)| (x, y)))
    }
}

/// The most memory that this process had so far, in MiB.
fn peak() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<f64>().ok()).unwrap_or_default() / 1024.0
}

fn tiles(name: &str) -> Tiles {
    let asked = match name.parse::<f64>() {
        Ok(least) => TilesAsked::new(None, None, Some(least)),
        Err(_) => TilesAsked::new(Some(name), None, None),
    };
    asked.unwrap().over(Tiles::None)
}

fn main() {
    let (flags, arguments): (Vec<String>, Vec<String>) =
        std::env::args().skip(1).partition(|argument| argument.starts_with("--"));
    let is_set = |name: &str| flags.iter().any(|flag| flag == name);
    let free = is_set("--free");
    let number = |i: usize, or: f64| arguments.get(i).map_or(or, |text| text.parse().unwrap());
    let (dot, learned, good, bad) =
        (number(0, 4.0) as f32, number(1, 32.0) as u64, number(2, 100.0) as u64, number(3, 64.0) as u64);
    let asked: Vec<&str> = arguments.iter().skip(4).map(String::as_str).collect();
    let asked = if asked.is_empty() { vec!["none", "2x2", "3x3", "4"] } else { asked };
    let encoder = registry::encoder(None).unwrap();
    let decoder = if free { None } else { registry::decoder(None, &encoder).unwrap() };
    let plate = Plate::new(is_set("--holes"));
    println!(
        "{}, {}; {learned} frames learned, {good} good ones, {bad} with a dot of {dot} pixels",
        encoder.name(),
        decoder.as_ref().map_or("training-free", |decoder| decoder.scorer())
    );
    println!(
        "tiles | found, alarms at the bank's threshold | found, alarms at {RATE} | there | AUROC | seconds to learn, ms a frame | MiB"
    );
    for name in asked {
        measure(name, &encoder, decoder.clone(), &plate, dot, [learned, good, bad]);
    }
}

fn measure(
    name: &str,
    encoder: &Arc<Encoder>,
    decoder: Option<Arc<Decoder>>,
    plate: &Plate,
    dot: f32,
    [learned, good, bad]: [u64; 3],
) {
    let settings =
        BankSettings { view: View { tiles: tiles(name), ..View::default() }, ..BankSettings::default() };
    let mut builder = BankBuilder::new(Arc::clone(encoder), settings).unwrap();
    if let Some(decoder) = &decoder {
        builder.calibrate_with(Arc::clone(decoder)).unwrap();
    }
    let mut learning = Duration::ZERO;
    for seed in 0..learned {
        let (pixels, _) = plate.frame(seed, None);
        let start = Instant::now();
        builder.add(&Frame::rgb(&pixels, WIDTH, HEIGHT).unwrap()).unwrap();
        learning += start.elapsed();
    }
    let start = Instant::now();
    let bank = Arc::new(builder.finish(&mut |_, _, _| {}).unwrap());
    learning += start.elapsed();
    let cut = bank.tiles();
    let mut detector = Detector::with_decoder(Arc::clone(encoder), bank, decoder).unwrap();
    let limits = detector.bank_limits();
    let at_rate = detector.calibration().threshold_at_fpr(RATE);
    let mut time = Duration::ZERO;
    let mut there = 0;
    let mut score = |seed: u64, dot: Option<f32>| {
        let (pixels, place) = plate.frame(seed, dot);
        let start = Instant::now();
        let found = detector.detect(&Frame::rgb(&pixels, WIDTH, HEIGHT).unwrap(), &limits).unwrap();
        time += start.elapsed();
        let at = (0..found.map.len()).max_by(|a, b| found.map[*a].total_cmp(&found.map[*b])).unwrap();
        let Grid { rows, columns } = found.map_size;
        let middle = |i: usize, n: usize, length: usize| (i as f32 + 0.5) * length as f32 / n as f32;
        let (x, y) = (middle(at % columns, columns, WIDTH), middle(at / columns, rows, HEIGHT));
        there += u64::from(place.is_some_and(|(u, v)| (x - u).abs() < 16.0 && (y - v).abs() < 16.0));
        found.score
    };
    let of_good: Vec<f64> = (0..good).map(|seed| score(10_000 + seed, None)).collect();
    let of_bad: Vec<f64> = (0..bad).map(|seed| score(20_000 + seed, Some(dot))).collect();
    let count = |scores: &[f64], least: f64| scores.iter().filter(|score| **score >= least).count();
    let above: usize = of_bad.iter().map(|bad| of_good.iter().filter(|good| *good < bad).count()).sum();
    println!(
        "{name} ({cut}) | {}, {} | {}, {} | {there} | {:.3} | {:.0}, {:.0} | {:.0}",
        count(&of_bad, limits.threshold),
        count(&of_good, limits.threshold),
        count(&of_bad, at_rate),
        count(&of_good, at_rate),
        above as f64 / (good * bad) as f64,
        learning.as_secs_f64(),
        time.as_secs_f64() * 1e3 / (good + bad) as f64,
        peak()
    );
}
