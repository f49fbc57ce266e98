//! The one door that picture files come in by: limits on their size, orientation, and what their samples mean.

use std::fs::File;
use std::io::{BufRead, BufReader, Cursor, Read, Seek};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicUsize, Ordering};

use image::metadata::Orientation;
use image::{ColorType, DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits};

use crate::error::{Error, Result};

/// What picture files are.
pub(super) const PICTURES: &str = "a PNG, JPEG, BMP, TIFF, WebP or PNM picture";

/// How picture files are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reading {
    /// Most memory in bytes that a picture takes while it is decoded; larger ones are refused.
    pub memory: u64,
    /// Bits, 8 to 16, that samples of 16 bits hold: the greatest number of so many bits is white. `None` is not known,
    /// and all 16 are taken.
    pub bits: Option<u8>,
}

impl Default for Reading {
    fn default() -> Self {
        Self { memory: 512 << 20, bits: None }
    }
}

impl Reading {
    /// The value of a sample of 16 bits that is white.
    pub(super) fn white(&self) -> u16 {
        u16::MAX >> (16 - self.bits.unwrap_or(16).clamp(1, 16))
    }
}

/// A decoded file, upright.
pub(crate) struct Decoded {
    pub(crate) image: DynamicImage,
    /// Whether decoding gives back about what was written, not exactly that.
    pub(super) lossy: bool,
}

impl Decoded {
    /// Refuses what is no picture, although it is kept as one.
    pub(super) fn checked(self, path: &Path) -> Result<Self> {
        match self.image {
            DynamicImage::ImageRgb32F(_) | DynamicImage::ImageRgba32F(_) => {
                let expected = "a picture of 8 or 16 bits a sample";
                Err(Error::wrong_file("image", path, expected, "floating-point samples"))
            }
            _ => Ok(self),
        }
    }
}

/// What the samples of 16 bits of a set of pictures hold.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Depth {
    /// Pictures with such samples.
    pub pictures: usize,
    /// The greatest sample.
    pub largest: u16,
}

impl Depth {
    /// Bits that hold every sample: 8, 10, 12, 14 or 16, as cameras have them. Nothing is known of no picture, or of black
    /// ones.
    pub fn bits(&self) -> Option<u8> {
        (self.largest > 0).then(|| (16 - self.largest.leading_zeros() as u8).max(8).next_multiple_of(2))
    }

    pub(super) fn add(&mut self, image: &DynamicImage) {
        // Alpha says nothing about light.
        let largest = match image {
            DynamicImage::ImageLuma16(image) => image.as_raw().iter().max().copied(),
            DynamicImage::ImageRgb16(image) => image.as_raw().iter().max().copied(),
            DynamicImage::ImageLumaA16(image) => image.pixels().map(|pixel| pixel.0[0]).max(),
            DynamicImage::ImageRgba16(image) => {
                image.pixels().flat_map(|pixel| [0, 1, 2].map(|i| pixel.0[i])).max()
            }
            _ => return,
        };
        self.merge(Self { pictures: 1, largest: largest.unwrap_or(0) });
    }

    pub(super) fn merge(&mut self, other: Self) {
        self.pictures += other.pictures;
        self.largest = self.largest.max(other.largest);
    }
}

/// What the samples of 16 bits in some picture files hold. Files without such samples are not decoded, those that cannot be
/// read do not count. Works on all threads of the pool.
///
/// # Errors
/// When threads cannot be started.
pub fn depth_of(files: &[PathBuf], reading: &Reading) -> Result<Depth> {
    let all = Mutex::new(Depth::default());
    each(files, |path| {
        let mut depth = Depth::default();
        if has_16_bits(path)
            && let Ok(decoded) = decode("image", PICTURES, path, reading)
        {
            depth.add(&decoded.image);
        }
        all.lock().unwrap_or_else(PoisonError::into_inner).merge(depth);
    })?;
    Ok(all.into_inner().unwrap_or_else(PoisonError::into_inner))
}

/// Does `work` with each of `items`, on all threads of the pool, in any order.
pub(super) fn each<T: Sync>(items: &[T], work: impl Fn(&T) + Sync) -> Result<()> {
    let next = AtomicUsize::new(0);
    let run = || {
        while let Some(item) = items.get(next.fetch_add(1, Ordering::Relaxed)) {
            work(item);
        }
    };
    let pool = crate::threads::pool()?;
    pool.scope(|scope| (0..pool.current_num_threads()).for_each(|_| scope.spawn(|_| run())));
    Ok(())
}

/// Whether the header of a file promises samples of 16 bits.
fn has_16_bits(path: &Path) -> bool {
    let Ok(file) = File::open(path) else { return false };
    let Ok(reader) = ImageReader::new(BufReader::new(file)).with_guessed_format() else { return false };
    if !matches!(reader.format(), Some(ImageFormat::Png | ImageFormat::Tiff | ImageFormat::Pnm)) {
        return false;
    }
    let color = reader.into_decoder().map(|decoder| decoder.color_type());
    matches!(color, Ok(ColorType::L16 | ColorType::La16 | ColorType::Rgb16 | ColorType::Rgba16))
}

/// Reads a picture file and turns it upright; `expected` is what the error says of one that cannot be decoded.
///
/// # Errors
/// When the file is missing, is no file, takes more memory than it may, or cannot be decoded.
pub(crate) fn decode(what: &'static str, expected: &str, path: &Path, reading: &Reading) -> Result<Decoded> {
    let broken = |source| Error::read(what, path, source);
    let mut file = File::open(path).map_err(broken)?;
    let metadata = file.metadata().map_err(broken)?;
    if metadata.is_dir() {
        return Err(Error::wrong_file(what, path, expected, "a folder"));
    }
    let mut magic = Vec::new();
    (&mut file).take(12).read_to_end(&mut magic).map_err(broken)?;
    let compressed = magic.starts_with(&[0xff, 0xd8]) || magic.starts_with(b"RIFF");
    if !compressed && metadata.is_file() {
        file.rewind().map_err(broken)?;
        return decode_from(BufReader::new(file), what, expected, path, reading)
            .map(|image| Decoded { image, lossy: false });
    }
    // What comes from a pipe is read whole, too: decoders go back and forth.
    let mut bytes = magic;
    file.take(reading.memory.saturating_add(1)).read_to_end(&mut bytes).map_err(broken)?;
    if bytes.len() as u64 > reading.memory {
        return Err(too_large(
            what,
            path,
            reading,
            format!("a file of more than {} MiB", reading.memory >> 20),
        ));
    }
    if is_torn_jpeg(&bytes) {
        let found = format!("{} bytes of a JPEG image without its end", bytes.len());
        return Err(Error::wrong_file(what, path, expected, found));
    }
    let lossless = !compressed || bytes.windows(4).any(|part| part == b"VP8L");
    let image = decode_from(Cursor::new(&bytes), what, expected, path, reading)?;
    Ok(Decoded { image, lossy: !lossless })
}

fn decode_from(
    input: impl BufRead + Seek,
    what: &'static str,
    expected: &str,
    path: &Path,
    reading: &Reading,
) -> Result<DynamicImage> {
    let wrong = |error: ImageError| match error {
        ImageError::Limits(reason) => too_large(what, path, reading, reason.to_string()),
        other => Error::wrong_file(what, path, expected, other.to_string()),
    };
    let mut reader = ImageReader::new(input).with_guessed_format().map_err(|e| Error::read(what, path, e))?;
    // The decoder is asked for the size first, so that the error can name it.
    reader.limits(Limits::no_limits());
    let mut decoder = reader.into_decoder().map_err(wrong)?;
    let (width, height) = decoder.dimensions();
    if width == 0 || height == 0 {
        return Err(Error::wrong_file(what, path, expected, format!("one of {width} x {height} pixels")));
    }
    // A picture whose notes are damaged is a picture all the same.
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let needed = memory(&decoder, orientation);
    if let (0, other) | (other, 0) = decoder.dimensions() {
        let found = format!("a picture of 0 by {other} pixels");
        return Err(Error::wrong_file(what, path, expected, found));
    }
    if needed > reading.memory {
        let (width, height) = decoder.dimensions();
        let found = format!("{width}x{height} pixels that take {} MiB", needed.div_ceil(1 << 20));
        return Err(too_large(what, path, reading, found));
    }
    let mut limits = Limits::no_limits();
    limits.max_alloc = Some(reading.memory);
    decoder.set_limits(limits).map_err(wrong)?;
    let mut image = DynamicImage::from_decoder(decoder).map_err(wrong)?;
    image.apply_orientation(orientation);
    Ok(image)
}

/// Bytes that a picture takes while it is decoded, turned and brought to RGB of 8 bits.
fn memory(decoder: &impl ImageDecoder, orientation: Orientation) -> u64 {
    let (width, height) = decoder.dimensions();
    let pixels = u64::from(width) * u64::from(height);
    let rgb = if decoder.color_type() == ColorType::Rgb8 { 0 } else { pixels.saturating_mul(3) };
    let turned = match orientation {
        Orientation::Rotate90
        | Orientation::Rotate270
        | Orientation::Rotate90FlipH
        | Orientation::Rotate270FlipH => decoder.total_bytes(),
        _ => 0,
    };
    decoder.total_bytes().saturating_add(rgb).saturating_add(turned)
}

fn too_large(what: &'static str, path: &Path, reading: &Reading, found: String) -> Error {
    let expected =
        format!("a picture that takes at most {} MiB (--picture-memory allows more)", reading.memory >> 20);
    Error::wrong_file(what, path, expected, found)
}

/// Whether a JPEG file ends before its image does, which decoders fill up with grey and do not tell. The data of an image
/// hold no marker, so after the last start of one (SOS) there is an end (EOI), whatever thumbnails come before.
fn is_torn_jpeg(bytes: &[u8]) -> bool {
    let last = |marker: [u8; 2]| bytes.windows(2).rposition(|pair| pair == marker);
    bytes.starts_with(&[0xff, 0xd8]) && last([0xff, 0xd9]) < last([0xff, 0xda])
}
