//! The images that a student is taught on: views of the pictures in some folders and of drawn ones, each a random cut
//! with random tones.
//!
//! A view follows from the seed of the run, its round and its number alone. Some pictures are set apart for validation.

use std::path::PathBuf;

use rand::Rng;
use rand_chacha::ChaCha8Rng;
use snarm_kernels::blur::Blur;
use snarm_kernels::resize::{Size, pil_bilinear};

use crate::dataset::{self, Picture, Reading};
use crate::error::{Error, Result};
use crate::paths;
use crate::synthetic::product::Product;
use crate::synthetic::texture::Texture;
use crate::training::random::{generator, key, normal_pair};

/// One picture in so many is set apart.
const APART: usize = 40;

/// Shortest side of a picture that is used.
const SMALLEST: usize = 64;

/// Pictures that are tried before a view is given up.
const TRIES: usize = 20;

/// Side of a picture that is drawn.
const DRAWN: usize = 448;

/// The files of some folders, and how often a picture is drawn instead.
#[derive(Debug, Clone)]
pub struct Pictures {
    training: Vec<PathBuf>,
    validation: Vec<PathBuf>,
    drawn: f64,
    reading: Reading,
}

/// Which pictures a view may show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Those that are learned from.
    Training,
    /// Those set apart.
    Validation,
}

impl Pictures {
    /// Finds all picture files in folders and the folders below them, to be read as `reading` has it; without a number of
    /// bits in it, samples of 16 bits hold what is found in all of them. A share of `drawn` (0 to 1) of the pictures that
    /// are learned from are textures and products drawn from nothing; where there are no folders, all of them are.
    ///
    /// # Errors
    /// When a folder cannot be read, there are too few files to set some apart, or the share is none.
    pub fn find(folders: &[PathBuf], drawn: f64, mut reading: Reading) -> Result<Self> {
        if !(0.0..=1.0).contains(&drawn) {
            let expected = "0 to 1".to_owned();
            return Err(Error::Setting {
                name: "share of drawn pictures",
                expected,
                found: drawn.to_string(),
            });
        }
        if folders.is_empty() {
            return Ok(Self { training: Vec::new(), validation: Vec::new(), drawn: 1.0, reading });
        }
        let mut all = dataset::images_of(folders)?;
        all.sort_unstable();
        if all.len() < 2 {
            let folders: Vec<String> = folders.iter().map(paths::text).collect();
            let expected = format!("at least 2 pictures in {}", folders.join(", "));
            return Err(Error::Values { what: "pictures", expected, found: all.len().to_string() });
        }
        if reading.bits.is_none() {
            reading.bits = dataset::depth_of(&all, &reading)?.bits();
        }
        let (mut training, mut validation) = (Vec::new(), Vec::new());
        for (i, path) in all.into_iter().enumerate() {
            if i % APART == 0 { validation.push(path) } else { training.push(path) }
        }
        Ok(Self { training, validation, drawn, reading })
    }

    /// Number of pictures to learn from, and of those set apart.
    pub fn len(&self) -> (usize, usize) {
        (self.training.len(), self.validation.len())
    }

    /// Whether there are no files to learn from.
    pub fn is_empty(&self) -> bool {
        self.training.is_empty()
    }

    /// Share of pictures that are drawn.
    pub fn drawn(&self) -> f64 {
        self.drawn
    }

    /// What it holds, for the digest of a run: names and sizes of the files, and the share of drawn pictures. Folders are
    /// left out, so that a run may go on elsewhere.
    pub(super) fn describe(&self) -> String {
        let mut text = String::new();
        for path in self.training.iter().chain(&self.validation) {
            let name = paths::text(path.file_name().unwrap_or_default());
            let length = std::fs::metadata(path).map_or(0, |metadata| metadata.len());
            text += &format!("{name} {length}\n");
        }
        let bits = self.reading.bits.map_or_else(String::new, |bits| format!(" {bits} bits"));
        format!("{text}{}{bits}", self.drawn)
    }

    /// A view of side x side pixels, RGB.
    ///
    /// # Errors
    /// When one picture after the other cannot be read.
    pub fn view(&self, part: Part, side: usize, seed: u64, place: &[u64]) -> Result<Vec<u8>> {
        let mut rng = generator(seed, place);
        let mut rgb = if rng.random_bool(0.2) {
            self.mosaic(part, side, &mut rng)?
        } else {
            self.cut(part, Size::square(side), &mut rng)?
        };
        disturb(&mut rgb, side, &mut rng, key(seed, place))?;
        Ok(rgb)
    }

    /// Four cuts beside each other.
    fn mosaic(&self, part: Part, side: usize, rng: &mut ChaCha8Rng) -> Result<Vec<u8>> {
        let mut rgb = vec![0; side * side * 3];
        let (x, y) = (rng.random_range(side / 4..side * 3 / 4), rng.random_range(side / 4..side * 3 / 4));
        for (top, height) in [(0, y), (y, side - y)] {
            for (left, width) in [(0, x), (x, side - x)] {
                let cut = self.cut(part, Size { width, height }, rng)?;
                for (row, line) in cut.chunks_exact(width * 3).enumerate() {
                    let at = ((top + row) * side + left) * 3;
                    rgb[at..at + line.len()].copy_from_slice(line);
                }
            }
        }
        Ok(rgb)
    }

    /// A part of a picture, turned, mirrored, resized and toned.
    fn cut(&self, part: Part, size: Size, rng: &mut ChaCha8Rng) -> Result<Vec<u8>> {
        let picture = self.picture(part, rng)?;
        let shorter = picture.width.min(picture.height) as f64;
        let zoom = rng.random_range(0.15_f64..1.0).sqrt() * shorter;
        let squeeze = rng.random_range(-0.3_f64..0.3).exp();
        let ratio = (size.width as f64 / size.height as f64 * squeeze).sqrt();
        let fit = |length: f64, all: usize| (length.round() as usize).clamp(SMALLEST / 2, all);
        let (width, height) = (fit(zoom * ratio, picture.width), fit(zoom / ratio, picture.height));
        let left = rng.random_range(0..=picture.width - width);
        let top = rng.random_range(0..=picture.height - height);
        let mut part = Vec::with_capacity(width * height * 3);
        for row in top..top + height {
            part.extend_from_slice(&picture.data[(row * picture.width + left) * 3..][..width * 3]);
        }
        let mut rgb = pil_bilinear(&part, Size { width, height }, size, 3)?;
        turn(&mut rgb, size, rng);
        if rng.random_bool(0.8) {
            tone(&mut rgb, rng);
        }
        Ok(rgb)
    }

    fn picture(&self, part: Part, rng: &mut ChaCha8Rng) -> Result<Picture> {
        // What is set apart are pictures alone, where there are any, so that the loss on them means the same in all runs.
        if self.is_empty() || (part == Part::Training && rng.random_bool(self.drawn)) {
            return Ok(draw(rng));
        }
        let files = if part == Part::Training { &self.training } else { &self.validation };
        let mut last = None;
        for _ in 0..TRIES {
            match Picture::read(&files[rng.random_range(0..files.len())], &self.reading) {
                Ok(picture) if picture.width.min(picture.height) >= SMALLEST => return Ok(picture),
                Ok(_) => {}
                Err(reason) => {
                    tracing::warn!("skipped: {reason}");
                    last = Some(reason);
                }
            }
        }
        let expected = format!("pictures of at least {SMALLEST} x {SMALLEST} pixels");
        Err(last.unwrap_or(Error::Values { what: "pictures", expected, found: "smaller ones only".into() }))
    }
}

/// A texture, or a piece of a product.
fn draw(rng: &mut ChaCha8Rng) -> Picture {
    if rng.random_bool(0.4) {
        Texture::draw(rng).render(DRAWN, DRAWN)
    } else {
        Product::new(rng.random()).image(rng.random(), DRAWN)
    }
}

/// Mirrors either way, and swaps rows and columns of squares.
fn turn(rgb: &mut Vec<u8>, size: Size, rng: &mut ChaCha8Rng) {
    let Size { width, height } = size;
    let swap = rng.random_bool(0.5) && width == height;
    let (across, down) = (rng.random_bool(0.5), rng.random_bool(0.5));
    let mut turned = Vec::with_capacity(rgb.len());
    for row in 0..height {
        for col in 0..width {
            let (row, col) = if swap { (col, row) } else { (row, col) };
            let row = if down { height - 1 - row } else { row };
            let col = if across { width - 1 - col } else { col };
            turned.extend_from_slice(&rgb[(row * width + col) * 3..][..3]);
        }
    }
    *rgb = turned;
}

/// Brightness, contrast and gamma of all channels, a cast of each, and the strength of colours.
fn tone(rgb: &mut [u8], rng: &mut ChaCha8Rng) {
    let (gamma, gain) = (rng.random_range(-0.5_f32..0.5).exp(), rng.random_range(0.5_f32..1.3));
    let lift = rng.random_range(-0.15_f32..0.25);
    let inverted = rng.random_bool(0.05);
    let tables: [[f32; 256]; 3] = std::array::from_fn(|_| {
        let cast = rng.random_range(-0.12_f32..0.12);
        std::array::from_fn(|v| {
            let v = (v as f32 / 255.0).powf(gamma);
            let v = (v - 0.5) * gain + 0.5 + lift * (1.0 - gain).abs().max(0.3) + cast * v;
            255.0 * if inverted { 1.0 - v } else { v }
        })
    });
    let colour = if rng.random_bool(0.15) { 0.0 } else { rng.random_range(0.3_f32..1.4) };
    for pixel in rgb.as_chunks_mut::<3>().0 {
        let toned: [f32; 3] = std::array::from_fn(|c| tables[c][pixel[c] as usize]);
        let grey = 0.3 * toned[0] + 0.59 * toned[1] + 0.11 * toned[2];
        *pixel = toned.map(|v| (grey + (v - grey) * colour).round().clamp(0.0, 255.0) as u8);
    }
}

/// What a line does to an image: blur, uneven light, foreign spots and scratches, noise.
fn disturb(rgb: &mut [u8], side: usize, rng: &mut ChaCha8Rng, key: u64) -> Result<()> {
    if rng.random_bool(0.3) {
        light(rgb, side, rng);
    }
    if rng.random_bool(0.35) {
        for _ in 0..rng.random_range(1..6) {
            spot(rgb, side, rng);
        }
    }
    if rng.random_bool(0.25) {
        blur(rgb, side, rng.random_range(0.4_f64..1.8))?;
    }
    if rng.random_bool(0.4) {
        let level = rng.random_range(0.5_f32..7.0);
        for (i, pair) in rgb.as_chunks_mut::<2>().0.iter_mut().enumerate() {
            let noise = normal_pair(key, i as u64);
            *pair = [0, 1].map(|n| (f32::from(pair[n]) + level * noise[n]).round().clamp(0.0, 255.0) as u8);
        }
    }
    Ok(())
}

/// A slope of brightness across the image.
fn light(rgb: &mut [u8], side: usize, rng: &mut ChaCha8Rng) {
    let angle = rng.random_range(0.0..std::f32::consts::TAU);
    let (sin, cos) = angle.sin_cos();
    let strength = rng.random_range(0.05_f32..0.35) / side as f32;
    for (i, pixel) in rgb.as_chunks_mut::<3>().0.iter_mut().enumerate() {
        let (x, y) = ((i % side) as f32 - side as f32 / 2.0, (i / side) as f32 - side as f32 / 2.0);
        let gain = 1.0 + strength * (x * cos + y * sin);
        *pixel = pixel.map(|v| (f32::from(v) * gain).clamp(0.0, 255.0) as u8);
    }
}

/// A turned ellipse, thin ones being scratches, of one colour or of another part of the image.
fn spot(rgb: &mut [u8], side: usize, rng: &mut ChaCha8Rng) {
    let long = rng.random_range(0.01_f32..0.16) * side as f32;
    let short = (long * rng.random_range(0.03_f32..1.0)).max(0.8);
    let (sin, cos) = rng.random_range(0.0..std::f32::consts::PI).sin_cos();
    let (x0, y0) = (rng.random_range(0.0..side as f32), rng.random_range(0.0..side as f32));
    let colour: [f32; 3] = std::array::from_fn(|_| rng.random_range(0.0..255.0));
    let (grey, alpha) = (rng.random_bool(0.5), rng.random_range(0.25_f32..1.0));
    let colour = if grey { [colour[0]; 3] } else { colour };
    let shift = rng.random_bool(0.5).then(|| (rng.random_range(0..side), rng.random_range(0..side)));
    let reach =
        |at: f32| (at - long - 1.0).max(0.0) as usize..((at + long + 2.0).max(0.0) as usize).min(side);
    for row in reach(y0) {
        for col in reach(x0) {
            let (dx, dy) = (col as f32 - x0, row as f32 - y0);
            let (u, v) = ((dx * cos + dy * sin) / long, (dy * cos - dx * sin) / short);
            let inside = ((1.0 - (u * u + v * v).sqrt()) * short).clamp(0.0, 1.0) * alpha;
            let other = shift.map(|(right, down)| ((row + down) % side * side + (col + right) % side) * 3);
            let at = (row * side + col) * 3;
            for c in 0..3 {
                let over = other.map_or(colour[c], |from| f32::from(rgb[from + c]));
                let under = f32::from(rgb[at + c]);
                rgb[at + c] = (under + (over - under) * inside).round() as u8;
            }
        }
    }
}

fn blur(rgb: &mut [u8], side: usize, sigma: f64) -> Result<()> {
    let mut blur = Blur::new(side, side, sigma);
    for c in 0..3 {
        let mut plane: Vec<f32> = rgb.iter().skip(c).step_by(3).map(|v| f32::from(*v)).collect();
        blur.run(&mut plane)?;
        for (out, v) in rgb.iter_mut().skip(c).step_by(3).zip(plane) {
            *out = v.round().clamp(0.0, 255.0) as u8;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for i in 0..3_u8 {
            let data = (0..90 * 70 * 3_usize).map(|v| (v / 7) as u8 ^ (i * 50)).collect();
            let picture = Picture { data, width: 90, height: 70 };
            picture.save_png(&folder.path().join(format!("{i}.png"))).unwrap();
        }
        folder
    }

    #[test]
    fn a_view_follows_from_its_place_alone() {
        let folder = folder();
        let pictures = Pictures::find(&[folder.path().to_owned()], 0.0, Reading::default()).unwrap();
        assert_eq!(pictures.len(), (2, 1));
        let view = |n| pictures.view(Part::Training, 48, 7, &[3, n]).unwrap();
        assert_eq!(view(0).len(), 48 * 48 * 3);
        for n in 0..12 {
            assert_eq!(view(n), view(n));
            assert_ne!(view(n), view(n + 1));
        }
    }

    #[test]
    fn drawn_pictures_take_the_place_of_files() {
        let folder = folder();
        let folders = [folder.path().to_owned()];
        let view = |pictures: &Pictures, part, n| pictures.view(part, 48, 7, &[3, n]).unwrap();
        let [files, some, all] =
            [0.0, 0.5, 1.0].map(|drawn| Pictures::find(&folders, drawn, Reading::default()).unwrap());
        let same = (0..20).filter(|n| view(&files, Part::Training, *n) == view(&all, Part::Training, *n));
        assert_eq!(same.count(), 0);
        for n in 0..6 {
            assert_eq!(
                view(&some, Part::Validation, n),
                view(&all, Part::Validation, n),
                "pictures are set apart"
            );
        }
        let none = Pictures::find(&[], 0.0, Reading::default()).unwrap();
        assert_eq!((none.len(), none.drawn()), ((0, 0), 1.0));
        assert_ne!(view(&none, Part::Training, 0), view(&none, Part::Validation, 1));
        let error = Pictures::find(&folders, 1.5, Reading::default()).unwrap_err().to_string();
        assert_eq!(error, "share of drawn pictures: expected 0 to 1, found 1.5");
    }

    #[test]
    fn an_empty_folder_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let error =
            Pictures::find(&[folder.path().to_owned()], 0.0, Reading::default()).unwrap_err().to_string();
        assert!(error.contains("at least 2 pictures") && error.ends_with("found 0"), "{error}");
    }
}
