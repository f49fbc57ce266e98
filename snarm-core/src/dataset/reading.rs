//! The one door that picture files come in by: limits on their size, orientation, and what their samples mean.

use std::io::{BufRead, BufReader, Cursor, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicUsize, Ordering};

use image::metadata::Orientation;
use image::{
    ColorType, DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader, ImageResult, Limits,
};

use super::{orientation, pages};
use crate::error::{Error, Result};
use crate::files::Opened;

/// What picture files are.
pub(super) const PICTURES: &str = "a PNG, JPEG, BMP, TIFF, WebP or PNM picture";

/// Part of the memory for a picture that what stands beside it in a PNG file may take: profiles of colours, which are
/// compressed, and texts. Such a profile may grow a thousandfold.
const BESIDE: u64 = 8;

/// First bytes of a PNM file that its header is looked for in.
const PNM_HEADER: u64 = 4096;

/// How picture files are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reading {
    /// Most memory in bytes that a picture takes while it is decoded; larger ones are refused.
    pub memory: u64,
    /// Bits, 8 to 16, that samples of 16 bits hold: the greatest number of so many bits is white. `None` is not known,
    /// and all 16 are taken. A PNM file that names a white of its own is read by that.
    pub bits: Option<u8>,
}

impl Default for Reading {
    fn default() -> Self {
        Self { memory: 512 << 20, bits: None }
    }
}

impl Reading {
    /// The value of a sample of 16 bits that is white.
    fn white(&self) -> u16 {
        u16::MAX >> (16 - self.bits.unwrap_or(16).clamp(1, 16))
    }
}

/// A decoded file, upright.
pub(crate) struct Decoded {
    pub(crate) image: DynamicImage,
    /// Whether decoding gives back about what was written, not exactly that.
    pub(super) lossy: bool,
    /// Whether the file names the white of its samples, and they were brought to the whole range by it.
    is_scaled: bool,
}

impl Decoded {
    /// The value of a sample of 16 bits that is white.
    pub(super) fn white(&self, reading: &Reading) -> u16 {
        if self.is_scaled { u16::MAX } else { reading.white() }
    }

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

    pub(super) fn add(&mut self, decoded: &Decoded) {
        if decoded.is_scaled {
            return;
        }
        // Alpha says nothing about light.
        let largest = match &decoded.image {
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
        if has_16_bits(path, reading)
            && let Ok(decoded) = decode("image", PICTURES, path, reading)
        {
            depth.add(&decoded);
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
fn has_16_bits(path: &Path, reading: &Reading) -> bool {
    let Ok(opened) = Opened::of("image", path) else { return false };
    let Ok(reader) = ImageReader::new(BufReader::new(opened.file())).with_guessed_format() else {
        return false;
    };
    if !matches!(reader.format(), Some(ImageFormat::Png | ImageFormat::Tiff | ImageFormat::Pnm)) {
        return false;
    }
    let color = limited(reader, reading.memory).map(|decoder| decoder.color_type());
    matches!(color, Ok(ColorType::L16 | ColorType::La16 | ColorType::Rgb16 | ColorType::Rgba16))
}

/// Reads a picture file and turns it upright; `expected` is what the error says of one that cannot be decoded.
///
/// # Errors
/// When the file is missing, is no file, takes more memory than it may, or cannot be decoded.
pub(crate) fn decode(what: &'static str, expected: &str, path: &Path, reading: &Reading) -> Result<Decoded> {
    let opened = Opened::of(what, path)?;
    let magic = opened.begins(12)?;
    if !magic.starts_with(&[0xff, 0xd8]) && !magic.starts_with(b"RIFF") {
        return decode_from(BufReader::new(opened.file()), 0, what, expected, path, reading);
    }
    // Whether these are whole, or without losses, shows in all their bytes.
    if opened.len() > reading.memory {
        let found = format!("a file of {} MiB", opened.len().div_ceil(1 << 20));
        return Err(too_large(what, path, reading, found));
    }
    let bytes = opened.whole()?;
    if is_torn_jpeg(&bytes) {
        let found = format!("{} bytes of a JPEG image without its end", bytes.len());
        return Err(Error::wrong_file(what, path, expected, found));
    }
    let lossy = !bytes.windows(4).any(|part| part == b"VP8L");
    let within = match (magic.starts_with(b"RIFF"), lossy) {
        (false, _) => coefficients(&bytes),
        // The planes of a WebP picture, or all four channels.
        (true, true) => 2,
        (true, false) => 4,
    };
    let decoded = decode_from(Cursor::new(&bytes), within, what, expected, path, reading)?;
    Ok(Decoded { lossy, ..decoded })
}

/// Decodes what the decoder needs `within` bytes a pixel for, beside those of its picture.
fn decode_from(
    mut input: impl BufRead + Seek,
    within: u64,
    what: &'static str,
    expected: &str,
    path: &Path,
    reading: &Reading,
) -> Result<Decoded> {
    let broken = |source| Error::read(what, path, source);
    let wrong = |error: ImageError| match error {
        ImageError::Limits(reason) => too_large(what, path, reading, reason.to_string()),
        other => Error::wrong_file(what, path, expected, other.to_string()),
    };
    let of_png = orientation::of_png(&mut input).map_err(broken)?;
    let is_scaled = names_white(&mut input).map_err(broken)?;
    if let Some((expected, found)) = pages::fault(&mut input).map_err(broken)? {
        return Err(Error::wrong_file(what, path, expected, found));
    }
    let reader = ImageReader::new(&mut input).with_guessed_format().map_err(broken)?;
    let format = reader.format();
    let mut decoder = limited(reader, reading.memory).map_err(wrong)?;
    let (width, height) = decoder.dimensions();
    if width == 0 || height == 0 {
        return Err(Error::wrong_file(what, path, expected, format!("one of {width} x {height} pixels")));
    }
    // A picture whose notes are damaged is a picture all the same.
    let orientation = match format {
        Some(ImageFormat::Png) => of_png,
        Some(ImageFormat::Tiff) => decoder.orientation().ok(),
        _ => decoder.exif_metadata().ok().flatten().and_then(|notes| orientation::of_notes(&notes)),
    };
    let orientation = orientation.unwrap_or(Orientation::NoTransforms);
    let needed = memory(&decoder, orientation, within);
    if needed > reading.memory {
        let found = format!("{width}x{height} pixels that take {} MiB", needed.div_ceil(1 << 20));
        return Err(too_large(what, path, reading, found));
    }
    let mut image = DynamicImage::from_decoder(decoder).map_err(wrong)?;
    if format == Some(ImageFormat::Pnm) && pages::is_followed(&mut input).map_err(broken)? {
        return Err(Error::wrong_file(what, path, pages::ONE, "several behind each other in a PNM file"));
    }
    image.apply_orientation(orientation);
    Ok(Decoded { image, lossy: false, is_scaled })
}

/// A decoder that knows the size of its picture and has decoded none of it. What stands beside the picture in the file
/// takes a part of the memory at most, and is not looked at otherwise.
fn limited<'a>(
    mut reader: ImageReader<impl BufRead + Seek + 'a>,
    memory: u64,
) -> ImageResult<impl ImageDecoder + 'a> {
    let limits = |most: u64| {
        let mut limits = Limits::no_limits();
        limits.max_alloc = Some(most);
        limits
    };
    // Only that of PNG files minds them so early, when it reads all that stands before the picture.
    reader.limits(limits(memory / BESIDE));
    let mut decoder = reader.into_decoder()?;
    // The size is compared later, so that the error can name it.
    decoder.set_limits(limits(memory))?;
    Ok(decoder)
}

/// Whether a PNM file names another white than the greatest sample of 16 bits: then the decoder scales its samples. The
/// input stands at its beginning again.
fn names_white(input: &mut (impl BufRead + Seek)) -> std::io::Result<bool> {
    let mut header = Vec::new();
    (&mut *input).take(PNM_HEADER).read_to_end(&mut header)?;
    input.seek(SeekFrom::Start(0))?;
    // Comments reach from # to the end of the line.
    let lines = header.split(|byte| *byte == b'\n');
    let lines = lines.map(|line| line.split(|byte| *byte == b'#').next().unwrap_or_default());
    let words = lines.flat_map(|line| line.split(u8::is_ascii_whitespace));
    let mut words = words.filter(|word| !word.is_empty());
    let white = match words.next() {
        Some(b"P2" | b"P3" | b"P5" | b"P6") => words.nth(2),
        Some(b"P7") => words.skip_while(|word| *word != b"MAXVAL").nth(1),
        _ => return Ok(false),
    };
    Ok(white != Some(b"65535"))
}

/// Bytes that a picture takes while it is decoded, turned and brought to RGB of 8 bits. What the decoder needs, `within` bytes
/// a pixel, is free when the rest begins.
fn memory(decoder: &impl ImageDecoder, orientation: Orientation, within: u64) -> u64 {
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
    decoder.total_bytes().saturating_add(rgb.saturating_add(turned).max(pixels.saturating_mul(within)))
}

fn too_large(what: &'static str, path: &Path, reading: &Reading, found: String) -> Error {
    let expected =
        format!("a picture that takes at most {} MiB (--picture-memory allows more)", reading.memory >> 20);
    Error::wrong_file(what, path, expected, found)
}

/// Bytes a pixel that the coefficients of a JPEG image take: all of them are kept where they come in several scans.
fn coefficients(bytes: &[u8]) -> u64 {
    let (mut at, mut channels) = (2, 0);
    while let Some(&[0xff, marker]) = bytes.get(at..).and_then(|rest| rest.first_chunk()) {
        let number = |place: usize| bytes.get(at + place).map_or(0, |number| u64::from(*number));
        match marker {
            // Bytes that fill, before a marker.
            0xff => {
                at += 1;
                continue;
            }
            0xc2 => return 2 * number(9),
            0xc0 | 0xc1 => channels = number(9),
            0xda => return if number(4) < channels { 2 * channels } else { 0 },
            _ => {}
        }
        at += 2 + 256 * number(2) as usize + number(3) as usize;
    }
    0
}

/// Whether a JPEG file ends before its image does, which decoders fill up with grey and do not tell. The data of an image
/// hold no marker, so after the last start of one (SOS) there is an end (EOI), whatever thumbnails come before.
fn is_torn_jpeg(bytes: &[u8]) -> bool {
    let last = |marker: [u8; 2]| bytes.windows(2).rposition(|pair| pair == marker);
    bytes.starts_with(&[0xff, 0xd8]) && last([0xff, 0xd9]) < last([0xff, 0xda])
}

#[cfg(test)]
mod tests {
    use image::codecs::png::PngEncoder;
    use image::{ExtendedColorType, ImageEncoder};

    use super::*;

    /// Some kilobytes of a file may say gigabytes.
    #[test]
    fn a_profile_of_colours_takes_a_part_of_the_memory_at_most() {
        let mut bytes = Vec::new();
        let mut encoder = PngEncoder::new(&mut bytes);
        encoder.set_icc_profile(vec![0; 4 << 20]).unwrap();
        encoder.write_image(&[7; 12], 2, 2, ExtendedColorType::Rgb8).unwrap();
        assert!(bytes.len() < 100_000);
        let profile = |memory| {
            let reader = ImageReader::new(Cursor::new(&bytes)).with_guessed_format().unwrap();
            limited(reader, memory).unwrap().icc_profile().unwrap().map(|profile| profile.len())
        };
        assert_eq!(profile(64 << 20), Some(4 << 20));
        assert_eq!(profile(16 << 20), None);
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.png");
        std::fs::write(&path, &bytes).unwrap();
        let reading = Reading { memory: 16 << 20, ..Reading::default() };
        let read = decode("image", PICTURES, &path, &reading).unwrap();
        assert_eq!(read.image.into_rgb8().into_raw(), [7; 12]);
    }

    /// A picture of a few kilobytes may have gigabytes of them.
    #[test]
    fn coefficients_that_are_kept_count() {
        let segment = |marker: u8, data: &[u8]| [&[0xff, marker, 0, data.len() as u8 + 2][..], data].concat();
        let file = |frame: u8, channels: u8, in_scan: u8| {
            let frame = segment(frame, &[&[8, 0, 9, 0, 9, channels][..], &[1; 9]].concat());
            [&[0xff, 0xd8][..], &segment(0xe0, &[7; 14]), &[0xff], &frame, &segment(0xda, &[in_scan])]
                .concat()
        };
        for (frame, channels, in_scan, expected) in [
            (0xc0, 3, 3, 0),
            (0xc0, 1, 1, 0),
            (0xc0, 3, 1, 6),
            (0xc1, 4, 1, 8),
            (0xc2, 3, 3, 6),
            (0xc2, 1, 1, 2),
        ] {
            let bytes = file(frame, channels, in_scan);
            assert_eq!(coefficients(&bytes), expected, "{frame:x} {channels} {in_scan}");
            for end in 0..bytes.len() {
                coefficients(&bytes[..end]);
            }
        }
    }

    #[test]
    fn the_white_of_a_pnm_file_is_found_behind_comments() {
        for (header, expected) in [
            ("P5 2 2 65535\n", false),
            ("P5 2 2 4095\n", true),
            ("P6\n# 1 2 3\n2 # of a camera\n2\n65535\n", false),
            ("P2\n2\n2\n# 65535\n1023\n0 1 2 3", true),
            ("P7\nWIDTH 2\nHEIGHT 2\nDEPTH 1\nMAXVAL 65535\nTUPLTYPE GRAYSCALE\nENDHDR\n", false),
            ("P7\nMAXVAL 4095\n", true),
            ("BM 2 2 4095", false),
            ("", false),
        ] {
            assert_eq!(names_white(&mut Cursor::new(header)).unwrap(), expected, "{header}");
        }
    }
}
