//! Parts of a frame that nobody looks at: a picture in which white is ignored, stretched over the frame whatever its
//! size. What it covers is neither learned nor trusted, and scores nothing.

use std::path::Path;
use std::sync::Arc;

use serde::{Serialize, Serializer};
use sha2::{Digest, Sha256};
use snarm_kernels::Grid;
use snarm_kernels::frame::Orientation;

use super::rect::Rect;
use crate::dataset::{Mask, Reading, decode};
use crate::error::{Error, Result};
use crate::files::hex;
use crate::paths::text;

/// Grey from which a pixel of the picture is ignored.
const WHITE: u8 = 128;

/// The highest number of a picture whose numbers are labels: darker greys than that are no paint.
const MOST_LABELS: u16 = 31;

/// What is ignored, as fractions of the frame see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IgnoreMask {
    data: Vec<bool>,
    width: usize,
    height: usize,
}

impl IgnoreMask {
    /// A mask of `width` x `height` pixels, row after row.
    ///
    /// # Errors
    /// When a side is 0 or the number of pixels is another.
    pub fn new(data: Vec<bool>, width: usize, height: usize) -> Result<Self> {
        if width == 0 || height == 0 || data.len() != width * height {
            let expected = format!("the pixels of {width}x{height}, at least one");
            return Err(Error::Values { what: "ignore mask", expected, found: data.len().to_string() });
        }
        Ok(Self { data, width, height })
    }

    /// What of a picture is nearer to white than to black, and not fully transparent; and whether its numbers are labels.
    fn nearer_to_white(path: &Path) -> Result<(Self, bool)> {
        let image =
            decode("ignore mask", "a PNG, PGM, BMP, TIFF, WebP or JPEG picture", path, &Reading::default())?;
        let image = image.image;
        let (width, height) = (image.width() as usize, image.height() as usize);
        let has_alpha = image.color().has_alpha();
        let highest = match &image {
            image::DynamicImage::ImageLuma16(grey) => grey.iter().copied().max().unwrap_or(0),
            other => other.to_luma8().iter().copied().max().unwrap_or(0).into(),
        };
        let are_labels = !has_alpha && (1..=MOST_LABELS).contains(&highest);
        let ignored = if has_alpha {
            let samples = image.into_luma_alpha16().into_raw();
            let pixels = samples.as_chunks::<2>().0.iter();
            // What a picture of 8 bits is in 16.
            pixels.map(|[grey, alpha]| *alpha > 0 && (grey / 257) as u8 >= WHITE).collect()
        } else {
            image.into_luma8().into_raw().into_iter().map(|v| v >= WHITE).collect()
        };
        Ok((Self::new(ignored, width, height)?, are_labels))
    }

    /// Size and digest of a mask, by which it is known.
    pub(super) fn name<S: Serializer>(
        mask: &Option<Arc<Self>>,
        to: S,
    ) -> std::result::Result<S::Ok, S::Error> {
        let name = |mask: &Arc<Self>| {
            let digest = hex(&Sha256::digest(mask.to_bits()));
            format!("{}x{} {digest}", mask.width, mask.height)
        };
        mask.as_ref().map(name).serialize(to)
    }

    /// Reads a PNG, PGM, BMP, TIFF, WebP or JPEG picture: what is nearer to white than to black, and not fully
    /// transparent, is ignored. In a picture without white whose numbers are labels, 0 and 1 for one, all that [`Mask::read`]
    /// takes for marked is.
    ///
    /// # Errors
    /// When the file is missing or cannot be decoded.
    pub fn open(path: &Path) -> Result<Self> {
        let (mask, are_labels) = Self::nearer_to_white(path)?;
        if !are_labels {
            return Ok(mask);
        }
        tracing::info!("ignore mask: its numbers are labels, of which each but 0 is ignored: {}", text(path));
        let Mask { data, width, height } = Mask::open(path)?;
        Self::new(data, width, height)
    }

    /// The mask in a file, where it hides something: one that hides nothing is no mask, which is told in the log.
    ///
    /// # Errors
    /// As [`IgnoreMask::open`].
    pub fn find(path: &Path) -> Result<Option<Arc<Self>>> {
        let mask = Self::open(path)?;
        if mask.is_empty() {
            let path = text(path);
            tracing::warn!(
                "ignore mask: expected a picture of which parts are white, found none: nothing is ignored: {path}"
            );
            return Ok(None);
        }
        Ok(Some(Arc::new(mask)))
    }

    /// Whether nothing is ignored.
    pub fn is_empty(&self) -> bool {
        !self.data.contains(&true)
    }

    /// Width in pixels.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Height in pixels.
    pub fn height(&self) -> usize {
        self.height
    }

    /// Whether a point of the frame, given in fractions of it, is ignored. What lies outside the frame is not.
    pub fn covers(&self, x: f64, y: f64) -> bool {
        let place = |at: f64, n: usize| (0.0..1.0).contains(&at).then_some((at * n as f64) as usize);
        let (Some(column), Some(row)) = (place(x, self.width), place(y, self.height)) else { return false };
        self.data.get(row * self.width + column).copied().unwrap_or(false)
    }

    /// The mask at the resolution of a score map of `size` that covers `rect` of the frame: whether the
    /// centre of each of its pixels is ignored.
    pub fn on_map(&self, size: Grid, rect: Rect) -> impl Iterator<Item = bool> + '_ {
        let Grid { rows, columns } = size;
        let at = |i: usize, n: usize| (i as f64 + 0.5) / n as f64;
        (0..size.cells()).map(move |i| {
            let (x, y) = (at(i % columns, columns), at(i / columns, rows));
            self.covers(rect.x + x * rect.w, rect.y + y * rect.h)
        })
    }

    /// The mask of the upright picture, for one that was given for the frame as it is stored.
    #[must_use]
    pub fn upright(&self, orientation: Orientation) -> Self {
        let (width, height) = orientation.size(self.width, self.height);
        let pixel = |i: usize| {
            let [(x, _), (y, _)] = orientation.stored((i % width, 1, width), (i / width, 1, height));
            self.data[y * self.width + x]
        };
        Self { data: (0..width * height).map(pixel).collect(), width, height }
    }

    /// Eight pixels a byte, the first in its highest bit; every row begins with a byte of its own.
    pub(crate) fn to_bits(&self) -> Vec<u8> {
        let byte = |pixels: &[bool]| {
            pixels.iter().enumerate().fold(0, |byte, (i, ignored)| byte | u8::from(*ignored) << (7 - i))
        };
        self.data.chunks_exact(self.width).flat_map(|row| row.chunks(8).map(byte)).collect()
    }

    /// Reads what [`IgnoreMask::to_bits`] gave.
    pub(crate) fn from_bits(bits: &[u8], width: usize, height: usize) -> Result<Self> {
        let row = width.div_ceil(8);
        let bytes = row.saturating_mul(height);
        if bits.len() != bytes {
            let expected = format!("{bytes} bytes for {width}x{height} pixels");
            return Err(Error::Values { what: "ignore mask", expected, found: bits.len().to_string() });
        }
        let pixel = |i: usize| bits[i / width * row + i % width / 8] >> (7 - i % width % 8) & 1 == 1;
        Self::new((0..width * height).map(pixel).collect(), width, height)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mask_is_stretched_over_the_frame() {
        let mask = IgnoreMask::new(vec![true, false, false, false, false, true], 3, 2).unwrap();
        assert!(mask.covers(0.0, 0.0) && mask.covers(0.33, 0.49) && mask.covers(0.99, 0.51));
        assert!(!mask.covers(0.34, 0.0) && !mask.covers(0.1, 0.5) && !mask.covers(-0.1, 0.1));
        assert!(!mask.covers(1.0, 1.0), "the lower edge lies outside");
        // The left half of the frame, seen by a map of 2 x 2.
        let half = Rect { x: 0.0, y: 0.0, w: 0.5, h: 1.0 };
        assert_eq!(mask.on_map(Grid::square(2), half).collect::<Vec<_>>(), [true, false, false, false]);
    }

    #[test]
    fn a_mask_of_a_turned_frame_covers_the_same_pixels() {
        let mask = IgnoreMask::new(vec![true, false, false, false, false, true], 3, 2).unwrap();
        for orientation in Orientation::all() {
            let upright = mask.upright(orientation);
            assert_eq!((upright.width(), upright.height()), orientation.size(3, 2));
            for (x, y) in [(0.1, 0.1), (0.5, 0.9), (0.9, 0.6), (0.9, 0.2)] {
                let at = Rect { x, y, w: 0.0, h: 0.0 }.upright(orientation);
                assert_eq!(upright.covers(at.x, at.y), mask.covers(x, y), "{orientation:?} {x} {y}");
            }
        }
    }

    #[test]
    fn bits_hold_any_width() {
        for width in [1, 7, 8, 9, 17] {
            let data: Vec<bool> = (0..3 * width).map(|i| i % 3 == 0 || i % 7 == 2).collect();
            let mask = IgnoreMask::new(data, width, 3).unwrap();
            assert_eq!(IgnoreMask::from_bits(&mask.to_bits(), width, 3).unwrap(), mask);
        }
        let error = IgnoreMask::from_bits(&[0; 5], 9, 3).unwrap_err().to_string();
        assert_eq!(error, "ignore mask: expected 6 bytes for 9x3 pixels, found 5");
    }

    #[test]
    fn png_and_pgm_are_read_and_other_files_refused() {
        let folder = tempfile::tempdir().unwrap();
        let pgm = folder.path().join("mask.pgm");
        std::fs::write(&pgm, b"P5\n2 2\n255\n\x00\xff\x80\x7f").unwrap();
        let expected = IgnoreMask::new(vec![false, true, true, false], 2, 2).unwrap();
        assert_eq!(IgnoreMask::open(&pgm).unwrap(), expected);
        let png = folder.path().join("mask.png");
        image::GrayImage::from_raw(2, 2, vec![0, 255, 128, 127]).unwrap().save(&png).unwrap();
        assert_eq!(IgnoreMask::open(&png).unwrap(), expected);
        // White paint, and white where nothing is painted: in one of them a trace of it.
        for alpha in [[255, 0, 255, 0], [1, 0, 255, 0]] {
            let pixels = [0, 1, 2, 3].map(|i| [if i == 3 { 127 } else { 255 }, alpha[i]]).concat();
            image::GrayAlphaImage::from_raw(2, 2, pixels.clone()).unwrap().save(&png).unwrap();
            let painted = IgnoreMask::new(vec![true, false, true, false], 2, 2).unwrap();
            assert_eq!(IgnoreMask::open(&png).unwrap(), painted);
            let rgba: Vec<u8> = pixels.chunks(2).flat_map(|p| [p[0], p[0], p[0], p[1]]).collect();
            image::RgbaImage::from_raw(2, 2, rgba).unwrap().save(&png).unwrap();
            assert_eq!(IgnoreMask::open(&png).unwrap(), painted);
        }
        // Labels, of 8 and of 16 bits; grey beside white is none.
        let labelled = IgnoreMask::new(vec![false, true, false, true], 2, 2).unwrap();
        image::GrayImage::from_raw(2, 2, vec![0, 1, 0, 2]).unwrap().save(&png).unwrap();
        assert_eq!(IgnoreMask::open(&png).unwrap(), labelled);
        image::ImageBuffer::<image::Luma<u16>, _>::from_raw(2, 2, vec![0, 1, 0, 2])
            .unwrap()
            .save(&png)
            .unwrap();
        assert_eq!(IgnoreMask::open(&png).unwrap(), labelled);
        assert_eq!(IgnoreMask::find(&png).unwrap().as_deref(), Some(&labelled));
        // Black paint beside what is transparent, and dark grey, are no labels.
        image::GrayAlphaImage::from_raw(2, 2, vec![0, 255, 0, 0, 0, 255, 0, 255])
            .unwrap()
            .save(&png)
            .unwrap();
        assert!(IgnoreMask::open(&png).unwrap().is_empty());
        image::GrayImage::from_raw(2, 2, vec![0, 90, 90, 60]).unwrap().save(&png).unwrap();
        assert!(IgnoreMask::open(&png).unwrap().is_empty());
        image::GrayImage::new(2, 2).save(&png).unwrap();
        assert!(IgnoreMask::open(&png).unwrap().is_empty() && IgnoreMask::find(&png).unwrap().is_none());
        let text = folder.path().join("mask.txt");
        std::fs::write(&text, b"white, black").unwrap();
        let error = IgnoreMask::open(&text).unwrap_err().to_string();
        assert!(error.contains("ignore mask: expected a PNG") && error.contains("mask.txt"), "{error}");
        assert!(matches!(IgnoreMask::open(&folder.path().join("none")), Err(Error::NotFound { .. })));
    }
}
