//! Still images and masks, read into memory.

use std::io::Cursor;
use std::path::Path;

use image::{GrayImage, ImageFormat, ImageReader, RgbImage};

use crate::error::{Error, Result};
use crate::frame::Frame;
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
    /// Reads a PNG or JPEG file. Grey becomes RGB, 16 bits become 8, transparency is dropped.
    ///
    /// # Errors
    /// When the file is missing or cannot be decoded.
    pub fn open(path: &Path) -> Result<Self> {
        let image = decode("image", PICTURES, path)?.into_rgb8();
        let (width, height) = (image.width() as usize, image.height() as usize);
        Ok(Self { data: image.into_raw(), width, height })
    }

    /// Writes a PNG file, losslessly.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn save_png(&self, path: &Path) -> Result<()> {
        let wrong = |reason: String| Error::write("image", path, std::io::Error::other(reason));
        let (width, height) = (self.width as u32, self.height as u32);
        let image = RgbImage::from_raw(width, height, self.data.clone())
            .ok_or_else(|| wrong(format!("{} bytes are not {width}x{height} RGB", self.data.len())))?;
        image.save_with_format(path, ImageFormat::Png).map_err(|e| wrong(e.to_string()))
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
    /// Reads a mask: every pixel that is not black is defective.
    ///
    /// # Errors
    /// When the file is missing or cannot be decoded.
    pub fn open(path: &Path) -> Result<Self> {
        let image = decode("mask", PICTURES, path)?.into_luma16();
        let (width, height) = (image.width() as usize, image.height() as usize);
        Ok(Self { data: image.into_raw().into_iter().map(|v| v != 0).collect(), width, height })
    }

    /// Writes a PNG file: 255 where the image is defective, 0 elsewhere.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn save_png(&self, path: &Path) -> Result<()> {
        let wrong = |reason: String| Error::write("mask", path, std::io::Error::other(reason));
        let pixels = self.data.iter().map(|&marked| if marked { 255 } else { 0 }).collect();
        let image = GrayImage::from_raw(self.width as u32, self.height as u32, pixels).ok_or_else(|| {
            wrong(format!("{} values are not {}x{}", self.data.len(), self.width, self.height))
        })?;
        image.save_with_format(path, ImageFormat::Png).map_err(|e| wrong(e.to_string()))
    }

    /// A mask with nothing marked.
    pub fn empty(width: usize, height: usize) -> Self {
        Self { data: vec![false; width * height], width, height }
    }

    /// The mask at the resolution of a score map of `side` x `side` that covers `rect` of the image: the mask
    /// pixel under the centre of each map pixel, `None` where the map reaches beyond the image.
    pub fn on_map(&self, side: usize, rect: Rect) -> impl Iterator<Item = Option<bool>> + '_ {
        let place = move |i: usize, start: f64, length: f64, n: usize| {
            let at = (start + (i as f64 + 0.5) / side as f64 * length) * n as f64;
            (at >= 0.0 && at < n as f64).then_some(at as usize)
        };
        let columns: Vec<_> = (0..side).map(|i| place(i, rect.x, rect.w, self.width)).collect();
        (0..side * side).map(move |i| {
            let (y, x) = (place(i / side, rect.y, rect.h, self.height)?, columns[i % side]?);
            self.data.get(y * self.width + x).copied()
        })
    }
}

/// What images and masks of data sets are.
const PICTURES: &str = "a PNG or JPEG image";

/// Reads an image file; `expected` is what the error says of one that cannot be decoded.
pub(crate) fn decode(what: &'static str, expected: &str, path: &Path) -> Result<image::DynamicImage> {
    let bytes = std::fs::read(path).map_err(|e| Error::read(what, path, e))?;
    let wrong = |found: String| Error::wrong_file(what, path, expected, found);
    let reader = ImageReader::new(Cursor::new(&bytes));
    let reader = reader.with_guessed_format().map_err(|e| Error::read(what, path, e))?;
    if reader.format() == Some(ImageFormat::Jpeg) && is_torn(&bytes) {
        return Err(wrong(format!("{} bytes of a JPEG image without its end", bytes.len())));
    }
    reader.decode().map_err(|e| wrong(e.to_string()))
}

/// Whether a JPEG file ends before its image does, which decoders fill up with grey and do not tell. The data of an image
/// hold no marker, so after the last start of one (SOS) there is an end (EOI), whatever thumbnails come before.
fn is_torn(jpeg: &[u8]) -> bool {
    let last = |marker: [u8; 2]| jpeg.windows(2).rposition(|bytes| bytes == marker);
    last([0xff, 0xd9]) < last([0xff, 0xda])
}
