//! Still images and masks, read into memory.

use std::io;
use std::path::Path;

use image::codecs::png::PngEncoder;
use image::{DynamicImage, ExtendedColorType, ImageEncoder};

use super::reading::{Depth, PICTURES, Reading, decode};
use snarm_kernels::Grid;

use crate::error::{Error, Result};
use crate::files;
use crate::frame::Frame;
use crate::paths::text;
use crate::view::Rect;

/// An RGB image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    /// R, G, B, row after row.
    pub data: Vec<u8>,
    /// Width in pixels.
    pub width: usize,
    /// Height in pixels.
    pub height: usize,
}

impl Picture {
    /// Reads a PNG, JPEG, BMP, TIFF, WebP or PNM file as [`Reading::default`] has it.
    ///
    /// # Errors
    /// As [`Picture::read`].
    pub fn open(path: &Path) -> Result<Self> {
        Self::read(path, &Reading::default())
    }

    /// Reads a PNG, JPEG, BMP, TIFF, WebP or PNM file, and turns and mirrors it as its orientation (EXIF, TIFF) says. Grey
    /// becomes RGB, 16 bits become 8, transparency is dropped.
    ///
    /// # Errors
    /// When the file is missing, cannot be decoded, holds several pictures, or takes more memory than it may.
    pub fn read(path: &Path, reading: &Reading) -> Result<Self> {
        let decoded = decode("image", PICTURES, path, reading)?.checked(path)?;
        let white = u32::from(decoded.white(reading));
        let mut depth = Depth::default();
        depth.add(&decoded);
        let image = decoded.image;
        let (width, height) = (image.width() as usize, image.height() as usize);
        if u32::from(depth.largest) > white {
            let (largest, path) = (depth.largest, text(path));
            tracing::warn!("samples above white ({white}) are cut off, the greatest is {largest}: {path}");
        }
        let level = |sample: u16| ((u32::from(sample).min(white) * 255 + white / 2) / white) as u8;
        let data = match image {
            image if white == u32::from(u16::MAX) => image.into_rgb8().into_raw(),
            DynamicImage::ImageLuma16(image) => image.pixels().flat_map(|p| [level(p.0[0]); 3]).collect(),
            DynamicImage::ImageLumaA16(image) => image.pixels().flat_map(|p| [level(p.0[0]); 3]).collect(),
            DynamicImage::ImageRgb16(image) => image.pixels().flat_map(|p| p.0.map(level)).collect(),
            DynamicImage::ImageRgba16(image) => {
                image.pixels().flat_map(|p| [0, 1, 2].map(|i| level(p.0[i]))).collect()
            }
            image => image.into_rgb8().into_raw(),
        };
        Ok(Self { data, width, height })
    }

    /// Writes a PNG file, losslessly.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn save_png(&self, path: &Path) -> Result<()> {
        let Self { data, width, height } = self;
        if data.len() != 3 * width * height {
            let reason = format!("{} bytes are not {width}x{height} RGB", data.len());
            return Err(Error::write("image", path, io::Error::other(reason)));
        }
        write_png("image", path, data, (*width, *height), ExtendedColorType::Rgb8)
    }

    /// The image as a frame.
    ///
    /// # Errors
    /// When the fields do not fit each other.
    pub fn frame(&self) -> Result<Frame<'_>> {
        Ok(Frame::rgb(&self.data, self.width, self.height)?)
    }
}

/// Which pixels of an image are defective.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mask {
    /// Row after row.
    pub data: Vec<bool>,
    /// Width in pixels.
    pub width: usize,
    /// Height in pixels.
    pub height: usize,
}

impl Mask {
    /// Reads a mask as [`Reading::default`] has it.
    ///
    /// # Errors
    /// As [`Mask::read`].
    pub fn open(path: &Path) -> Result<Self> {
        Self::read(path, &Reading::default())
    }

    /// Reads a mask: every pixel is defective that is neither black nor fully transparent; where all is black and parts are
    /// transparent, every pixel that is not. In files with losses (JPEG, WebP) black reaches up to half of white.
    ///
    /// # Errors
    /// When the file is missing, cannot be decoded, or takes more memory than it may.
    pub fn read(path: &Path, reading: &Reading) -> Result<Self> {
        let decoded = decode("mask", PICTURES, path, reading)?;
        let image = decoded.image;
        let (width, height) = (image.width() as usize, image.height() as usize);
        let black = if decoded.lossy { 127 } else { 0 };
        let channels = usize::from(image.color().channel_count());
        let data = match &image {
            DynamicImage::ImageLuma16(_)
            | DynamicImage::ImageLumaA16(_)
            | DynamicImage::ImageRgb16(_)
            | DynamicImage::ImageRgba16(_) => {
                marked(image.as_flat_samples_u16().map(|s| s.samples), channels, 0)
            }
            DynamicImage::ImageRgb32F(_) | DynamicImage::ImageRgba32F(_) => {
                marked(image.as_flat_samples_f32().map(|s| s.samples), channels, 0.0)
            }
            _ => marked(image.as_flat_samples_u8().map(|s| s.samples), channels, black),
        };
        Ok(Self { data, width, height })
    }

    /// Writes a PNG file: 255 where the image is defective, 0 elsewhere.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn save_png(&self, path: &Path) -> Result<()> {
        let Self { data, width, height } = self;
        if data.len() != width * height {
            let reason = format!("{} values are not {width}x{height}", data.len());
            return Err(Error::write("mask", path, io::Error::other(reason)));
        }
        let pixels: Vec<u8> = data.iter().map(|&marked| if marked { 255 } else { 0 }).collect();
        write_png("mask", path, &pixels, (*width, *height), ExtendedColorType::L8)
    }

    /// A mask with nothing marked.
    pub fn empty(width: usize, height: usize) -> Self {
        Self { data: vec![false; width * height], width, height }
    }

    /// The mask at the resolution of a score map of `size` that covers `rect` of the image: the mask
    /// pixel under the centre of each map pixel, `None` where the map reaches beyond the image.
    pub fn on_map(&self, size: Grid, rect: Rect) -> impl Iterator<Item = Option<bool>> + '_ {
        let Grid { rows, columns } = size;
        let place = move |i: usize, side: usize, start: f64, length: f64, n: usize| {
            let at = (start + (i as f64 + 0.5) / side as f64 * length) * n as f64;
            (at >= 0.0 && at < n as f64).then_some(at as usize)
        };
        let across: Vec<_> = (0..columns).map(|i| place(i, columns, rect.x, rect.w, self.width)).collect();
        (0..size.cells()).map(move |i| {
            let (y, x) = (place(i / columns, rows, rect.y, rect.h, self.height)?, across[i % columns]?);
            self.data.get(y * self.width + x).copied()
        })
    }
}

/// Writes a PNG file of so many columns and rows. The file is written as a whole: what an encoder writes into one last may be
/// lost where nobody asks, and a run that is killed leaves no half of a picture.
fn write_png(
    what: &'static str,
    path: &Path,
    pixels: &[u8],
    (width, height): (usize, usize),
    color: ExtendedColorType,
) -> Result<()> {
    let mut bytes = Vec::new();
    let encoded = PngEncoder::new(&mut bytes).write_image(pixels, width as u32, height as u32, color);
    encoded
        .map_err(io::Error::other)
        .and_then(|()| files::put(path, &bytes))
        .map_err(|e| Error::write(what, path, e))
}

/// The defective pixels among samples of so many channels, the last of two or four of which is alpha.
fn marked<S: PartialOrd + Copy + Default>(samples: Option<&[S]>, channels: usize, black: S) -> Vec<bool> {
    let samples = samples.unwrap_or_default();
    let colors = channels - usize::from(channels.is_multiple_of(2));
    let shows = |pixel: &[S]| pixel.get(colors).is_none_or(|alpha| *alpha > S::default());
    let is_colored = |pixel: &[S]| pixel[..colors].iter().any(|sample| *sample > black);
    let pixels = || samples.chunks_exact(channels);
    if pixels().all(|pixel| !is_colored(pixel)) && !pixels().all(shows) {
        return pixels().map(shows).collect();
    }
    pixels().map(|pixel| is_colored(pixel) && shows(pixel)).collect()
}
